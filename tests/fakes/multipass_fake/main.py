"""The commands, and what all of them have in common."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import launch, lifecycle, mounts, queries, settings, snapshots, transfer
from .client import COMMAND_LINE, CommandError, Counter, complain, parse, say
from .state import Daemon, opened

Command = Callable[[Daemon, Sequence[str]], None]

COMMANDS: Mapping[str, Command] = {
    "clone": snapshots.clone,
    "delete": lifecycle.delete,
    "find": queries.find,
    "get": settings.get,
    "info": queries.info,
    "launch": launch.launch,
    "list": queries.list_instances,
    "mount": mounts.mount,
    "networks": queries.networks,
    "purge": lifecycle.purge,
    "recover": lifecycle.recover,
    "restart": lifecycle.restart,
    "restore": snapshots.restore,
    "set": settings.set_value,
    "snapshot": snapshots.snapshot,
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "suspend": lifecycle.suspend,
    "transfer": transfer.transfer,
    "umount": mounts.umount,
    "unmount": mounts.umount,
    "version": queries.version,
}
_ASKS_ONLY_THE_DAEMON = ("find", "info", "list", "networks")

_NO_CERTIFICATE = (
    "[error] [client] Caught an unhandled exception: failed to open file "
    "'/usr/local/etc/multipassd/multipass_root_cert.pem': No such file or directory(2)\n"
)


def main(argv: Sequence[str]) -> int:
    """Run one call of the client and return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    folder = Path(os.environ["FAKE_MULTIPASS_STATE"])
    call, situation, noise = _record(folder, argv)
    counter = Counter()
    if noise:
        complain(noise)
    try:
        if situation == "never-started":
            raise CommandError(COMMAND_LINE, _NO_CERTIFICATE)
        rc = _dispatch(folder, argv, counter)
    except CommandError as failure:
        complain(failure.text)
        rc = failure.rc
    with (folder / "ends.jsonl").open("a") as ends:
        ends.write(json.dumps({"call": call, "rc": rc, "stdin": counter.bytes}) + "\n")
    return rc


def _record(folder: Path, argv: Sequence[str]) -> tuple[int, str, str]:
    with opened(folder) as daemon:
        daemon.calls += 1
        for instance in daemon.instances.values():
            instance.hidden_calls = max(0, instance.hidden_calls - 1)
        with (folder / "calls.jsonl").open("a") as calls:
            line = {"call": daemon.calls, "argv": ["multipass", *argv], "cwd": os.getcwd()}
            calls.write(json.dumps(line) + "\n")
        return daemon.calls, str(daemon.situation("daemon", "up")), str(daemon.situation("noise", ""))


def _dispatch(folder: Path, argv: Sequence[str], counter: Counter) -> int:
    if not argv or argv[0] in ("help", "--help", "-h"):
        say("Usage: multipass [options] <command>\nCreate, control and connect to Ubuntu instances.\n")
        return 0
    name, rest = argv[0], argv[1:]
    if name in ("exec", "shell"):
        from . import execute  # slow to load

        run = execute.execute if name == "exec" else execute.shell
        return run(folder, rest, counter)
    if name not in COMMANDS:
        hint = '(try "multipass help" or "multipass aliases")'
        say(f"Error: Unknown command or alias '{name}' {hint}\n")
        return COMMAND_LINE
    if "--help" in rest or "-h" in rest:
        parse(["--help"])
        say(f"Usage: multipass {name} [options]\n")
        return 0
    with opened(folder) as daemon:
        if name in _ASKS_ONLY_THE_DAEMON or (name == "get" and "--keys" not in rest):
            lifecycle.require_daemon(daemon, name)
        COMMANDS[name](daemon, rest)
    return 0
