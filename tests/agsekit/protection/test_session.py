from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from agsekit.protection.session import ProtectedRun, Summary
from agsekit.protection.target import Target
from agsekit_storage.errors import SourceUnavailable
from agsekit_storage.events import ignore_events
from agsekit_storage.retention import Policy
from agsekit_storage.run_log import all_runs
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from tests.support.world import wait_until, write_files

RUN = {"id": "run-1", "agent": "rogue", "vm": "box"}


class Session:
    """One protected run, begun and ended the way `run` does it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        assert store.source is not None
        self.source = store.source
        self.keep = Policy()
        self._run: ProtectedRun | None = None

    def begin(self, *, interval: float = 60.0, exclude: tuple[str, ...] = (), watch: Optional[bool] = None) -> None:
        target = Target(self.source, self.store.path, exclude, interval=interval, keep=self.keep, watch=watch)
        run = ProtectedRun(self.store, target, RUN)
        run.begin(on_orphaned=lambda: None, on_event=ignore_events)
        self._run = run

    def end(self) -> Summary:
        assert self._run is not None
        run, self._run = self._run, None
        return run.end(on_event=ignore_events)

    def close(self) -> None:
        if self._run:
            self.end()


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    made = Session(store)
    write_files(made.source, {"kept": "kept", "changed": "before", "removed": "removed"})
    yield made
    made.close()


def test_the_summary_tells_what_became_of_the_folder(session: Session) -> None:
    session.begin()
    write_files(session.source, {"changed": "after it", "added": "new"})
    (session.source / "removed").unlink()

    summary = session.end()

    assert [*summary.changes.added] == [b"added"]
    assert [*summary.changes.modified] == [b"changed"]
    assert [*summary.changes.removed] == [b"removed"]
    assert summary.before == session.store.snapshots()[0]
    assert summary.after == session.store.snapshots()[-1]
    assert summary.snapshots == 2
    assert not summary.failures


def test_the_summary_is_about_the_whole_run_not_about_its_last_interval(session: Session) -> None:
    session.begin(interval=0.05 / 60)
    write_files(session.source, {"added": "new"})
    wait_until(lambda: len(session.store.snapshots()) == 2)
    write_files(session.source, {"more": "new"})

    summary = session.end()

    assert sorted(summary.changes.added) == [b"added", b"more"]
    assert summary.snapshots == len(session.store.snapshots())


@pytest.mark.parametrize(("watch", "last"), [(False, "post-run"), (True, "watch")])
def test_the_snapshots_are_of_the_kinds_around_a_run_and_name_it(session: Session, watch: bool, last: str) -> None:
    session.begin(watch=watch)
    write_files(session.source, {"added": "new"})

    session.end()

    snapshots = session.store.snapshots()
    assert [each.kind for each in snapshots] == ["pre-run", last]
    assert [each.run for each in snapshots] == [RUN, RUN]


def test_a_run_that_changes_nothing_makes_one_snapshot(session: Session) -> None:
    session.begin()

    summary = session.end()

    assert not summary.changes
    assert summary.before == summary.after
    assert summary.snapshots == 1


def test_a_second_run_without_a_change_in_between_makes_none(session: Session) -> None:
    session.begin()
    session.end()
    session.begin()

    summary = session.end()

    assert summary.snapshots == 0
    assert summary.before == session.store.snapshots()[0]


def test_rules_that_the_run_changed_take_no_effect_and_are_named(session: Session) -> None:
    (session.source / "folder").mkdir()
    session.begin()
    write_files(session.source, {".backupignore": "*\n", "folder/.backupignore": "*\n", "secretly": "made"})

    summary = session.end()

    assert [*summary.changed_rules] == [b".backupignore", b"folder/.backupignore"]
    assert b"secretly" in summary.changes.added
    assert summary.after is not None
    assert "secretly" in os.listdir(session.store.path / summary.after.id)


def test_a_last_snapshot_that_fails_leaves_a_summary_that_says_so(session: Session) -> None:
    session.begin()
    shutil.rmtree(session.source)

    summary = session.end()

    assert summary.after is None
    assert summary.before.kind == "pre-run"
    assert any(str(session.source) in failure for failure in summary.failures)
    run = all_runs(session.store)[0]
    assert (run.last_saved, run.after, run.ended is None) == (False, summary.before.id, False)


def test_a_run_does_not_begin_when_the_first_snapshot_fails(session: Session) -> None:
    shutil.rmtree(session.source)

    with pytest.raises(SourceUnavailable):
        session.begin()

    assert session.store.snapshots() == []


def test_two_runs_share_a_store_without_waiting_for_each_other(store: Store, session: Session) -> None:
    other = Session(store)
    session.begin()
    other.begin()
    write_files(session.source, {"added": "new"})

    first, second = session.end(), other.end()

    assert [*first.changes.added] == [*second.changes.added] == [b"added"]
    assert first.after == second.after


def test_excluded_files_are_in_no_snapshot_of_a_run(session: Session) -> None:
    session.begin(exclude=("removed", "*.log"))
    write_files(session.source, {"a.log": "noise", "added": "new"})

    summary = session.end()

    assert [*summary.changes.added] == [b"added"]
    for snapshot in session.store.snapshots():
        assert not {"a.log", "removed"} & set(os.listdir(Path(session.store.path, snapshot.id)))


def test_the_state_before_the_run_outlives_a_policy_that_keeps_nothing(store: Store, session: Session) -> None:
    session.keep = Policy(everything=0, hourly=0, daily=0, weekly=0)
    session.begin(interval=0.05 / 60)
    for content in ("second", "the third"):
        newest = store.snapshots()[-1].id
        write_files(session.source, {"changed": content})
        wait_until(lambda: store.snapshots()[-1].id != newest)  # noqa: B023 - called at once

    summary = session.end()

    assert not summary.failures
    assert summary.before.id in [snapshot.id for snapshot in store.snapshots()]


def test_rules_of_a_run_whose_last_snapshot_failed_are_not_trusted(store: Store, session: Session) -> None:
    session.begin()
    moved = session.source.with_name("moved")
    session.source.rename(moved)
    assert session.end().after is None
    moved.rename(session.source)
    write_files(session.source, {".backupignore": "*\n"})

    result = take_snapshot(store, Request("manual"), now=time.time())

    assert b"kept" in [entry.path for entry in result.tree.entries()]
