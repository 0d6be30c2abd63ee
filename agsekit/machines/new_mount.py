"""A mount that is not in the configuration yet: what it would be, and whether it could work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Optional

from agsekit.config.fields import InvalidValueError
from agsekit.config.folder_fields import parse_host_folder, parse_source, parse_target
from agsekit.config.model import GUEST_HOME, Config, Mount
from agsekit.config.number_fields import parse_interval
from agsekit.config.select import vm_named
from agsekit.engines.base import Engine, MountPoint
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit.machines.mounts import share
from agsekit_storage.guards import check_apart, check_source
from agsekit_storage.settings import read as read_store
from agsekit_storage.settings import refuse_foreign_folder


@dataclass(frozen=True)
class Wish:
    """What a user asks for; None means the default. Folders are absolute, or begin with `~/`."""

    source: str
    target: Optional[str] = None
    backup: Optional[str] = None
    interval: Optional[str] = None
    vm: Optional[str] = None


def mount_of(wish: Wish, config: Config, *, home: Path) -> Mount:
    """Return the mount that is wished for, with its defaults.

    Raises:
        UsageError: a value is not one of its kind.
        NotFoundError: there is no such VM.
    """
    try:
        source = parse_source(_tidy(wish.source, home), home=home)
    except InvalidValueError as error:
        raise _unusable("PATH", error) from None
    try:
        target = GUEST_HOME / source.name if wish.target is None else parse_target(wish.target)
    except InvalidValueError as error:
        raise _unusable("TARGET", error) from None
    try:
        backup = source.parent / f"backups-{source.name}"
        if wish.backup is not None:
            backup = parse_host_folder(_tidy(wish.backup, home), home=home)
    except InvalidValueError as error:
        raise _unusable("BACKUP", error) from None
    try:
        interval = Mount.interval if wish.interval is None else parse_interval(wish.interval)
    except InvalidValueError as error:
        raise _unusable("INTERVAL", error) from None
    vm = config.first_vm if wish.vm is None else vm_named(config, wish.vm)
    return Mount(source=source, target=PurePosixPath(target), backup=backup, vm=vm.name, interval=interval)


def _tidy(text: str, home: Path) -> str:
    """Return a path without `..` and `.`: what it leads to when it has any, since a link may stand before them."""
    path = str(home / text[2:]) if text.startswith("~/") else text
    return os.path.realpath(path) if ".." in path.split("/") else os.path.normpath(path)


def _unusable(name: str, error: InvalidValueError) -> UsageError:
    return UsageError(
        f"{name} {error}", hint=_("give PATH, TARGET, BACKUP and INTERVAL in this order: agsekit addmount -h")
    )


def check_new_mount(mount: Mount, config: Config, engine: Engine, *, home: Path) -> None:
    """Refuse a mount that could not work beside those of the configuration.

    Raises:
        StorageError: the source is missing or too much; its store or another is in reach of an agent, or holds
            something else.
        EngineError: the engine cannot mount it.
        AgsekitError: it overlaps another mount.
    """
    check_source(mount.source, home=home)
    for other in config.mounts:
        _check_beside(mount, other)
    for source, store in _pairs(mount, config):
        check_apart(source, store)
    if read_store(mount.backup) is None:
        refuse_foreign_folder(mount.backup)
    check_writable(mount.backup)
    engine.check_mount(config.vms[mount.vm], MountPoint(mount.source, mount.target))


def check_writable(backup: Path) -> None:
    """Refuse a backup folder that this user cannot write to, or cannot make.

    Raises:
        AgsekitError: it is so.
    """
    place = backup
    while not os.path.lexists(place):
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise AgsekitError(
            _("you may not write to {place}, so the snapshots cannot go to {backup}").format(
                place=place, backup=backup
            ),
            hint=_("choose another backup folder, such as one below your home folder"),
        )


def _pairs(mount: Mount, config: Config) -> list[tuple[Path, Path]]:
    return [
        (mount.source, mount.backup),
        *((mount.source, other.backup) for other in config.mounts),
        *((other.source, mount.backup) for other in config.mounts),
    ]


def _check_beside(mount: Mount, other: Mount) -> None:
    if mount.vm == other.vm and share(_real(mount.source), _real(other.source)):
        same = _real(mount.source) == _real(other.source)
        message = _("{source} is a mount of VM {vm} already") if same else _("{source} and {other} overlap")
        raise AgsekitError(
            message.format(source=mount.source, vm=mount.vm, other=other.source),
            hint=_("one mount is enough for both; agsekit removemount {other} removes the other").format(
                other=other.source
            ),
        )
    if mount.vm == other.vm and share(mount.target, other.target):
        raise AgsekitError(
            _("{target} in VM {vm} overlaps {taken}, where {other} is mounted").format(
                target=mount.target, vm=mount.vm, taken=other.target, other=other.source
            ),
            hint=_("name another TARGET, such as {example}").format(example=f"{mount.target}-2"),
        )
    if share(_real(mount.backup), _real(other.backup)):
        raise AgsekitError(
            _("{backup} overlaps the backup folder of {other}").format(backup=mount.backup, other=other.source),
            hint=_("name another BACKUP, such as {example}").format(example=f"{mount.backup}-{mount.vm}"),
        )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
