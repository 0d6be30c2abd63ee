"""What a timeline shows: snapshots, newest first, how much each changed, which paths, and their differences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from agsekit_storage.errors import StorageError
from agsekit_storage.history import History
from agsekit_storage.model import SIGNS, Changes, Snapshot
from agsekit_storage.store import Store
from agsekit_storage.textdiff import FileDiff, diff_files, stored_content
from agsekit_storage.tree import Tree


@dataclass(frozen=True)
class Changed:
    """A path that a snapshot changed; `how` is one of SIGNS."""

    path: bytes
    how: str


def amount(snapshot: Snapshot) -> int:
    """Return how many paths a snapshot changed."""
    return snapshot.added + snapshot.modified + snapshot.metadata + snapshot.removed


def bar(snapshot: Snapshot, width: int) -> str:
    """Return a bar for how much a snapshot changed, at most `width` characters long."""
    return "#" * magnitude(snapshot, width)


def magnitude(snapshot: Snapshot, most: int) -> int:
    """Return how much a snapshot changed in up to `most` steps, each about three times the one before."""
    count, steps = amount(snapshot), 0
    while count and steps < most:
        count, steps = count // 3, steps + 1
    return steps


def line_style(number: int, line: str) -> str:
    """Return what a line of a difference is: `heading`, `added`, `removed`, `hunk`, or nothing special."""
    if number < 2:
        return "heading"
    return {"+": "added", "-": "removed", "@": "hunk"}.get(line[:1], "")


class Timeline:
    """The snapshots of a store; what is computed once is kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._history = History(store)
        self._changes: dict[str, Changes] = {}

    @property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots, newest first."""
        return self._history.snapshots[::-1]

    def changes(self, snapshot: Snapshot) -> Changes:
        """Return what a snapshot changed; nothing when its record, or the one before, cannot be read."""
        if snapshot.id not in self._changes:
            try:
                self._changes[snapshot.id] = self._history.changes_in(snapshot)
            except StorageError:
                self._changes[snapshot.id] = Changes()
        return self._changes[snapshot.id]

    def changed(self, snapshot: Snapshot) -> list[Changed]:
        """Return the paths that a snapshot changed, in the order of a listing."""
        changes = self.changes(snapshot)
        found = [Changed(path, how) for how in SIGNS for path in getattr(changes, how)]
        return sorted(found, key=lambda each: each.path.split(b"/"))

    def touching(self, text: str) -> list[Snapshot]:
        """Return the snapshots that changed a path which contains this text, newest first."""
        wanted = os.fsencode(text).lower()
        return [
            snapshot
            for snapshot in self.snapshots
            if any(wanted in each.path.lower() for each in self.changed(snapshot))
        ]

    def diff(self, snapshot: Snapshot, changed: Changed) -> FileDiff:
        """Return the difference that a snapshot made to a path.

        Raises:
            StorageError: the store does not have it as its record says.
        """
        only = Changes(**{changed.how: [changed.path]})
        [found] = self.diffs(snapshot, only)
        return found

    def diffs(self, snapshot: Snapshot, changes: Changes) -> Sequence[FileDiff]:
        """Return the differences that a snapshot made to the paths in `changes`."""
        earlier = self._history.before(snapshot)
        before: Tree | None = self._history.tree(earlier) if earlier else None
        old = stored_content(self.store, earlier) if earlier else lambda path: None
        new = stored_content(self.store, snapshot)
        return list(diff_files(changes, before, self._history.tree(snapshot), old, new))
