"""Taking a snapshot: walk, compare, write, commit; nothing is written when nothing changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Optional

from agsekit_storage import journal, naming, run_log
from agsekit_storage.backends.base import Work
from agsekit_storage.commit import Place, write_snapshot
from agsekit_storage.errors import StorageError, StoreDamaged, explained
from agsekit_storage.events import Met, OnEvent, Waiting, Walked, ignore_events
from agsekit_storage.looking import Seen, look
from agsekit_storage.memory import Memory, give_back
from agsekit_storage.model import Changes, Problem, Snapshot
from agsekit_storage.preflight import (
    MOST_LOST,
    check_room,
    huge_files,
    is_mass_loss,
    size_on_disk,
    to_save,
    visible_losses,
)
from agsekit_storage.pruning import prune_under_lock
from agsekit_storage.retention import Policy, is_worth_a_pin
from agsekit_storage.rule_trust import newly_hidden
from agsekit_storage.store import Store
from agsekit_storage.tree import MTIME, Row, Tree

THIS = "this"
DEFAULT_WAIT = 600.0
"""Seconds to wait for another writer: longer than any write but the first of a huge project takes."""


@dataclass(frozen=True)
class Request:
    """What kind of snapshot is wanted, and under which rules.

    Attributes:
        kind: manual, interval, pre-run, post-run, watch or safety.
        exclude: trusted gitignore patterns, rooted at the source; nothing in the tree overrides them.
        rule_files: the `.backupignore` contents to use, by folder, instead of what the source says now.
        run: what is known of the run that the snapshot belongs to; None means the run under way, if there is one.
        times_count: take a snapshot also when nothing but times changed.
        keep: delete what this policy lets go, once the snapshot is there.
        hold: keep this snapshot from pruning for another day, by whatever policy; `THIS` means the one that has the
            state now.
        loss_share: when more than this share of the files is gone or nearly empty, it is a mass loss.
        dirty: the only paths, relative to the source (`b""` is the source itself), that may have changed since the
            newest snapshot of this store; None when everything may have. Of each the entry itself is looked at, and
            the folder that it is in; a folder that is new or was replaced is walked as a whole, one that is known is
            listed. Where that is not enough to go by (another `.backupignore`, no earlier tree, another file system),
            everything is walked all the same; `Result.partial` tells.
    """

    kind: str
    exclude: Sequence[str] = ()
    rule_files: Optional[Mapping[bytes, bytes]] = None
    run: Optional[Mapping[str, Any]] = None
    times_count: bool = False
    keep: Optional[Policy] = None
    hold: Optional[str] = None
    loss_share: float = MOST_LOST
    dirty: Optional[AbstractSet[bytes]] = None


@dataclass(frozen=True)
class Result:
    """What came of a request.

    `snapshot` holds the state of the source; `created` tells whether it is new. `changes` and `problems` are what
    differs from the snapshot before, and what the snapshot lacks. `hidden` are paths that are in the folder and in
    earlier snapshots, and that other ignore rules than before have left out of this one. `partial` tells that only
    the dirty paths of the request were looked at.
    """

    snapshot: Snapshot
    created: bool
    changes: Changes
    problems: Sequence[Problem]
    tree: Tree
    hidden: Sequence[bytes] = ()
    partial: bool = False


def take_snapshot(
    store: Store,
    request: Request,
    *,
    now: float,
    on_event: OnEvent = ignore_events,
    wait: float = DEFAULT_WAIT,
    memory: Optional[Memory] = None,
) -> Result:
    """Save the state of the store's source as it is now, unless the newest snapshot holds it already.

    Args:
        now: the time in seconds since the epoch.
        memory: what this process remembers of the store, for one that takes many snapshots.

    Raises:
        SourceUnavailable: there is nothing to save.
        StoreLocked: another process wrote for all of `wait` seconds.
        StorageError: the disk is full or failed; the store is as it was before.
    """
    with explained(store.path), store.locked(wait=wait, on_wait=lambda: on_event(Waiting())):
        result = snapshot_under_lock(store, request, now=now, on_event=on_event, memory=memory)
    if memory is not None and (not result.partial or result.tree.base == result.snapshot.id):
        # Everything was looked at, or a whole tree was written: that took many times what stays.
        give_back()
    return result


def snapshot_under_lock(
    store: Store,
    request: Request,
    *,
    now: float,
    on_event: OnEvent = ignore_events,
    memory: Optional[Memory] = None,
) -> Result:
    """Do what `take_snapshot` does for a caller that holds the lock of the store."""
    return _Taking(store, request, now, on_event, memory or Memory()).run()


class _Taking:
    """One request on its way, under the lock of the store."""

    def __init__(self, store: Store, request: Request, now: float, on_event: OnEvent, memory: Memory) -> None:
        self._store = store
        self._request = request
        self._now = now
        self._on_event = on_event
        self._memory = memory
        self._source = os.fsencode(store.source_folder())
        self._existing = store.snapshots()
        self._previous = self._existing[-1] if self._existing else None
        self._before = _previous_tree(store, self._previous, memory)
        self._problems: list[Problem] = []

    def run(self) -> Result:
        request, previous, before = self._request, self._previous, self._before
        seen = look(self._store, request, self._source, before, self._meet)
        self._on_event(Walked(seen.tree.count_files()))
        changes = seen.comparison.changes
        # A snapshot of another tool has no record to compare with next time, so its state gets one of ours.
        adopt = previous is not None and previous.kind == "foreign"
        if previous and before and not adopt and not changes and not (request.times_count and changes.touched):
            return self._stay(previous, before, seen)
        return self._save(seen, always=request.times_count or before is None or adopt)

    def _meet(self, problem: Problem) -> None:
        self._problems.append(problem)
        self._on_event(Met(problem))

    def _stay(self, previous: Snapshot, before: Tree, seen: Seen) -> Result:
        """Remember the walk: the newest snapshot has the state now."""
        changes = seen.comparison.changes
        seen.tree.touched = _times_saved(changes.touched, before)
        if seen.differing:
            self._store.save_walk(previous, seen.tree)
        self._memory.keep(previous, seen.tree)
        for path in seen.comparison.unsaved:
            self._meet(Problem(path, "unreadable"))  # as it was when the newest snapshot was taken
        _hold(self._store, self._request, previous, self._now)
        return Result(previous, False, changes, self._problems, seen.tree, partial=seen.partial)

    def _save(self, seen: Seen, *, always: bool) -> Result:
        """Write a snapshot of what was seen, unless `always` is false and what is written shows no change."""
        store, request, before, memory, now = self._store, self._request, self._before, self._memory, self._now
        tree, changes = seen.tree, seen.comparison.changes
        if before is None:
            for problem in huge_files(tree):
                self._meet(problem)
        good, loss = _held_against(store, self._existing, before, tree, changes, request.loss_share)
        stored_bytes = _make_room(store, request, self._source, list(to_save(tree, seen.comparison)), now)
        work, place = self._work(seen), self._place(seen, stored_bytes, loss=loss, always=always)
        if good and loss and is_worth_a_pin(self._existing, good.id):
            # The last good state must outlive every later deletion, of that of the loss too; no crash in between.
            store.pin(good.id, pinned=True)
        memory.forget()  # writing changes trees, and may stop half-way
        written = write_snapshot(store, work, place, self._problems)
        if written.created:
            memory.keep(written.snapshot, tree)
            journal.note_snapshot(store.path, written.snapshot, self._previous, good)
        hidden = newly_hidden(self._source, before, tree, changes) if before else ()
        _hold(store, request, written.snapshot, now)
        if request.keep and written.created and memory.is_pruning_due(now):
            prune_under_lock(store, request.keep, now=now, on_event=self._on_event)
        return Result(
            written.snapshot, written.created, written.changes, written.problems, tree, hidden, seen.partial
        )

    def _work(self, seen: Seen) -> Work:
        before = self._before
        base = self._previous if before else None
        message = _message(self._request.kind, seen.comparison.changes)
        return Work(self._source, seen.tree, seen.comparison, base, before, self._on_event, seen.differing, message)

    def _place(self, seen: Seen, stored_bytes: int, *, loss: bool, always: bool) -> Place:
        return Place(
            _new_id(self._now, self._previous, frozenset(snapshot.id for snapshot in self._existing)),
            self._previous,
            self._now,
            self._request.kind,
            self._request.run or run_log.current(self._store),
            mass_loss=loss,
            partial=seen.partial,
            always=always,
            stored_bytes=stored_bytes,
        )


def _make_room(store: Store, request: Request, source: bytes, files: Sequence[tuple[bytes, Row]], now: float) -> int:
    """See to it that some files fit, by deleting what the policy lets go if that helps; return their size."""
    leave = (request.keep.min_free or 0) if request.keep else 0
    try:
        check_room(store.path, source, files, leave=leave)
    except StorageError:
        if not request.keep:
            raise
        prune_under_lock(store, request.keep, now=now)
        check_room(store.path, source, files, leave=leave)
    return sum(size_on_disk(source, path, row) for path, row in files)


def _held_against(
    store: Store,
    existing: Sequence[Snapshot],
    before: Optional[Tree],
    tree: Tree,
    changes: Changes,
    share: float,
) -> tuple[Optional[Snapshot], bool]:
    """Return the newest snapshot whose record can be read, and whether the source has lost most of what it had."""
    if before is not None:
        return existing[-1], is_mass_loss(before, tree, changes, share=share)
    for snapshot in reversed(existing):
        try:
            good = store.tree(snapshot)
        except StoreDamaged:
            continue
        return snapshot, is_mass_loss(good, tree, visible_losses(good, tree), share=share)
    return None, False


def _hold(store: Store, request: Request, snapshot: Snapshot, now: float) -> None:
    if request.hold:
        store.hold(snapshot.id if request.hold == THIS else request.hold, now=now)


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


def _previous_tree(store: Store, previous: Optional[Snapshot], memory: Memory) -> Optional[Tree]:
    if previous is None:
        return None
    try:
        return memory.tree(previous) or store.latest_tree(previous)
    except StoreDamaged:
        # Without its record a snapshot cannot be built upon; a full copy needs nothing from it.
        return None
