"""Undo and redo: walking back and forth along the states of a folder, or of paths in it, without ever losing one.

Undo restores the state before the newest snapshot that changed something; repeated, it goes further back. Where a
series of undos stands is kept in `.agsekit/position`, and holds for as long as nobody edits what it is about. An undo
of other paths begins a series on top of it, which redo takes back first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Optional

from agsekit_storage.changes import compare, compare_stored
from agsekit_storage.errors import SnapshotNotFound, StoreDamaged, explained
from agsekit_storage.events import OnEvent, Waiting, ignore_events
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.restore import (
    Restored,
    RestoreRequest,
    finish_restore,
    only_privileges_differ,
    plan_from,
    preview_restore,
    restore,
)
from agsekit_storage.restore_plan import Plan, is_below, parents, selected
from agsekit_storage.rule_trust import rules_in_force
from agsekit_storage.snapshots import DEFAULT_WAIT, THIS, Request, snapshot_under_lock
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree, split
from agsekit_storage.undo_position import Position, load_position, save_position
from agsekit_storage.walk import walk


@dataclass(frozen=True)
class Step:
    """One move back or forward that is possible now, over one state or several."""

    target: Snapshot
    then: Position


class Look:
    """The folder as it is at one moment, beside the snapshots that there are."""

    def __init__(self, store: Store, snapshots: Sequence[Snapshot], tree: Optional[Tree]) -> None:
        self.tree = tree
        self.snapshots = [each for each in snapshots if each.kind != "damaged"]
        self._store = store
        self._bases: dict[str, Tree] = {}

    def undo(self, count: int = 1, paths: tuple[bytes, ...] = ()) -> Step:
        """Return what an undo of so many changes would restore.

        Raises:
            SnapshotNotFound: there are not so many earlier states.
        """
        self._check(paths)
        done = 0
        below = self._position()
        if below is not None and below.paths == paths:
            position = below
        else:
            if not self.snapshots:
                raise SnapshotNotFound("there is no earlier state to go back to", hint=_LIST)
            start = self._start(below, paths)
            position = Position(start.id, (), paths, below)
            if not self._is_at(start, paths):
                # The newest snapshot is the state before the latest edits, which the restore will save.
                position, done = replace(position, forward=(_SAVED_FIRST,)), 1
        for number in range(done, count):
            earlier = self._earlier(position)
            if earlier is None:
                self._refuse(number)
            else:
                position = replace(position, at=earlier.id, forward=(*position.forward, position.at))
        return Step(self._get(position.at), position)

    def redo(self, count: int = 1) -> Step:
        """Return what a redo of so many undone changes would restore; it is about the paths that the undo was about.

        Raises:
            SnapshotNotFound: so much was not undone, or not of the same paths, or the folder was edited since.
        """
        position = self._position()
        known = {each.id for each in self.snapshots}
        for number in range(count):
            if number and position and not position.forward and position.below:
                raise SnapshotNotFound(
                    "the last {count} undos were not about the same paths",
                    hint="redo them one by one: `agsekit redo`",
                    count=count,
                )
            if position is None or not position.forward or position.forward[-1] not in known:
                raise SnapshotNotFound(
                    "there is nothing to redo", hint="redo works right after an undo, before new edits"
                )
            position = replace(position, at=position.forward[-1], forward=position.forward[:-1])
        if position is None:
            raise ValueError("the count of a redo is at least one")
        return Step(self._get(position.at), position)

    def plan(self, step: Step, exclude: Sequence[str]) -> Plan:
        """Return what taking a step would do."""
        request = RestoreRequest(step.target, step.then.paths, exclude)
        wanted = self._store.tree(step.target)
        if self.tree is None or not _same_rules(wanted, self.tree):
            return preview_restore(self._store, request)
        with explained(self._store.source):
            return plan_from(self._store, request, wanted, self.tree)

    def _earlier(self, position: Position) -> Optional[Snapshot]:
        """Return the newest snapshot with another state than the one where a series stands."""
        candidates = [each for each in self.snapshots if each.id < position.at and each.kind != "safety"]
        if not position.paths:
            return candidates[-1] if candidates else None
        here = self._part(self._get(position.at), position.paths)
        for candidate in reversed(candidates):
            try:
                there = self._part(candidate, position.paths)
            except StoreDamaged:
                continue
            if _is_difference(compare_stored(there, here), there, here, position.paths):
                return candidate
        return None

    def _refuse(self, found: int) -> None:
        if found:
            raise SnapshotNotFound("there are fewer earlier states to go back to: {count}", hint=_LIST, count=found)
        raise SnapshotNotFound("there is no earlier state to go back to", hint=_LIST)

    def _check(self, paths: tuple[bytes, ...]) -> None:
        for path in paths:
            there = self.tree is not None and _has(self.tree, path)
            if not there and not any(_has(self._tree(each), path) for each in reversed(self.snapshots)):
                raise SnapshotNotFound(
                    "{path} is neither in the folder nor in any snapshot",
                    hint="paths are relative to the source folder",
                    path=path.decode("utf-8", "backslashreplace"),
                )

    def _position(self) -> Optional[Position]:
        """Return where the last series stands, None when it is over because something was edited since.

        A series that was all taken back is passed over for the one that it began on top of.
        """
        position = load_position(self._store.path)
        above: frozenset[bytes] = frozenset()
        while position:
            at = self._known(position.at)
            if at is None or not self._is_at(at, position.paths, above):
                return None
            if position.forward or not position.below:
                return position
            # Taking it back has given new times to the folders above what it was about.
            above |= {b".", *(parent for path in position.paths for parent in parents(path))}
            position = position.below
        return None

    def _is_at(
        self, snapshot: Snapshot, paths: tuple[bytes, ...], timeless: AbstractSet[bytes] = frozenset()
    ) -> bool:
        """Tell whether the folder, or the paths in it, are as in a snapshot, all times but `timeless` too."""
        if self.tree is None:
            return False
        there, here = self._part(snapshot, paths), _part_of(self.tree, paths)
        # Nobody knows the content of a file that no snapshot has: it is read where the stamps do not tell.
        source = os.fsencode(self._store.source_folder())
        changes = compare(there, here, source, digest=self._store.backend.digest).changes
        changes = replace(changes, touched=[path for path in changes.touched if path not in timeless])
        return not _is_difference(changes, there, here, paths)

    def _part(self, snapshot: Snapshot, paths: tuple[bytes, ...]) -> Tree:
        return _part_of(self._tree(snapshot), paths)

    def _tree(self, snapshot: Snapshot) -> Tree:
        return self._store.shared_tree(snapshot, self._bases)

    def _start(self, below: Optional[Position], paths: tuple[bytes, ...]) -> Snapshot:
        """Return what a new series begins with: what everything was undone to, else the newest snapshot."""
        for series in below.chain() if below else ():
            at = self._known(series.at)
            if at and not series.paths and self._is_at(at, paths):
                return at
        return self.snapshots[-1]

    def _known(self, snapshot_id: str) -> Optional[Snapshot]:
        return next((each for each in self.snapshots if each.id == snapshot_id), None)

    def _get(self, snapshot_id: str) -> Snapshot:
        return next(each for each in self.snapshots if each.id == snapshot_id)


def look_at(store: Store, exclude: Sequence[str]) -> Look:
    """Look at the source as it is now, without changing anything."""
    snapshots = store.snapshots()
    source = os.fsencode(store.source_folder())
    if not os.path.lexists(source) or not snapshots:
        return Look(store, snapshots, None)
    with explained(store.source):
        rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
        force = rules_in_force(store.path, source)
        newest = _readable(store, snapshots)
        tree = walk(source, rules, previous=newest, frozen=force.frozen, overrides=force.overrides)
        compare(newest, tree, source, digest=store.backend.digest)  # fills in what is known of the contents
    return Look(store, snapshots, tree)


def move(
    store: Store,
    choose: Callable[[Look], Step],
    exclude: Sequence[str],
    *,
    now: float,
    on_event: OnEvent = ignore_events,
) -> tuple[Step, Restored]:
    """Choose a step by the folder as it is now, and take it: one look at the folder is enough for both."""
    source = os.fsencode(store.source_folder())
    with explained(store.path), store.locked(wait=DEFAULT_WAIT, on_wait=lambda: on_event(Waiting())):
        snapshots = store.snapshots()
        if os.path.lexists(source) and snapshots:
            safety = Request("safety", exclude, times_count=True, hold=THIS)
            saved = snapshot_under_lock(store, safety, now=now, on_event=on_event)
            step = choose(Look(store, snapshots, saved.tree))
            wanted = store.tree(step.target)
            if _same_rules(wanted, saved.tree) and all(problem.harmless for problem in saved.problems):
                request = RestoreRequest(step.target, step.then.paths, exclude)
                done = finish_restore(store, request, wanted, saved, now=now, on_event=on_event)
                _keep_position(store, step, done)
                return step, done
        else:
            step = choose(Look(store, snapshots, None))
    return step, take_step(store, step, exclude, now=now, on_event=on_event)


def take_step(
    store: Store, step: Step, exclude: Sequence[str], *, now: float, on_event: OnEvent = ignore_events
) -> Restored:
    """Restore what a step leads to and remember where the series stands."""
    request = RestoreRequest(step.target, step.then.paths, exclude)
    done = restore(store, request, now=now, on_event=on_event)
    with store.locked(wait=DEFAULT_WAIT):
        _keep_position(store, step, done)
    return done


def _keep_position(store: Store, step: Step, done: Restored) -> None:
    saved = done.before.id if done.before else ""
    forward = tuple(saved if each == _SAVED_FIRST else each for each in step.then.forward)
    save_position(store.path, replace(step.then, forward=tuple(each for each in forward if each)))


_SAVED_FIRST = "saved-first"
"""Stands for the snapshot that the restore itself will take of the state before."""
_LIST = "`agsekit snapshots list` shows what there is"


def _readable(store: Store, snapshots: Sequence[Snapshot]) -> Optional[Tree]:
    try:
        return store.latest_tree(snapshots[-1])
    except StoreDamaged:
        return None


def _same_rules(one: Tree, other: Tree) -> bool:
    """Tell whether the same rules hid things from both trees, so that what one lacks was not there."""
    return one.rules == other.rules and dict(one.rule_files) == dict(other.rule_files)


def _is_difference(changes: Changes, one: Tree, other: Tree, paths: tuple[bytes, ...]) -> bool:
    """Tell whether paths differ between two trees in more than the privileges of files, which no restore sets."""
    if paths:
        chosen = selected(paths)
        changes = Changes(*([each for each in kind if chosen(each)] for kind in vars(changes).values()))
    if changes.added or changes.modified or changes.removed or changes.touched:
        return True
    return not all(path != b"." and only_privileges_differ(one, other, path) for path in changes.metadata)


def _part_of(tree: Tree, paths: tuple[bytes, ...]) -> Tree:
    """Return as much of a tree as says what some paths are."""
    if not paths:
        return tree
    above = {split(path)[0] for path in paths}
    below = frozenset(paths)
    chosen = {
        path: folder
        for path, folder in tree.folders.items()
        if path in above or path in below or is_below(path, below)
    }
    return replace(tree, folders=chosen)


def _has(tree: Tree, path: bytes) -> bool:
    folder, name = split(path)
    return folder in tree.folders and name in tree.folders[folder].index()
