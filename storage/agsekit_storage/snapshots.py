"""Taking a snapshot: walk, compare, write, commit; nothing is written when nothing changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Optional

from agsekit_storage import naming
from agsekit_storage.backends.base import Work
from agsekit_storage.changes import Comparison, compare
from agsekit_storage.errors import StorageError, StoreDamaged, explained
from agsekit_storage.events import Met, OnEvent, Waiting, Walked, ignore_events
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import MTIME, Changes, Problem, Snapshot, Tree
from agsekit_storage.store import Store
from agsekit_storage.walk import walk

DEFAULT_WAIT = 600.0
"""Seconds to wait for another writer: longer than any write but the first of a huge project takes."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Request:
    """What kind of snapshot is wanted, and under which rules.

    Attributes:
        kind: manual, interval, pre-run, post-run, watch or safety.
        exclude: trusted gitignore patterns, rooted at the source; nothing in the tree overrides them.
        rule_files: the `.backupignore` contents to use, by folder, instead of what the source says now.
        run: what is known of the run that the snapshot belongs to.
        times_count: take a snapshot also when nothing but times changed.
    """

    kind: str
    exclude: Sequence[str] = ()
    rule_files: Optional[Mapping[bytes, bytes]] = None
    run: Optional[Mapping[str, str]] = None
    times_count: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a request.

    `snapshot` holds the state of the source; `created` tells whether it is new. `changes` and `problems` are what
    differs from the snapshot before, and what the snapshot lacks.
    """

    snapshot: Snapshot
    created: bool
    changes: Changes
    problems: Sequence[Problem]
    tree: Tree


class _Place(NamedTuple):
    """Where a new snapshot comes: its id, the one before it, and its time."""

    id: str
    previous: Optional[Snapshot]
    now: float


def take_snapshot(
    store: Store,
    request: Request,
    *,
    now: float,
    on_event: OnEvent = ignore_events,
    wait: float = DEFAULT_WAIT,
) -> Result:
    """Save the state of the store's source as it is now, unless the newest snapshot holds it already.

    Args:
        now: the time in seconds since the epoch.

    Raises:
        SourceUnavailable: there is nothing to save.
        StoreLocked: another process wrote for all of `wait` seconds.
        StorageError: the disk is full or failed; the store is as it was before.
    """
    with explained(store.path), store.locked(wait=wait, on_wait=lambda: on_event(Waiting())):
        return snapshot_under_lock(store, request, now=now, on_event=on_event)


def snapshot_under_lock(store: Store, request: Request, *, now: float, on_event: OnEvent = ignore_events) -> Result:
    """Do what `take_snapshot` does for a caller that holds the lock of the store."""
    if store.source is None:
        raise StorageError(f"it is not known which folder {store.path} holds the snapshots of")
    source = os.fsencode(store.source)
    existing = store.snapshots()
    previous = existing[-1] if existing else None
    before = _previous_tree(store, previous)
    taken = frozenset(snapshot.id for snapshot in existing)
    problems: list[Problem] = []

    def meet(problem: Problem) -> None:
        problems.append(problem)
        on_event(Met(problem))

    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in request.exclude], {})
    tree = walk(source, rules, previous=before, frozen=request.rule_files, on_problem=meet)
    on_event(Walked(tree.count_files()))
    comparison = compare(before, tree, source, digest=store.backend.digest)
    changes = comparison.changes
    if before:
        tree.build_upon(before, comparison.unsaved)
    if previous and before and not changes and not (request.times_count and changes.touched):
        if any(folder is not before.folders.get(path) for path, folder in tree.folders.items()):
            tree.touched = _times_saved(changes.touched, before)
            store.save_walk(previous, tree)
        return Result(previous, False, changes, [*problems, *_still_missing(comparison)], tree)
    message = _message(request.kind, changes)
    work = Work(source, tree, comparison, previous if before else None, before, on_event, message)
    return _write(store, request, work, _Place(_new_id(now, previous, taken), previous, now), problems)


def _new_id(now: float, previous: Optional[Snapshot], taken: frozenset[str]) -> str:
    """Return an id that sorts after the previous snapshot and that nothing in the store has yet."""
    snapshot_id = naming.next_id(now, previous.id if previous else None)
    while snapshot_id in taken:
        snapshot_id = naming.next_id(now, snapshot_id)
    return snapshot_id


def _times_saved(touched: Sequence[bytes], before: Tree) -> Mapping[bytes, int]:
    """Return the times that the newest snapshot has for paths that were touched since."""
    saved = {}
    for path in touched:
        row = before.root if path == b"." else before.row(path)
        saved[path] = before.touched.get(path, row[MTIME])
    return saved


def _message(kind: str, changes: Changes) -> str:
    return f"{kind}: {len(changes.added)} added, {len(changes.modified)} modified, {len(changes.removed)} removed"


def _previous_tree(store: Store, previous: Optional[Snapshot]) -> Optional[Tree]:
    if previous is None or previous.kind == "foreign":
        return None
    try:
        return store.latest_tree(previous)
    except StoreDamaged:
        # Without its record a snapshot cannot be built upon; a full copy needs nothing from it.
        return None


def _still_missing(comparison: Comparison) -> list[Problem]:
    return [Problem(path, "unreadable") for path in comparison.unsaved]


def _write(
    store: Store,
    request: Request,
    work: Work,
    place: _Place,
    walk_problems: Sequence[Problem],
) -> Result:
    snapshot_id, previous = place.id, place.previous
    try:
        problems = [*walk_problems, *store.backend.write(snapshot_id, work)]
        changes = _without_vanished(work.comparison.changes, problems)
        if previous and work.previous and not changes and not request.times_count:
            store.backend.recover()
            return Result(previous, False, changes, problems, work.tree)
        snapshot = _describe(store, request, work, changes, problems, place)
        store.save_record(snapshot, work.tree)
        store.backend.publish(snapshot_id)
    except OSError as error:
        raise _explain(store.path, error, kept=_give_up(store, snapshot_id)) from error
    return Result(snapshot, True, changes, problems, work.tree)


def _describe(
    store: Store,
    request: Request,
    work: Work,
    changes: Changes,
    problems: Sequence[Problem],
    place: _Place,
) -> Snapshot:
    snapshot_id, previous, now = place
    files, folders, size = work.tree.totals()
    return Snapshot(
        id=snapshot_id,
        sequence=previous.sequence + 1 if previous else 1,
        created=now,
        backend=store.backend.name,
        kind=request.kind,
        files=files,
        folders=folders,
        bytes=size,
        added=len(changes.added),
        modified=len(changes.modified),
        metadata=len(changes.metadata),
        removed=len(changes.removed),
        complete=all(problem.harmless for problem in problems),
        problems=problems,
        run=request.run,
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
            f"the snapshot is listed in {store}, but the disk did not confirm it: {reason}",
            hint="check the disk, then take another snapshot",
        )
    if error.errno in _FULL:
        return StorageError(
            f"the snapshot could not be written: the disk of {store} is full ({reason})",
            hint="free some space there; earlier snapshots are whole, and nothing of this one was kept",
        )
    return StorageError(
        f"the snapshot could not be written to {store}: {reason}",
        hint="earlier snapshots are whole, and nothing of this one was kept",
    )
