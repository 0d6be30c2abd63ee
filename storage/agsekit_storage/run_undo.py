"""Back to before a run, and only that: what a person has changed since, or elsewhere meanwhile, stays.

Three states decide path by path: before the run, at its end, and now. What the run changed and is still as the run
left it goes back; what has changed since is a conflict, which is named and left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from agsekit_storage.changes import compare, compare_stored
from agsekit_storage.errors import SourceUnavailable, StorageError
from agsekit_storage.events import OnEvent, ignore_events
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.restore import Narrowing, Restored, RestoreRequest, preview_restore, restore
from agsekit_storage.restore_plan import Plan, find, parents, selected
from agsekit_storage.run_log import Run, ends_of
from agsekit_storage.store import Store
from agsekit_storage.tree import MODE, Tree


@dataclass(frozen=True)
class RunUndo:
    """What undoing a run does, or did. `conflicts` are paths that are left as they are, in tree order.

    `done` is None for a plan that was only made. `before` is the snapshot with the state before the run.
    """

    before: Snapshot
    plan: Plan
    conflicts: Sequence[bytes]
    done: Optional[Restored] = None


def plan_run_undo(store: Store, run: Run, *, exclude: Sequence[str] = (), force: Sequence[bytes] = ()) -> RunUndo:
    """Return what `undo_run` would do now, without changing anything.

    Raises:
        StorageError: see `undo_run`.
    """
    three = _prepare(store, run, force)
    plan = preview_restore(store, RestoreRequest(three.before, exclude=exclude, narrowing=three.narrowing))
    return RunUndo(three.before, plan, three.conflicts)


def undo_run(
    store: Store,
    run: Run,
    *,
    now: float,
    exclude: Sequence[str] = (),
    force: Sequence[bytes] = (),
    on_event: OnEvent = ignore_events,
) -> RunUndo:
    """Take back what a run changed, after saving the state now.

    Args:
        exclude: the trusted patterns of the mount; what they hide is not touched.
        force: paths, and what is below them, that go back also where they have changed since the run; the empty
            path stands for the whole folder.

    Raises:
        SnapshotNotFound: the state before the run, or that at its end, is not kept any more.
        StorageError: the run is under way, the folder is gone, or the restore failed.
    """
    three = _prepare(store, run, force)
    request = RestoreRequest(three.before, exclude=exclude, narrowing=three.narrowing)
    done = restore(store, request, now=now, on_event=on_event)
    return RunUndo(three.before, done.plan, three.conflicts, done)


def _prepare(store: Store, run: Run, force: Sequence[bytes]) -> _ThreeWay:
    if run.under_way:
        raise StorageError(
            "the run {run} is still under way", hint="end the agent first, then undo its run", run=run.id
        )
    source = os.fsencode(store.source_folder())
    if not os.path.lexists(source):
        raise SourceUnavailable(
            "{source} is gone, so there is nothing to compare with",
            hint="`agsekit snapshots restore` brings all of it back",
            source=store.source,
        )
    before, after = ends_of(store, run)
    return _ThreeWay(store, before, after, force)


class _ThreeWay:
    """Narrows the plan of a restore to what a run changed and nobody has changed since."""

    def __init__(self, store: Store, before: Snapshot, after: Snapshot, force: Sequence[bytes]) -> None:
        self.before = before
        self.conflicts: Sequence[bytes] = ()
        self._store = store
        self._left = store.tree(after)
        self._changed = _all(compare_stored(store.tree(before), self._left))
        self._forced: Callable[[bytes], bool] = lambda path: False
        if force:
            self._forced = selected(() if b"" in force else force)
        for path in filter(None, force):
            if not any(map(selected([path]), self._changed)):
                raise StorageError(
                    "the run did not change {path}",
                    hint="`agsekit runs show` lists what it changed",
                    path=path.decode("utf-8", "backslashreplace"),
                )
        self.narrowing = Narrowing(self._changed.__contains__, self._narrow)

    def _narrow(self, plan: Plan, current: Tree) -> Plan:
        sorting = _Sorting(plan, current, self._since(current), self._changed, self._forced)
        self.conflicts = sorting.conflicts
        return sorting.plan()

    def _since(self, current: Tree) -> Changes:
        source = os.fsencode(self._store.source_folder())
        return compare(self._left, current, source, digest=self._store.backend.digest).changes


@dataclass
class _Sorting:
    """One look at every step of a plan: is it about the run, and is the path still as the run left it?"""

    whole: Plan
    current: Tree
    since: Changes
    changed: frozenset[bytes]
    forced: Callable[[bytes], bool]
    conflicts: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        since = self.since
        self._edited = frozenset([*since.added, *since.modified, *since.metadata, *since.removed])
        staying = (*since.added, *since.modified, *since.metadata)
        self._occupied = frozenset(parent for path in staying for parent in parents(path))
        self._clear = frozenset(self.whole.clear)
        self._delete = frozenset(self.whole.delete)
        self._blocked: set[bytes] = set()
        self._kept: set[bytes] = set()
        for path in _in_tree_order(self.whole):
            if self._is_about(path):
                self._judge(path)

    def plan(self) -> Plan:
        """Return the steps that are left."""
        whole, kept = self.whole, self._kept
        about_root = b"." in kept

        def only(paths: Iterable[bytes]) -> list[bytes]:
            return [path for path in paths if path in kept]

        return replace(
            whole,
            create=only(whole.create),
            replace=only(whole.replace),
            adjust=only(whole.adjust),
            delete=only(whole.delete),
            clear=only(whole.clear),
            problems=[each for each in whole.problems if each.path in self.changed],
            scope=lambda path: path in kept or (not path and about_root),
        )

    def _is_about(self, path: bytes) -> bool:
        # What a person has put into a folder that has to make way is lost only when that was asked for.
        return path in self.changed or (self.forced(path) and path in self._clear)

    def _judge(self, path: bytes) -> None:
        if self.forced(path):
            self._kept.add(path)
        elif any(parent in self._blocked for parent in parents(path)) or self._is_conflict(path):
            self._blocked.add(path)
            self.conflicts.append(path)
        elif not (path in self._delete and path in self._occupied):
            self._kept.add(path)

    def _is_conflict(self, path: bytes) -> bool:
        if path in self._edited:
            return True
        if path in self._clear and path in self._occupied:
            return True
        # Something that is no folder may have taken the place of one above, and stays there.
        return any(parent not in self._kept and self._is_no_folder(parent) for parent in parents(path))

    def _is_no_folder(self, path: bytes) -> bool:
        try:
            return not stat.S_ISDIR(find(self.current, path).row[MODE])
        except KeyError:
            return False


def _all(changes: Changes) -> frozenset[bytes]:
    return frozenset([*changes.added, *changes.modified, *changes.metadata, *changes.touched, *changes.removed])


def _in_tree_order(plan: Plan) -> list[bytes]:
    paths = {*plan.create, *plan.replace, *plan.adjust, *plan.delete, *plan.clear}
    return sorted(paths, key=lambda path: path.split(b"/"))
