"""Commands get and set."""

from __future__ import annotations

from collections.abc import Sequence

from .client import COMMAND_LINE, CommandError, clear, complain, failed, parse, say, stamp
from .lifecycle import require_daemon
from .state import MIB, Daemon, Instance, parse_size, size_text

_GLOBAL = (
    "client.primary-name",
    "local.bridged-network",
    "local.driver",
    "local.image.mirror",
    "local.passphrase",
    "local.privileged-mounts",
)
_VALUES = {"client.primary-name": "primary", "local.driver": "qemu", "local.privileged-mounts": "true"}


def get(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass get`: prints one value, or all keys."""
    arguments = parse(argv, flags="raw keys")
    if arguments.has("keys"):
        keys = list(_GLOBAL)
        if daemon.situation("daemon", "up") != "up":
            complain(f"{stamp()} [error] [remote settings] Could not reach daemon.\n")
            keys = ["client.primary-name"]
        else:
            for each in daemon.visible():
                keys += [f"local.{each.name}.{leaf}" for leaf in ("bridged", "cpus", "disk", "memory")]
        say("".join(f"{key}\n" for key in sorted(keys)))
        return
    if not arguments.positional:
        raise CommandError(COMMAND_LINE, "Need exactly one setting key.\n")
    key = arguments.positional[0]
    if key in _GLOBAL:
        say(_VALUES.get(key, "<empty>") + "\n")
        return
    instance, leaf = _locate(daemon, "get", key, "obtain")
    if leaf == "cpus":
        say(f"{instance.cpus}\n")
    elif leaf == "bridged":
        say("false\n")
    elif leaf in ("memory", "disk"):
        say(size_text(getattr(instance, leaf)) + "\n")
    else:
        raise failed("get", f"Unrecognized settings key: '{key}'")


def set_value(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass set`: sizes of a stopped machine."""
    key, _, value = (parse(argv).positional or [""])[0].partition("=")
    if not key.startswith("local."):
        raise CommandError(COMMAND_LINE, f"Unrecognized settings key: '{key}'\n")
    clear()
    require_daemon(daemon, "set")
    if key in _GLOBAL:
        return
    instance, leaf = _locate(daemon, "set", key, "update")
    if leaf not in ("cpus", "memory", "disk"):
        raise failed("set", f"Unrecognized settings key: '{key}'")
    if instance.state == "Deleted":
        raise _refused("set", "update", instance.name, "Instance is deleted")
    if instance.state != "Stopped":
        raise _refused("set", "update", instance.name, "Instance must be stopped for modification")
    problem = _apply(instance, leaf, value)
    if problem:
        raise failed("set", f"Invalid setting '{key}={value}': {problem}")


def _refused(command: str, verb: str, name: str, reason: str) -> CommandError:
    return failed(command, f"Cannot {verb} instance settings; instance: {name}; reason: {reason}")


def _locate(daemon: Daemon, command: str, key: str, verb: str) -> tuple[Instance, str]:
    parts = key.split(".")
    if len(parts) != 3:
        raise failed(command, f"Unrecognized settings key: '{key}'")
    instance = daemon.find(parts[1])
    if instance is None:
        raise _refused(command, verb, parts[1], "No such instance")
    return instance, parts[2]


def _apply(instance: Instance, leaf: str, value: str) -> str:
    if leaf == "cpus":
        if not value.isdigit() or int(value) < 1:
            return "Need a positive integer (in decimal format) of minimum 1"
        instance.cpus = int(value)
        return ""
    size = parse_size(value)
    if size is None:
        return f"{value} is not a valid memory size"
    if leaf == "memory":
        if size < 128 * MIB:
            return "Memory less than 128M minimum not allowed"
        instance.memory = size
        return ""
    if size < instance.disk:
        return "Disk can only be expanded"
    instance.disk = size
    return ""
