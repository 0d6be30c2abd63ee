"""Looking back: what changed from one snapshot to another, and the versions of one path."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit_storage.changes import compare, compare_stored
from agsekit_storage.errors import SnapshotNotFound, StoreDamaged
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.restore_plan import find
from agsekit_storage.rule_trust import rules_in_force
from agsekit_storage.store import Store
from agsekit_storage.tree import MODE, Entry, Tree
from agsekit_storage.walk import walk


@dataclass(frozen=True)
class Version:
    """One state of a path: `change` is added, modified, metadata, or removed (and then `entry` is None)."""

    snapshot: Snapshot
    change: str
    entry: Optional[Entry]


_RECENT = 4
"""Trees that stay in memory: what is asked next is mostly a neighbour."""


class History:
    """The snapshots of a store, read for looking only. Bases are read once, however many snapshots share them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.snapshots = store.snapshots()
        self._bases: dict[str, Tree] = {}
        self._recent: dict[str, Tree] = {}

    def tree(self, snapshot: Snapshot) -> Tree:
        """Return the tree of a snapshot; it shares folders with others and must not be changed."""
        found = self._recent.pop(snapshot.id, None) or self.store.shared_tree(snapshot, self._bases)
        self._recent[snapshot.id] = found
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return found

    def before(self, snapshot: Snapshot) -> Optional[Snapshot]:
        """Return the snapshot before one, None for the first."""
        position = self.snapshots.index(snapshot)
        return self.snapshots[position - 1] if position else None

    def changes_in(self, snapshot: Snapshot) -> Changes:
        """Return what changed from the snapshot before; everything is added in the first."""
        earlier = self.before(snapshot)
        return self.changes_between(earlier, snapshot)

    def changes_between(self, earlier: Optional[Snapshot], later: Snapshot) -> Changes:
        """Return what changed from one snapshot to another."""
        return _changes_from(self.tree(earlier) if earlier else None, self.tree(later))

    def changes_since(self, snapshot: Snapshot, exclude: Sequence[str]) -> tuple[Changes, Tree]:
        """Return what changed from a snapshot to the source as it is now, and the tree of now."""
        wanted = self.store.tree(snapshot)
        source = os.fsencode(self.store.source_folder())
        rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
        force = rules_in_force(self.store.path, source)
        now = walk(source, rules, frozen=force.frozen, overrides=force.overrides)
        return compare(wanted, now, source, digest=self.store.backend.digest).changes, now

    def touching(self, path: bytes) -> list[Snapshot]:
        """Return the snapshots in which a path, or something below it, changed.

        Raises:
            SnapshotNotFound: no snapshot ever had it.
        """
        found = []
        for snapshot, _, changes in self.walk_changes():
            paths = (*changes.added, *changes.modified, *changes.metadata, *changes.removed)
            if any(is_at_or_below(each, path) for each in paths):
                found.append(snapshot)
        if path and not found:
            raise _never_there(path)
        return found

    def versions(self, path: bytes) -> list[Version]:
        """Return the states of one path, oldest first, each with the snapshot that has it first.

        Raises:
            SnapshotNotFound: no snapshot ever had it.
        """
        found: list[Version] = []
        present: Optional[Entry] = None
        for snapshot, tree in self.readable():
            entry = _find(tree, path)
            change = _change(present, entry)
            if change:
                found.append(Version(snapshot, change, entry))
            present = entry
        if not found:
            raise _never_there(path)
        return found

    def has(self, snapshot: Snapshot, path: bytes) -> bool:
        """Tell whether a snapshot holds anything at a path."""
        return _find(self.tree(snapshot), path) is not None

    def has_file(self, snapshot: Snapshot, path: bytes) -> bool:
        """Tell whether a snapshot holds a regular file at a path."""
        entry = _find(self.tree(snapshot), path)
        return entry is not None and stat.S_ISREG(entry.row[MODE])

    def readable(self) -> Iterator[tuple[Snapshot, Tree]]:
        """Yield every snapshot whose record can be read, with its tree; `verify` names the others."""
        for snapshot in self.snapshots:
            try:
                yield snapshot, self.tree(snapshot)
            except StoreDamaged:
                continue

    def walk_changes(self) -> Iterator[tuple[Snapshot, Tree, Changes]]:
        """Yield every readable snapshot with its tree and what changed since the readable one before."""
        earlier: Optional[Tree] = None
        for snapshot, tree in self.readable():
            yield snapshot, tree, _changes_from(earlier, tree)
            earlier = tree


def _changes_from(earlier: Optional[Tree], later: Tree) -> Changes:
    if earlier is None:
        return Changes(added=[entry.path for entry in later.entries()])
    return compare_stored(earlier, later)


def _never_there(path: bytes) -> SnapshotNotFound:
    return SnapshotNotFound(
        "no snapshot has ever had {file}",
        hint="paths are relative to the source folder",
        file=path.decode("utf-8", "backslashreplace"),
    )


def _find(tree: Tree, path: bytes) -> Optional[Entry]:
    try:
        return find(tree, path)
    except KeyError:
        return None


def is_at_or_below(path: bytes, folder: bytes) -> bool:
    """Tell whether a path is a folder or something below it; everything is below the empty path."""
    return not folder or path == folder or path.startswith(folder + b"/")


def _change(before: Optional[Entry], after: Optional[Entry]) -> str:
    """Return how a path changed, empty if it did not (a folder's size and time mean nothing)."""
    if before is None or after is None:
        return "" if before is after else "added" if before is None else "removed"
    same_kind = stat.S_IFMT(before.row[MODE]) == stat.S_IFMT(after.row[MODE])
    if not same_kind or before.digest != after.digest or before.link != after.link:
        return "modified"
    if before.row[MODE] != after.row[MODE] or before.xattrs != after.xattrs:
        return "metadata"
    return ""
