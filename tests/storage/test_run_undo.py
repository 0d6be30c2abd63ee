"""Undoing a run takes back what it changed, and nothing that a person has changed since or elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace

import pytest

from agsekit_storage import run_log, running
from agsekit_storage.errors import SnapshotNotFound, StorageError
from agsekit_storage.run_log import Run, all_runs, find_run
from agsekit_storage.run_undo import RunUndo, plan_run_undo, undo_run
from agsekit_storage.snapshots import Request, take_snapshot
from tests.support.projects import Project
from tests.support.trees import Editor
from tests.support.world import write_files


class Runs:
    """A project, and one run in it: what is done between `begin` and `end` was done by the agent."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.source = project.source
        self._run = Run("20261124-120000-abc123", "rogue", "box", ("--fast",), started=time.time())

    def begin(self) -> None:
        self._take("pre-run")
        self._run = replace(self._run, before=self.project.snapshots()[-1].id)
        run_log.save(self.project.store, self._run)

    def end(self) -> None:
        self._take("post-run")
        after = self.project.snapshots()[-1].id
        run_log.save(self.project.store, replace(self._run, after=after, ended=time.time(), exit_code=0))

    def _take(self, kind: str) -> None:
        request = Request(kind, run=self._run.details())
        take_snapshot(self.project.store, request, now=time.time())

    def undo(self, *force: bytes) -> RunUndo:
        store = self.project.store
        return undo_run(store, all_runs(store)[-1], now=time.time(), force=force)


@pytest.fixture
def runs(project: Project) -> Runs:
    write_files(project.source, {"kept": "kept", "changed": "before", "removed": "removed", "folder/inner": "inner"})
    return Runs(project)


def _rogue(runs: Runs) -> None:
    """What the agent does."""
    runs.begin()
    write_files(runs.source, {"changed": "after the run", "added": "new", "new/deep/file": "new"})
    (runs.source / "removed").unlink()
    (runs.source / "kept").chmod(0o755)
    shutil.rmtree(runs.source / "folder")
    (runs.source / "folder").symlink_to("kept")
    runs.end()


def test_a_run_that_nobody_touched_since_is_undone_to_the_last_time(runs: Runs) -> None:
    before = runs.project.now()
    _rogue(runs)

    undone = runs.undo()

    assert not undone.conflicts
    assert runs.project.now() == before


def test_what_a_person_did_elsewhere_meanwhile_stays(runs: Runs) -> None:
    _rogue(runs)
    write_files(runs.source, {"mine": "mine", "new/mine": "mine too", "kept": "edited by me"})

    undone = runs.undo()

    texts = {name: (runs.source / name).read_text() for name in ("mine", "new/mine", "changed", "removed")}
    assert texts == {"mine": "mine", "new/mine": "mine too", "changed": "before", "removed": "removed"}
    assert not (runs.source / "new/deep").exists()
    assert (runs.source / "folder/inner").read_text() == "inner"
    # The run had made it executable, so both have changed it.
    assert undone.conflicts == [b"kept"]
    assert (runs.source / "kept").read_text() == "edited by me"


def test_conflicts_are_named_and_left_alone_until_the_old_one_is_asked_for(runs: Runs) -> None:
    _rogue(runs)
    write_files(runs.source, {"changed": "edited by me", "removed": "made by me", "added": "edited by me"})
    (runs.source / "folder").unlink()
    write_files(runs.source, {"folder": "mine now"})

    assert runs.undo().conflicts == [b"added", b"changed", b"folder", b"folder/inner", b"removed"]
    assert [(runs.source / name).read_text() for name in ("changed", "removed", "folder")] == [
        "edited by me",
        "made by me",
        "mine now",
    ]

    left = runs.undo(b"changed", b"folder")

    assert left.conflicts == [b"added", b"removed"]
    assert (runs.source / "changed").read_text() == "before"
    assert (runs.source / "folder/inner").read_text() == "inner"
    assert (runs.source / "removed").read_text() == "made by me"


def test_a_folder_in_the_place_of_a_file_stays_when_somebody_works_in_it(runs: Runs) -> None:
    runs.begin()
    (runs.source / "kept").unlink()
    write_files(runs.source, {"kept/by the run": "run"})
    runs.end()
    write_files(runs.source, {"kept/mine": "mine"})

    undone = runs.undo()

    assert undone.conflicts == [b"kept", b"kept/by the run"]
    assert sorted(os.listdir(runs.source / "kept")) == ["by the run", "mine"]
    runs.undo(b"kept")
    assert (runs.source / "kept").read_text() == "kept"


def test_the_state_before_an_undo_of_a_run_can_be_had_back(runs: Runs) -> None:
    _rogue(runs)
    write_files(runs.source, {"mine": "mine"})
    left = runs.project.now()

    undone = runs.undo()

    assert undone.done
    assert undone.done.before
    runs.project.restore(undone.done.before)
    assert runs.project.now() == left


def test_what_the_agent_locked_away_goes_back_and_what_a_person_locked_stays_locked(runs: Runs) -> None:
    runs.begin()
    write_files(runs.source, {"changed": "and locked"})
    (runs.source / "changed").chmod(0)
    runs.end()
    (runs.source / "kept").chmod(0)

    assert not runs.undo().conflicts

    assert (runs.source / "changed").read_text() == "before"
    assert (runs.source / "kept").stat().st_mode & 0o777 == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_random_run_beside_random_work_is_taken_back_and_the_work_is_not(project: Project, seed: int) -> None:
    """The agent has one half of the project, the person the other: then nothing can be in conflict."""
    halves = {half: Editor(project.source / half, seed, special=False) for half in ("agent", "person")}
    for half, editor in halves.items():
        (project.source / half).mkdir()
        editor.run(40)
    runs = Runs(project)
    before = project.now()
    runs.begin()
    halves["agent"].run(25)
    runs.end()
    halves["person"].run(25)
    after = project.now()

    undone = runs.undo()

    assert not undone.conflicts
    now = project.now()
    assert {path: node for path, node in now.items() if path.startswith(b"agent/")} == {
        path: node for path, node in before.items() if path.startswith(b"agent/")
    }
    assert {path: node for path, node in now.items() if path.startswith(b"person")} == {
        path: node for path, node in after.items() if path.startswith(b"person")
    }


def test_a_plan_changes_nothing_and_says_what_an_undo_would_do(runs: Runs) -> None:
    _rogue(runs)
    left = runs.project.now()
    store = runs.project.store

    plan = plan_run_undo(store, all_runs(store)[-1])

    assert runs.project.now() == left
    assert plan.plan.replace == [b"changed"]
    assert b"removed" in plan.plan.create


def test_a_run_under_way_and_a_path_that_it_left_alone_are_refused(runs: Runs) -> None:
    runs.begin()
    note = running.begin(runs.project.path, {}, "20261124-120000-abc123")
    with pytest.raises(StorageError, match="still under way"):
        runs.undo()
    note.end()
    runs.end()

    with pytest.raises(StorageError, match="did not change kept"):
        runs.undo(b"kept")


def test_everything_made_during_a_run_carries_it_whoever_makes_it(runs: Runs) -> None:
    runs.begin()
    note = running.begin(runs.project.path, {}, "20261124-120000-abc123")
    write_files(runs.source, {"changed": "1"})
    runs.project.snapshot(kind="interval")
    note.end()
    write_files(runs.source, {"changed": "2"})
    runs.project.snapshot()

    agents = [each.run and each.run["agent"] for each in runs.project.snapshots()]

    assert agents == ["rogue", "rogue", None]
    assert runs.project.snapshots()[1].run == {
        "id": "20261124-120000-abc123",
        "agent": "rogue",
        "vm": "box",
        "arguments": ["--fast"],
        "started": runs.project.snapshots()[0].run["started"],  # type: ignore[index]
    }


def test_runs_of_before_the_log_are_told_by_their_snapshots(runs: Runs) -> None:
    store = runs.project.store
    old = {"id": "20251124-120000-def456", "agent": "old", "vm": "box"}
    runs.project.snapshot()
    for text in ("one", "two"):
        write_files(runs.source, {"changed": text})
        take_snapshot(store, Request("interval", run=old), now=time.time())

    run = all_runs(store)[-1]

    ids = [each.id for each in store.snapshots()]
    assert (run.agent, run.arguments, run.before, run.after, run.snapshots) == ("old", (), ids[0], ids[2], 2)
    assert not runs.undo().conflicts
    assert (runs.source / "changed").read_text() == "before"


def test_a_run_that_changed_nothing_is_a_run_all_the_same(runs: Runs) -> None:
    runs.project.snapshot()
    runs.begin()
    runs.end()

    run = all_runs(runs.project.store)[-1]

    assert (run.before, run.snapshots) == (run.after, 0)
    assert not runs.undo().plan


def test_a_run_is_named_by_its_id_its_beginning_its_ending_or_its_age() -> None:
    runs = [Run("20261123-080000-aaa111"), Run("20261124-080000-bbb222"), Run("20261124-090000-ccc333")]

    named = ["20261123", "20261124-08", "ccc333", "latest", "latest~2", "20261124-080000-bbb222"]

    assert [find_run(runs, each).id[-6:] for each in named] == [
        "aaa111", "bbb222", "ccc333", "ccc333", "aaa111", "bbb222",
    ]  # fmt: skip
    for wrong in ("20261124", "latest~3", "nothing", ""):
        with pytest.raises(SnapshotNotFound):
            find_run(runs, wrong)
