"""Deleting what the retention policy lets go, and keeping count of what each snapshot costs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agsekit_storage import journal
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.events import CapUnmet, OnEvent, Waiting, ignore_events
from agsekit_storage.history import History
from agsekit_storage.model import Snapshot
from agsekit_storage.restore_plan import find
from agsekit_storage.retention import Decision, Policy, decide, most_crowded
from agsekit_storage.store import Store
from agsekit_storage.tree import MODE, SIZE, Tree


def plan_prune(store: Store, policy: Policy, *, now: float, on_event: OnEvent = ignore_events) -> list[Decision]:
    """Decide about every snapshot of a store, oldest first, without deleting anything.

    A cap that would be missed even if everything went that may costs nothing: `on_event` is told of it.
    """
    history = History(store)
    decisions = decide(history.snapshots, policy, now=now)
    if policy.max_size is not None:
        size = sum(snapshot.stored_bytes for snapshot in history.snapshots)
        decisions = _free(history, decisions, "max-size", size - policy.max_size, on_event)
    if policy.min_free is not None:
        status = os.statvfs(store.path)
        # What is deleted but not yet freed counts: otherwise every further snapshot would cost more of the history.
        free = status.f_bavail * status.f_frsize + store.backend.reclaimable()
        decisions = _free(history, decisions, "min-free", policy.min_free - free, on_event)
    return decisions


def prune(
    store: Store, policy: Policy, *, now: float, wait: float = 0.0, on_event: OnEvent = ignore_events
) -> list[Decision]:
    """Delete what the policy lets go and return all decisions.

    Raises:
        StoreLocked: another process wrote for all of `wait` seconds.
    """
    with store.locked(wait=wait, on_wait=lambda: on_event(Waiting())):
        return prune_under_lock(store, policy, now=now, on_event=on_event)


def prune_under_lock(
    store: Store, policy: Policy, *, now: float, on_event: OnEvent = ignore_events
) -> list[Decision]:
    """Do what `prune` does for a caller that holds the lock of the store."""
    decisions = plan_prune(store, policy, now=now, on_event=on_event)
    delete_snapshots(store, [decision.snapshot for decision in decisions if not decision.keep])
    journal.note_prune(store.path, decisions, now=now)
    return decisions


def delete_snapshots(store: Store, doomed: Sequence[Snapshot]) -> None:
    """Delete snapshots; what later ones still need of them is from then on counted there. Needs the lock."""
    if not doomed:
        return
    history = History(store)
    gone = {snapshot.id for snapshot in doomed}
    costs = {snapshot.id: snapshot.stored_bytes for snapshot in history.snapshots}
    kept = list(history.snapshots)
    freed = 0
    for snapshot in doomed:
        following = kept[kept.index(snapshot) + 1 :][:1]
        alone = _exclusive(history, kept, snapshot)
        freed += alone
        if following:
            costs[following[0].id] += costs[snapshot.id] - alone
        kept.remove(snapshot)
    store.delete(sorted(gone), size=freed)
    for snapshot in kept:
        if costs[snapshot.id] != snapshot.stored_bytes and snapshot.kind not in ("foreign", "damaged"):
            store.rewrite_record(replace(snapshot, stored_bytes=max(0, costs[snapshot.id])))


def _free(history: History, decisions: list[Decision], reason: str, excess: int, on_event: OnEvent) -> list[Decision]:
    """Let further snapshots go until `excess` bytes are freed; none at all when that cannot be reached."""
    tried = list(decisions)
    kept = [decision.snapshot for decision in tried if decision.keep]
    for decision in tried:
        if not decision.keep and excess > 0:
            excess -= _exclusive(history, list(history.snapshots), decision.snapshot)
    while excess > 0:
        position = most_crowded(tried)
        if position is None:
            # To delete the history in vain would be a loss, and nothing else.
            on_event(CapUnmet(reason, excess))
            return decisions
        snapshot = tried[position].snapshot
        excess -= _exclusive(history, kept, snapshot)
        kept.remove(snapshot)
        tried[position] = replace(tried[position], keep=False, reason=reason)
    return tried


def _exclusive(history: History, kept: list[Snapshot], snapshot: Snapshot) -> int:
    """Return the bytes of file content that only this snapshot holds: new in it, and gone or other in the next."""
    position = kept.index(snapshot)
    before = kept[position - 1] if position else None
    after = kept[position + 1] if position + 1 < len(kept) else None
    try:
        arrived = history.changes_between(before, snapshot)
        new = {*arrived.added, *arrived.modified, *arrived.metadata, *arrived.touched}
        if after is not None:
            left = history.changes_between(snapshot, after)
            new &= {*left.removed, *left.modified, *left.metadata, *left.touched}
        return content_bytes(history.tree(snapshot), new)
    except StoreDamaged:
        # Only the count suffers; one record that cannot be read must not end every snapshot that prunes.
        return 0


def content_bytes(tree: Tree, paths: Iterable[bytes]) -> int:
    """Return the sizes of the regular files among some paths of a tree, added up."""
    total = 0
    for path in paths:
        try:
            row = find(tree, path).row
        except KeyError:
            continue
        if stat.S_ISREG(row[MODE]):
            total += row[SIZE]
    return total
