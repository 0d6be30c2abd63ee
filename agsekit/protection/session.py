"""Snapshots around one run: before, during, after, and what became of the folder in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.protection.protector import Assignment, Protector, Report, start_protector
from agsekit_storage.changes import compare_stored
from agsekit_storage.errors import StorageError
from agsekit_storage.events import OnEvent
from agsekit_storage.model import Changes, Problem, Snapshot, Tree
from agsekit_storage.snapshots import Request, Result, take_snapshot
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Summary:
    """What a run did to its folder.

    `before` is the snapshot to go back to. `after` is None when the last snapshot failed (`failures` says why);
    `changed_rules` are the `.backupignore` files that the run changed, which took no effect.
    """

    before: Snapshot
    after: Optional[Snapshot]
    changes: Changes
    snapshots: int
    problems: Sequence[Problem]
    failures: Sequence[str]
    changed_rules: Sequence[bytes]


class ProtectedRun:
    """The protection of one run: `begin` before the agent starts, `end` when it has ended."""

    def __init__(self, store: Store, exclude: Sequence[str], interval: float, run: Mapping[str, str]) -> None:
        self._store = store
        self._exclude = tuple(exclude)
        self._interval = interval
        self._run = run
        self._protector: Optional[Protector] = None

    def begin(self, *, on_orphaned: Callable[[], None], on_event: OnEvent) -> Result:
        """Take the snapshot to go back to, then start the protector.

        Raises:
            StorageError: the snapshot could not be taken; the agent must not start.
        """
        request = Request("pre-run", self._exclude, run=self._run)
        self._first = take_snapshot(self._store, request, now=time.time(), on_event=on_event)
        assignment = Assignment(
            self._store, self._interval, self._exclude, self._first.tree.rule_files, self._run, on_orphaned
        )
        self._protector = start_protector(assignment)
        return self._first

    def end(self, *, on_event: OnEvent) -> Summary:
        """Stop the protector, take the last snapshot, and tell what changed."""
        report = self._stop_protector()
        failures = list(report.failures)
        request = Request("post-run", self._exclude, self._first.tree.rule_files, self._run)
        last: Optional[Result] = None
        try:
            last = take_snapshot(self._store, request, now=time.time(), on_event=on_event)
        except (StorageError, OSError) as error:
            failures.append(str(error))
        before = self._first.snapshot
        changes = self._changes(before, last) if last else Changes()
        return Summary(
            before,
            last.snapshot if last else None,
            changes,
            report.taken + (last.created if last else 0),
            last.problems if last else (),
            failures,
            self._changed_rules(last.tree, changes) if last else (),
        )

    def _stop_protector(self) -> Report:
        if self._protector is None:
            return Report(0, ())
        protector, self._protector = self._protector, None
        return protector.stop()

    def _changes(self, before: Snapshot, last: Result) -> Changes:
        if last.snapshot.id == before.id:
            return Changes()
        return compare_stored(self._store.tree(before), last.tree)

    def _changed_rules(self, tree: Tree, changes: Changes) -> list[bytes]:
        named = {*changes.added, *changes.modified, *changes.removed}
        return sorted(path for path in named if path.rpartition(b"/")[2] == b".backupignore")
