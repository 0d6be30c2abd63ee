"""Commands snapshot, restore and clone; deletion of snapshots."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from .client import COMMAND_LINE, CommandError, clear, failed, parse, say, unhandled
from .lifecycle import require_daemon, seen_state, spinner
from .state import Daemon, Instance, Snapshot

_NAME = r"[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?"


def _owner(daemon: Daemon, command: str, name: str, refusal: str) -> Instance:
    instance = daemon.find(name)
    if instance is None:
        raise failed(command, f'instance "{name}" does not exist')
    if instance.state == "Deleted":
        raise failed(command, f'instance "{name}" is deleted')
    if seen_state(instance) != "Stopped":
        raise failed(command, refusal)
    return instance


def snapshot(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass snapshot NAME`."""
    arguments = parse(argv, values="n/name m/comment")
    with spinner("Taking snapshot"):
        require_daemon(daemon, "snapshot")
        refusal = "Multipass can only take snapshots of stopped instances."
        instance = _owner(daemon, "snapshot", (arguments.positional or [""])[0], refusal)
        name = arguments.value("name") or f"snapshot{instance.snapshots_ever + 1}"
        if not re.fullmatch(_NAME, name):
            raise failed("snapshot", f'Invalid snapshot name: "{name}".')
        if name in instance.snapshots:
            raise failed("snapshot", f"Snapshot already exists: {instance.name}.{name}")
        taken = Snapshot(
            name,
            instance.head,
            arguments.value("comment"),
            instance.cpus,
            instance.memory,
            instance.disk,
            copy.deepcopy(instance.mounts),
        )
        instance.snapshots[name] = taken
        instance.snapshots = dict(sorted(instance.snapshots.items()))
        instance.head = name
        instance.snapshots_ever += 1
        _copy_root(daemon.home_of(instance.name), "root", f"snapshot-{name}")
    say(f"Snapshot taken: {instance.name}.{name}\n")
    clear()


def _copy_root(home: Path, source: str, target: str) -> None:
    shutil.rmtree(home / target, ignore_errors=True)
    if (home / source).exists():
        shutil.copytree(home / source, home / target, symlinks=True)


def restore(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass restore NAME.SNAPSHOT`."""
    arguments = parse(argv, flags="d/destructive")
    name, dot, chosen = (arguments.positional or [""])[0].partition(".")
    if not dot:
        form = "in the form <instance>.<snapshot>."
        reason = f"Invalid format. Please specify the instance to restore and snapshot to use {form}\n"
        raise CommandError(COMMAND_LINE, reason)
    clear()
    require_daemon(daemon, "restore")
    refusal = "Multipass can only restore snapshots of stopped instances."
    instance = _owner(daemon, "restore", name, refusal)
    if chosen not in instance.snapshots:
        raise failed("restore", f"No such snapshot: {name}.{chosen}")
    if not arguments.has("destructive"):
        raise unhandled(
            "Unable to query client for confirmation. "
            "Use '--destructive' to automatically discard current machine state."
        )
    with spinner("Restoring snapshot"):
        saved = instance.snapshots[chosen]
        instance.cpus, instance.memory, instance.disk = saved.cpus, saved.memory, saved.disk
        instance.mounts, instance.head = copy.deepcopy(saved.mounts), chosen
        _copy_root(daemon.home_of(name), f"snapshot-{chosen}", "root")
    say(f"Snapshot restored: {name}.{chosen}\n")
    clear()


def delete_snapshot(daemon: Daemon, word: str, *, purging: bool) -> None:
    """Delete `NAME.SNAPSHOT`."""
    name, _, chosen = word.partition(".")
    instance = daemon.find(name)
    if not purging:
        raise unhandled(
            "Snapshots can only be purged (after deletion, they cannot be recovered). Unable to query client "
            "for confirmation. Please use the `--purge` flag if that is what you want.\n"
        )
    if instance is None or chosen not in instance.snapshots:
        raise failed("delete", f"No such snapshot: {word}")
    gone = instance.snapshots.pop(chosen)
    for each in instance.snapshots.values():
        if each.parent == chosen:
            each.parent = gone.parent
    if instance.head == chosen:
        instance.head = gone.parent
    shutil.rmtree(daemon.home_of(name) / f"snapshot-{chosen}", ignore_errors=True)


def clone(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass clone NAME`."""
    arguments = parse(argv, values="n/name")
    source = (arguments.positional or [""])[0]
    with spinner(f"Cloning {source}"):
        require_daemon(daemon, "clone")
        instance = _owner(daemon, "clone", source, "Multipass can only clone stopped instances.")
        name = arguments.value("name") or f"{source}-clone{instance.clones_ever + 1}"
        if name in daemon.instances:
            raise failed("clone", f'instance "{name}" already exists')
        if not re.fullmatch(_NAME, name):
            raise failed("clone", f"Invalid destination instance name: {name}")
        if instance.image and Path(instance.image).suffix not in (".img", ".iso"):
            _fail_to_copy_image(daemon, name, Path(instance.image).name)
        if not arguments.has("name"):
            instance.clones_ever += 1
        twin = copy.deepcopy(instance)
        twin.name, twin.snapshots, twin.head, twin.mounts = name, {}, "", {}
        daemon.instances[name] = twin
        root = daemon.home_of(source) / "root"
        if root.exists():
            shutil.copytree(root, daemon.home_of(name) / "root", symlinks=True)
    say(f"Cloned from {source} to {name}.\n")
    clear()


def _fail_to_copy_image(daemon: Daemon, name: str, image: str) -> None:
    file = daemon.folder / "data/vault/instances" / name / image
    raise failed(
        "clone",
        "Cannot list snapshots from the image: qemu-img failed (Process returned exit code: 1) with output:",
        f"qemu-img: Could not open '{file}': Could not open '{file}': No such file or directory",
        "",
    )
