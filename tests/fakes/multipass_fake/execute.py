"""Commands exec and shell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from . import guest, relay
from .client import (
    COMMAND_LINE,
    Arguments,
    CommandError,
    Counter,
    end_spin,
    errors_occurred,
    failed,
    parse,
    spin,
)
from .lifecycle import boot, power_off, require_daemon, seen_state
from .queries import EXEC_HELP, state_of
from .state import Daemon, Instance, opened

_AFTER_DASHES = """
Options to the inner command should come after "--", like this:
multipass exec <instance> -- <command> <arguments>
"""


def execute(folder: Path, argv: Sequence[str], counter: Counter) -> int:
    """`multipass exec NAME [--] COMMAND...`: starts a machine that does not run."""
    arguments = _parsed(argv)
    if arguments.has("help"):
        os.write(1, EXEC_HELP.encode())
        return 0
    words = arguments.positional[1:] + (arguments.rest or [])
    name = arguments.positional[0]
    mapping = not arguments.has("no-map-working-directory") and not arguments.has("working-directory")
    with opened(folder) as daemon:
        instance = _reach(daemon, "exec", name, mapping=mapping)
        where = arguments.value("working-directory") or (_mapped(instance) if mapping else "")
        command, spaces = guest.command(daemon, instance, _line(words, where), terminal=_terminal())
    return _relay(folder, name, command, spaces, counter)


def shell(folder: Path, argv: Sequence[str], counter: Counter) -> int:
    """`multipass shell NAME`: a login shell, with or without a terminal."""
    arguments = parse(argv, values="timeout")
    name = (arguments.positional or ["primary"])[0]
    with opened(folder) as daemon:
        instance = _reach(daemon, "shell", name, mapping=False)
        command, spaces = guest.command(daemon, instance, "bash -l", terminal=_terminal())
    return _relay(folder, name, command, spaces, counter)


def _parsed(argv: Sequence[str]) -> Arguments:
    try:
        arguments = parse(argv, flags="n/no-map-working-directory", values="d/working-directory")
    except CommandError as failure:
        raise CommandError(COMMAND_LINE, failure.text + _AFTER_DASHES) from None
    if arguments.has("working-directory") and arguments.has("no-map-working-directory"):
        clash = "Options --working-directory and --no-map-working-directory clash\n"
        raise CommandError(COMMAND_LINE, clash)
    given = len(arguments.positional) + len(arguments.rest or [])
    if not arguments.has("help") and (given < 2 or not arguments.positional):
        raise CommandError(COMMAND_LINE, "Wrong number of arguments\n")
    return arguments


def _reach(daemon: Daemon, command: str, name: str, *, mapping: bool) -> Instance:
    """Return the machine, running; with the mapping of the working folder it is asked for twice."""
    try:
        require_daemon(daemon, command)
        instance = daemon.find(name)
        if instance is None:
            raise errors_occurred(command, f'instance "{name}" does not exist')
    except CommandError as failure:
        raise CommandError(failure.rc, failure.text * (2 if mapping else 1)) from None
    if instance.state == "Deleted":
        raise errors_occurred(command, f'instance "{name}" is deleted')
    if seen_state(instance) in ("Stopped", "Suspended", "Starting", "Restarting"):
        spin(f"Starting {name}")
        try:
            boot(daemon, [name])
        finally:
            end_spin()
    if state_of(instance) != "Running":
        raise failed(command, "Cannot retrieve credentials in unknown state")
    if daemon.take("exec_failures"):
        raise failed(command, f"ssh connection failed: 'Timeout connecting to {instance.ip}'")
    return instance


def _mapped(instance: Instance) -> str:
    """Return the folder inside that corresponds to the working folder of the caller."""
    here = PurePosixPath(os.getcwd())
    for target in sorted(instance.mounts):
        source = PurePosixPath(instance.mounts[target]["source_path"])
        if here == source or source in here.parents:
            return str(PurePosixPath(target) / here.relative_to(source))
    return ""


def _line(words: Sequence[str], where: str) -> str:
    if not where:
        return guest.quote(words)
    folder = guest.quote([where])
    if words[0] == "sudo":  # the quoting of the words is lost here, since 1.16
        return "sudo sh -c " + guest.quote([f"cd {folder} && sudo -u ubuntu sudo {' '.join(words[1:])}"])
    return f"cd {folder} && {guest.quote(words)}"


def _terminal() -> str:
    return os.environ.get("TERM", "xterm") if os.isatty(0) else ""


def _relay(folder: Path, name: str, command: Sequence[str], spaces: Sequence[int], counter: Counter) -> int:
    if os.isatty(0):
        rc = relay.through_terminal(command, spaces, counter)
    else:
        rc = relay.through_pipes(command, spaces, counter)
    with opened(folder) as daemon:
        instance: Instance | None = daemon.find(name)
        marker = daemon.home_of(name) / "root/run/fake-poweroff"
        if instance is not None and marker.exists():
            marker.unlink()
            power_off(daemon, instance)
    return rc
