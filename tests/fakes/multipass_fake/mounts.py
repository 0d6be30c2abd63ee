"""Commands mount and umount."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

from .client import (
    COMMAND_LINE,
    Arguments,
    CommandError,
    clear,
    complain,
    end_spin,
    errors_occurred,
    failed,
    parse,
    say,
    spin,
    stamp,
)
from .lifecycle import require_daemon
from .state import Daemon, Instance

_NO_SNAP = """\
error mounting "{target}": Snap support needs to be installed in '{name}' in order to support mounts.
Please see https://docs.snapcraft.io/installing-snapd for information on
how to install snap support for your instance's distribution.

If your distribution's instructions specify enabling classic snap support,
please do that as well.

Alternatively, install `sshfs` manually inside the instance."""
_NO_SSHFS = (
    "{stamp} [error] [sshfs-mount-handler] Failed to install 'multipass-sshfs': error: cannot install "
    '"multipass-sshfs": Post "https://api.snapcraft.io/v2/snaps/refresh": no network\n'
)
_TIMEOUT = (
    "error mounting \"{target}\": failed to obtain exit status for remote process 'which snap': "
    "timed out after 5000 ms"
)


def register(instance: Instance, source: str, target: str) -> None:
    """Add a mount to the machine."""
    instance.mounts[target] = {
        "source_path": source,
        "uid_mappings": [f"{os.getuid()}:default"],
        "gid_mappings": [f"{os.getgid()}:default"],
    }


def mount(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass mount SOURCE NAME[:TARGET]...`."""
    arguments = parse(argv, values="t/type u/uid-map g/gid-map")
    if len(arguments.positional) < 2:
        raise CommandError(COMMAND_LINE, "Not enough arguments given\n")
    source = _checked_source(arguments)
    clear()
    require_daemon(daemon, "mount")
    _check_maps(arguments)
    problems = []
    for word in arguments.positional[1:]:
        name, _, target = word.partition(":")
        target = posixpath.normpath(target) if target else f"/home/ubuntu/{Path(source).name}"
        problem = _mount_one(daemon, name, source, target, arguments.value("type", "classic"))
        if problem:
            problems.append(problem)
    if problems:
        raise errors_occurred("mount", *problems)


def _checked_source(arguments: Arguments) -> str:
    given = arguments.positional[0]
    reason = ""
    if not Path(given).exists():
        reason = "does not exist"
    elif not Path(given).is_dir():
        reason = "is not a directory"
    elif not os.access(given, os.R_OK):
        reason = "is not readable"
    if reason:
        raise CommandError(COMMAND_LINE, f'Source path "{given}" {reason}\n')
    kind = arguments.value("type", "classic")
    if kind not in ("classic", "native"):
        reason = f"Bad mount type '{kind}' specified, please use 'classic' or 'native'"
        raise CommandError(COMMAND_LINE, f"error: {reason}\n")
    return os.path.abspath(given)


def _check_maps(arguments: Arguments) -> None:
    for option, label in (("uid-map", "uids"), ("gid-map", "gids")):
        entries = arguments.options.get(option, [])
        for inside in {entry.split(":")[0] for entry in entries}:
            twice = sorted((entry for entry in entries if entry.split(":")[0] == inside), reverse=True)
            if len(twice) > 1:
                raise failed(
                    "mount",
                    "Mount cannot apply mapping with duplicate ids:",
                    f"{label}: {inside}: [{', '.join(twice)}]",
                )


def _mount_one(daemon: Daemon, name: str, source: str, target: str, kind: str) -> str | None:
    instance = daemon.find(name)
    if instance is None or instance.state == "Deleted":
        return f"instance '{name}' does not exist"
    top = "/" + target.split("/")[1]
    if target in ("/", "/home", "/home/ubuntu") or top in ("/dev", "/proc", "/sys"):
        return f'unable to mount to "{target}"'
    if target in instance.mounts or target in instance.half_mounted:
        return f"\"{target}\" is already mounted in '{name}'"
    if kind == "native" and instance.state != "Stopped":
        raise failed("mount", f"Please stop the instance {name} before attempting native mounts.")
    if instance.running:
        problem = daemon.take("mount_failures")
        if problem is None and (daemon.home_of(name) / "root/etc/no-sshfs").exists():
            problem = "no-sshfs"
        if problem == "no-snap":
            return _NO_SNAP.format(target=target, name=name)
        if problem == "timeout":
            return _TIMEOUT.format(target=target)
        if problem == "no-sshfs":
            _fail_for_want_of_sshfs(instance, target)
        if problem == "dropped":
            return None
    register(instance, source, target)
    return None


def _fail_for_want_of_sshfs(instance: Instance, target: str) -> None:
    spin("Enabling support for mounting")
    end_spin()
    say("Enabling support for mounting  ")
    end_spin()
    instance.half_mounted.append(target)
    complain(_NO_SSHFS.format(stamp=stamp()))
    raise failed(
        "mount",
        f"Error enabling mount support in '{instance.name}'",
        "",
        "Please install the 'multipass-sshfs' snap manually inside the instance.",
    )


def umount(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass umount NAME[:TARGET]...`: all mounts of a machine, or one."""
    arguments = parse(argv)
    require_daemon(daemon, "umount")
    problems = []
    for word in arguments.positional:
        name, colon, target = word.partition(":")
        instance = daemon.find(name)
        if instance is None or instance.state == "Deleted":
            problems.append(f"instance '{name}' does not exist")
            continue
        if not colon:
            instance.mounts, instance.half_mounted, instance.stale = {}, [], []
            continue
        target = posixpath.normpath(target)
        instance.stale = [each for each in instance.stale if each != target]
        if target in instance.mounts:
            del instance.mounts[target]
        elif target in instance.half_mounted:
            instance.half_mounted.remove(target)
        else:
            problems.append(f"path \"{target}\" is not mounted in '{name}'")
    if problems:
        raise errors_occurred("umount", *problems)
