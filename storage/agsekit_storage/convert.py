"""Moving all snapshots of a store to another backend, in place; the old ones stay until the new ones are verified.

The new contents and records are written beside the old ones; one atomic change of `.agsekit/config.json` makes them
the store; only then is the old backend emptied. A crash before that leaves the store as it was, and
something new beside it; a crash after it leaves something; the next writer removes either.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from agsekit_storage import journal
from agsekit_storage.backends.base import Backend, Work
from agsekit_storage.changes import compare
from agsekit_storage.durable import remove_tree
from agsekit_storage.errors import StorageError, explained
from agsekit_storage.events import ignore_events
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Snapshot
from agsekit_storage.restore_apply import Applier
from agsekit_storage.restore_plan import plan_restore
from agsekit_storage.store import Store
from agsekit_storage.succession import stage_of
from agsekit_storage.tree import MODE, NO_DIGEST, Folder, Tree
from agsekit_storage.walk import walk


@dataclass(frozen=True)
class Converted:
    """How many snapshots were moved."""

    snapshots: int


def convert(store: Store, backend: str, *, wait: float, on_snapshot: Callable[[int, int], None]) -> Converted:
    """Move every snapshot of a store to another backend. `on_snapshot` is told how many of how many are done.

    Raises:
        StorageError: the backend is the same, a snapshot could not be moved or did not verify; nothing was changed.
    """
    if backend == store.backend.name:
        raise StorageError("{path} has the backend {backend} already", path=store.path, backend=backend)
    with explained(store.path), store.locked(wait=wait):
        snapshots = store.snapshots()
        foreign = next((each.id for each in snapshots if each.kind == "foreign"), None)
        if foreign:
            raise StorageError(
                "{path} also holds snapshots of another tool ({foreign}), which cannot be converted",
                hint="move them to a folder of their own first",
                path=store.path,
                foreign=foreign,
            )
        try:
            _move_all(store, store.begin_conversion(backend), snapshots, on_snapshot)
        except BaseException:
            with suppress(OSError, StorageError):
                store.abandon_conversion()
            raise
        journal.append(store.path, "convert", backend=backend, snapshots=len(snapshots))
    return Converted(len(snapshots))


def _move_all(
    store: Store, successor: Store, snapshots: Sequence[Snapshot], on_snapshot: Callable[[int, int], None]
) -> None:
    stage = stage_of(store.path)
    stage.mkdir(mode=0o700)
    mover = _Mover(store, successor, stage)
    for number, snapshot in enumerate(snapshots, 1):
        mover.move(snapshot)
        on_snapshot(number, len(snapshots))
    remove_tree(stage)
    store.finish_conversion(successor)


class _Mover:
    """Makes each snapshot in a folder, one after the other, and has the new backend save that folder."""

    def __init__(self, store: Store, successor: Store, stage: Path) -> None:
        self._store = store
        self._successor = successor
        self._new: Backend = successor.backend
        self._stage = os.fsencode(stage)
        self._check = self._new.checker(data=True)
        self._previous: Snapshot | None = None
        self._previous_tree: Tree | None = None
        self._record_tree: Tree | None = None

    def move(self, snapshot: Snapshot) -> None:
        """Move one snapshot.

        Raises:
            StorageError: the old store does not hold it whole, or the new one does not give it back.
        """
        wanted = self._store.tree(snapshot)
        self._materialise(snapshot, wanted)
        tree = walk(self._stage, IgnoreRules.compile([], {}), previous=self._previous_tree, frozen={})
        comparison = compare(self._previous_tree, tree, self._stage, digest=self._new.digest)
        work = Work(self._stage, tree, comparison, self._previous, self._previous_tree, ignore_events)
        self._new.write(snapshot.id, work)
        _take_digests(wanted, tree)
        wanted.base, wanted.since_base = "", frozenset()
        if self._record_tree is not None:
            _share_equal_folders(wanted, self._record_tree)
            wanted.build_upon(self._record_tree, wanted.differing(self._record_tree))
        moved = replace(snapshot, backend=self._new.name)
        self._successor.save_record(moved, wanted)
        self._new.publish(snapshot.id)
        for problem in self._check(snapshot.id, wanted):
            raise StorageError(
                "snapshot {id} is not whole in its new form: {file} {reason} {detail}",
                hint="the store was left as it was; `agsekit snapshots verify --data` tells whether it is sound",
                id=snapshot.id,
                file=os.fsdecode(problem.path),
                reason=problem.reason,
                detail=problem.detail,
            )
        self._previous, self._previous_tree, self._record_tree = moved, tree, wanted

    def _materialise(self, snapshot: Snapshot, wanted: Tree) -> None:
        # Without the tree of before: its folders have the digests of the new backend, and would get those of the old.
        current = walk(self._stage, IgnoreRules.compile([], {}), frozen={})
        comparison = compare(wanted, current, self._stage, digest=self._store.backend.digest)
        plan = plan_restore(wanted, current, comparison)
        reader = self._store.backend.reader(snapshot.id)
        try:
            problems = Applier(wanted, plan, reader, self._stage, ignore_events).run()
        finally:
            reader.close()
        if problems:
            raise StorageError(
                "snapshot {id} cannot be read whole: {file} {reason}",
                hint="`agsekit snapshots verify --data` names everything that is damaged",
                id=snapshot.id,
                file=os.fsdecode(problems[0].path),
                reason=problems[0].reason,
            )


def _share_equal_folders(tree: Tree, before: Tree) -> None:
    """Let a tree have the very folders of the one before where they say the same, so that its record stays small."""
    for path, folder in tree.folders.items():
        earlier = before.folders.get(path)
        if (
            earlier is not None
            and folder.same_as(earlier)
            and folder.digests == earlier.digests
            and folder.xattrs == earlier.xattrs
            and folder.missing == earlier.missing
        ):
            tree.folders[path] = earlier


def _take_digests(record: Tree, written: Tree) -> None:
    """Give the files and folders of a record the digests that the new backend knows them by."""
    for path, folder in record.folders.items():
        source = written.folders.get(path)
        for position, name in enumerate(folder.names):
            if folder.digest(position) != NO_DIGEST or stat.S_ISDIR(folder.row(position)[MODE]):
                folder.set_digest(position, _digest_in(source, name))


def _digest_in(folder: Folder | None, name: bytes) -> bytes:
    if folder is None:
        return NO_DIGEST
    try:
        return folder.digest(folder.position(name))
    except KeyError:
        return NO_DIGEST
