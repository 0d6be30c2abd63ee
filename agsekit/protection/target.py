"""Which folder is protected by which store: from the configuration, from options, or from both."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from agsekit.config.model import Config, Guard, Mount
from agsekit.config.select import mount_for
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit_storage.guards import check_apart, check_source
from agsekit_storage.retention import Policy
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Target:
    """A source and its store.

    `source` is None when neither options nor store tell it; `backend` None means what the store has; `watch` None
    means where every edit is told of.
    """

    source: Optional[Path]
    backup: Path
    exclude: Sequence[str] = ()
    backend: Optional[str] = None
    interval: float = 5.0
    keep: Policy = field(default_factory=Policy)
    watch: Optional[bool] = None
    guard: Guard = field(default_factory=Guard)

    def create_store(self, *, home: Path, adopt: bool = False) -> Store:
        """Open the store for writing, making it where there is none; `adopt` as in `Store.create`."""
        if self.source is None:
            raise UsageError(
                _("--source-dir is needed to take a snapshot"), hint=_("name the folder that is to be saved with it")
            )
        return Store.create(self.backup, check_source(self.source, home=home), backend=self.backend, adopt=adopt)

    def existing_store(self) -> Store:
        """Open the store, which must exist."""
        return Store.existing(self.backup, self.source)


def target_of(mount: Mount) -> Target:
    """Return what protects the source of a mount."""
    return Target(
        mount.source,
        mount.backup,
        mount.exclude,
        mount.backend,
        mount.interval,
        mount.keep,
        mount.watch,
        mount.guard,
    )


def resolve_target(
    load: Callable[[], Config],
    *,
    source: Optional[Path],
    backup: Optional[Path],
    exclude: Sequence[str],
    backend: Optional[str],
    folder: Path,
) -> Target:
    """Return what is meant by `--source-dir` and `--dest-dir`, or by the mount that contains `folder`.

    The configuration is loaded only where it can say something: an invalid one does not stop a command that
    names both folders. Excludes of the mount apply whenever source and store are its own.

    Raises:
        UsageError: neither the options nor the configuration say which folder is meant.
    """
    if source is not None and backup is not None:
        mount = _known_mount(load, source, backup)
        if mount and _same(mount.backup, backup):
            return _adjusted(target_of(mount), exclude, backend)
        return Target(source, backup, exclude, backend)
    if backup is not None:
        recorded = Store.existing(backup).source
        return (
            resolve_target(load, source=recorded, backup=backup, exclude=exclude, backend=backend, folder=folder)
            if recorded
            else Target(None, backup, exclude, backend)
        )
    wanted = source if source is not None else folder
    config = load()
    mount = mount_for(config, wanted)
    if mount is None or (source is not None and not _same(mount.source, source)):
        raise UsageError(
            _("{folder} does not belong to a mount of the configuration").format(folder=wanted),
            hint=_which_folder(config),
        )
    refuse_mounted_store(mount.backup, config)
    return _adjusted(target_of(mount), exclude, backend)


def _which_folder(config: Config) -> str:
    sources = dict.fromkeys(str(mount.source) for mount in config.mounts)
    if not sources:
        return _("name both folders with --source-dir and --dest-dir, or mount this one: agsekit addmount")
    return _("run this inside a mounted folder, or name one with --source-dir: {sources}").format(
        sources=", ".join(sources)
    )


def refuse_mounted_store(backup: Path, config: Config) -> None:
    """Refuse a store inside any mount, links resolved: the agent there could delete it.

    Raises:
        StoreRefused: it is.
    """
    for mount in config.mounts:
        check_apart(mount.source, backup)


def _adjusted(target: Target, exclude: Sequence[str], backend: Optional[str]) -> Target:
    """Return a target with further excludes, and another backend when one is asked for."""
    return replace(target, exclude=[*target.exclude, *exclude], backend=backend or target.backend)


def _known_mount(load: Callable[[], Config], source: Path, backup: Path) -> Optional[Mount]:
    try:
        config = load()
    except AgsekitError:
        return None
    refuse_mounted_store(backup, config)
    mount = mount_for(config, source)
    return mount if mount and _same(mount.source, source) else None


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
