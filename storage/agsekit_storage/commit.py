"""Writing a snapshot and making it visible, or leaving the store as it was."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from agsekit_storage.backends.base import Work
from agsekit_storage.errors import StorageError
from agsekit_storage.model import Changes, Problem, Snapshot
from agsekit_storage.overview import follow, totals_of
from agsekit_storage.store import Store

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Place:
    """Where a new snapshot comes, and what is known of it beside its content.

    `always` makes one also when everything that had changed vanished while it was written.
    """

    id: str
    previous: Optional[Snapshot]
    created: float
    kind: str
    run: Optional[Mapping[str, Any]]
    mass_loss: bool
    partial: bool
    always: bool
    stored_bytes: int


@dataclass(frozen=True)
class Written:
    """What came of it; without a new one, `snapshot` is the one before, for nothing was left to save."""

    snapshot: Snapshot
    created: bool
    changes: Changes
    problems: Sequence[Problem]


def write_snapshot(store: Store, work: Work, place: Place, walk_problems: Sequence[Problem]) -> Written:
    """Write, record and publish one snapshot. Needs the lock of the store.

    Raises:
        StorageError: the disk is full or failed; the store is as it was before.
    """
    try:
        problems = [*walk_problems, *store.backend.write(place.id, work)]
        changes = _without_vanished(work.comparison.changes, problems)
        if place.previous and not changes and not place.always:
            store.backend.recover()
            return Written(place.previous, False, changes, problems)
        if work.previous_tree and work.differing is not None:
            written = work.tree.since_base - work.previous_tree.since_base
            follow(work.tree, work.previous_tree, work.differing | written)
        snapshot = _describe(store, work, changes, problems, place)
        store.save_record(snapshot, work.tree)
        store.backend.publish(place.id)
    except OSError as error:
        raise _explain(store.path, error, kept=_give_up(store, place.id)) from error
    return Written(snapshot, True, changes, problems)


def _describe(store: Store, work: Work, changes: Changes, problems: Sequence[Problem], place: Place) -> Snapshot:
    files, folders, size = totals_of(work.tree)
    return Snapshot(
        id=place.id,
        sequence=place.previous.sequence + 1 if place.previous else 1,
        created=place.created,
        backend=store.backend.name,
        kind=place.kind,
        files=files,
        folders=folders,
        bytes=size,
        added=len(changes.added),
        modified=len(changes.modified),
        metadata=len(changes.metadata),
        removed=len(changes.removed),
        stored_bytes=place.stored_bytes,
        complete=all(problem.harmless for problem in problems),
        mass_loss=place.mass_loss,
        partial=place.partial,
        problems=problems,
        run=place.run,
    )


def _without_vanished(changes: Changes, problems: Sequence[Problem]) -> Changes:
    vanished = {problem.path for problem in problems if problem.reason == "vanished"}
    if not vanished:
        return changes
    return replace(
        changes,
        added=[path for path in changes.added if path not in vanished],
        modified=[path for path in changes.modified if path not in vanished],
        metadata=[path for path in changes.metadata if path not in vanished],
        touched=[path for path in changes.touched if path not in vanished],
    )


def _give_up(store: Store, snapshot_id: str) -> bool:
    """Free the space of a snapshot that could not be finished; True when it was finished all the same.

    The next writer does what cannot be done now.
    """
    try:
        kept = snapshot_id in store.backend.present()
        if not kept:
            store.forget_record(snapshot_id)
        store.backend.recover()
    except OSError:
        return False
    return kept


def _explain(store: Path, error: OSError, *, kept: bool) -> StorageError:
    reason = error.strerror or str(error)
    if kept:
        return StorageError(
            "the snapshot is listed in {store}, but the disk did not confirm it: {reason}",
            hint="check the disk, then take another snapshot",
            store=store,
            reason=reason,
        )
    if error.errno in _FULL:
        return StorageError(
            "the snapshot could not be written: the disk of {store} is full ({reason})",
            hint="free some space there; earlier snapshots are whole, and nothing of this one was kept",
            store=store,
            reason=reason,
        )
    return StorageError(
        "the snapshot could not be written to {store}: {reason}",
        hint="earlier snapshots are whole, and nothing of this one was kept",
        store=store,
        reason=reason,
    )
