"""A base is what many records build upon: its loss must cost as little as it can."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agsekit_storage.errors import StoreDamaged
from agsekit_storage.events import Event, Met
from agsekit_storage.memory import Memory
from agsekit_storage.model import Problem
from agsekit_storage.restore import RestoreRequest, restore
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from agsekit_storage.verification import verify
from tests.support.projects import Project
from tests.support.trees import without_folder_times


def _truncate(base: Path) -> None:
    base.write_bytes(base.read_bytes()[:-20])


def _alter(base: Path) -> None:
    content = bytearray(base.read_bytes())
    content[-30] ^= 1
    base.write_bytes(bytes(content))


def _remove(base: Path) -> None:
    base.unlink()


@pytest.fixture(params=[_truncate, _alter, _remove])
def damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """A way to damage a file."""
    chosen: Callable[[Path], None] = request.param
    return chosen


def _history(project: Project) -> Path:
    """Take two snapshots with one base and return that."""
    (project.source / "folder").mkdir()
    (project.source / "folder" / "file").write_text("one")
    (project.source / "ignored").write_text("in no snapshot")
    (project.source / ".backupignore").write_text("ignored\n")
    project.snapshot()
    (project.source / "folder" / "file").write_text("second")
    project.snapshot()
    [base] = (project.path / ".agsekit" / "bases").iterdir()
    return base


def test_snapshots_without_their_base_are_listed_and_named_and_the_next_one_has_its_own(
    project: Project, damage: Callable[[Path], None]
) -> None:
    base = _history(project)
    ids = [snapshot.id for snapshot in project.snapshots()]
    damage(base)

    assert [snapshot.id for snapshot in project.snapshots()] == ids
    store = Store.existing(project.path)
    assert store.unreadable() == set(ids)
    findings = list(verify(store, store.snapshots(), data=True))
    assert {(each.snapshot.id, each.problem.reason) for each in findings} == {(each, "record") for each in ids}
    assert all(str(base) in each.problem.detail for each in findings)

    next_one = project.snapshot()

    assert next_one.created
    assert project.saved(next_one.snapshot) == {
        path: node for path, node in project.now().items() if path != b"ignored"
    }
    assert Store.existing(project.path).unreadable() == set(ids)
    assert not project.snapshot().created


def test_a_process_that_remembers_its_tree_does_not_build_upon_a_base_that_was_damaged_meanwhile(
    project: Project, damage: Callable[[Path], None]
) -> None:
    base, store, memory = _history(project), project.store, Memory()
    for text in ("third", "the fourth"):
        (project.source / "folder" / "file").write_text(text)
        take_snapshot(store, Request("interval"), now=time.time(), memory=memory)
        if text == "third":
            time.sleep(0.01)  # for a stamp of its own
            damage(base)

    newest = project.snapshots()[-1]

    assert newest.id not in store.unreadable()
    assert project.saved(newest)[b"folder/file"].content == project.now()[b"folder/file"].content


def test_a_snapshot_without_its_base_is_restored_where_its_contents_lie_in_plain_sight(
    project: Project, damage: Callable[[Path], None]
) -> None:
    base = _history(project)
    wanted = project.now()
    snapshot = project.snapshots()[-1]
    damage(base)
    (project.source / "folder" / "file").write_text("damaged")
    (project.source / "new").write_text("new")
    if project.backend == "git":
        with pytest.raises(StoreDamaged):
            project.restore(snapshot)
        return

    told: list[Event] = []
    restored = restore(project.store, RestoreRequest(snapshot), now=time.time(), on_event=told.append)

    assert [(each.path, each.reason) for each in restored.problems] == [(b".", "rebuilt")]
    assert Met(Problem(b".", "rebuilt")) in told
    assert without_folder_times(project.now()) == without_folder_times(wanted)
    assert os.listdir(project.source / "folder") == ["file"]
