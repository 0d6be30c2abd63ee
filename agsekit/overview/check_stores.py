"""Checks of mounts on the host: the source, the store, the disk below it, and what a crash left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from agsekit.config.model import Config, Mount
from agsekit.errors import AgsekitError
from agsekit.i18n import _, sentence_and_hint
from agsekit.machines.mounts import overlaps
from agsekit.machines.new_mount import check_writable
from agsekit.overview.check import FAIL, OK, WARN, Check, Surroundings
from agsekit.overview.check_host import readable_by_others
from agsekit.protection.target import refuse_mounted_store, target_of
from agsekit_storage import lock, naming
from agsekit_storage.errors import StorageError, StoreLocked
from agsekit_storage.guards import check_source
from agsekit_storage.settings import PRIVATE
from agsekit_storage.store import Store

_WAIT = 10.0
_LITTLE = 1024**3


def check_mounts(around: Surroundings) -> Iterator[Check]:
    """Yield the checks of all mounts."""
    if around.config is None:
        return
    for mount in around.config.mounts:
        yield from _source(mount, around)
        yield from _store(mount, around)


def _source(mount: Mount, around: Surroundings) -> Iterator[Check]:
    subject = str(mount.source)
    try:
        check_source(mount.source, home=around.home)
    except StorageError as error:
        sentence, hint = sentence_and_hint(error)
        yield Check("source", FAIL, sentence, _way_back(mount) or hint, subject)
    else:
        yield Check("source", OK, _("the folder {path} is there").format(path=mount.source), subject=subject)
    for sentence in overlaps(_config(around), mount):
        yield Check("overlap", WARN, sentence, _("give each mount a folder of its own"), subject)


def _way_back(mount: Mount) -> Optional[str]:
    """Return what brings a source back that is gone, or None where it is there, or nothing of it was saved."""
    try:
        if os.path.lexists(mount.source) or not target_of(mount).existing_store().snapshots():
            return None
    except (StorageError, AgsekitError, OSError):
        return None
    command = f"agsekit snapshots restore latest --source-dir {shlex.quote(str(mount.source))}"
    return _("bring it back: {command}; or correct the `source:` of the mount").format(command=command)


def _config(around: Surroundings) -> Config:
    assert around.config is not None  # noqa: S101  # there are no mounts without one
    return around.config


def _store(mount: Mount, around: Surroundings) -> Iterator[Check]:
    subject = str(mount.source)
    try:
        refuse_mounted_store(mount.backup, _config(around))
        if not (mount.backup / PRIVATE).is_dir():
            check_writable(mount.backup)
            text = _("{path} has no snapshots yet").format(path=mount.source)
            yield Check("store", WARN, text, _("take one with `agsekit backup-once`"), subject)
            yield from _disk(mount)
            return
        store = target_of(mount).existing_store()
        snapshots = store.snapshots()
        yield from _links(store, subject)
    except (StorageError, AgsekitError, OSError) as error:
        yield Check("store", FAIL, *sentence_and_hint(error), subject)
        return
    damaged = [snapshot.id for snapshot in snapshots if snapshot.kind == "damaged"]
    if damaged:
        text = _("{path}: these snapshots have damaged records: {ids}")
        text = text.format(path=store.path, ids=", ".join(damaged))
        yield Check("store", FAIL, text, _("see what is left: agsekit snapshots verify"), subject)
    else:
        text = _("{path} is out of the agents' reach, with snapshots: {count}").format(
            path=store.path, count=len(snapshots)
        )
        yield Check("store", OK, text, subject=subject)
    if store.path.stat().st_mode & 0o077:
        yield readable_by_others("store-mode", FAIL, store.path)
    yield from _disk(mount)
    yield from _leftovers(store, subject)


def _links(store: Store, subject: str) -> Iterator[Check]:
    """Try what the backend needs of the file system; without the right to write there, that is the problem."""
    try:
        store.backend.check_folder()
    except StorageError as error:
        yield Check("hard-links", FAIL, *sentence_and_hint(error), subject)


def _disk(mount: Mount) -> Iterator[Check]:
    place = mount.backup
    while not place.is_dir():
        place = place.parent
    status = os.statvfs(place)
    free, floor = status.f_bavail * status.f_frsize, max(mount.keep.min_free or 0, _LITTLE)
    if free < floor:
        yield Check(
            "free-space",
            WARN,
            _("the disk of {path} has only {free} MB free").format(path=mount.backup, free=free // 1024**2),
            _("free some space there, or keep fewer snapshots: agsekit snapshots usage"),
            str(mount.source),
        )


def _leftovers(store: Store, subject: str) -> Iterator[Check]:
    left = [name for name in os.listdir(store.path) if _is_rest(name)]
    if not left or _is_being_written(store.path):
        return

    def clean() -> str:
        with store.locked(wait=_WAIT):
            pass  # whoever takes the lock removes them first
        return _("the leftovers in {path} were removed").format(path=store.path)

    text = _("{path} holds leftovers of a snapshot that was cut short: {names}").format(
        path=store.path, names=", ".join(sorted(left)[:3])
    )
    yield Check("leftovers", WARN, text, _("the next snapshot removes them"), subject, clean)


def _is_rest(name: str) -> bool:
    return name.startswith(naming.TRASH) or (
        name.endswith(naming.PARTIAL) and naming.is_id(name[: -len(naming.PARTIAL)])
    )


def _is_being_written(path: Path) -> bool:
    try:
        with lock.exclusive(path / PRIVATE / "lock", wait=0):
            return False
    except StoreLocked:
        return True
