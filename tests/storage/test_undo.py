"""Undo and redo walk along the states of a folder and never lose one."""

from __future__ import annotations

import time

import pytest

from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.undo import redo_step, take_step, undo_step
from tests.support.children import value_from_child, without_rights
from tests.support.projects import Project


def _write(project: Project, text: str) -> None:
    (project.source / "file").write_text(text)


def _text(project: Project) -> str:
    return (project.source / "file").read_text()


def _undo(project: Project) -> str:
    take_step(project.store, undo_step(project.store, ()), (), now=time.time())
    return _text(project)


def _redo(project: Project) -> str:
    take_step(project.store, redo_step(project.store, ()), (), now=time.time())
    return _text(project)


def _three_states(project: Project) -> None:
    for text in ("one", "second", "the third"):
        _write(project, text)
        project.snapshot()


def test_undo_goes_back_one_state_each_time_and_redo_forward_again(project: Project) -> None:
    _three_states(project)

    assert [_undo(project), _undo(project)] == ["second", "one"]
    assert [_redo(project), _redo(project)] == ["second", "the third"]


def test_undo_first_takes_back_edits_that_no_snapshot_has_and_redo_returns_them(project: Project) -> None:
    _three_states(project)
    _write(project, "unsaved work")

    assert [_undo(project), _undo(project)] == ["the third", "second"]
    assert [_redo(project), _redo(project)] == ["the third", "unsaved work"]


def test_undo_stops_at_the_first_state(project: Project) -> None:
    _three_states(project)
    _undo(project)
    _undo(project)

    with pytest.raises(SnapshotNotFound, match="no earlier state"):
        undo_step(project.store, ())

    assert _text(project) == "one"


def test_redo_needs_an_undo_right_before_it(project: Project) -> None:
    _three_states(project)
    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        redo_step(project.store, ())
    _undo(project)
    _write(project, "another way")

    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        redo_step(project.store, ())


def test_edits_after_an_undo_are_undone_by_themselves(project: Project) -> None:
    _three_states(project)
    _undo(project)
    _write(project, "another way")

    first = _undo(project)

    assert first != "another way"
    assert _redo(project) == "another way"


def test_an_undo_of_a_deletion_brings_the_folder_back(project: Project) -> None:
    _three_states(project)
    state = project.now()
    (project.source / "file").unlink()
    project.snapshot()

    take_step(project.store, undo_step(project.store, ()), (), now=time.time())

    assert project.now() == state


def test_undo_goes_back_also_where_a_file_cannot_be_read(open_project: Project) -> None:
    def act() -> list[str]:
        without_rights()
        (open_project.source / "locked").write_text("x")
        (open_project.source / "locked").chmod(0)
        _three_states(open_project)
        return [_undo(open_project), _undo(open_project)]

    assert value_from_child(act) == ["second", "one"]


def test_undo_goes_back_also_where_a_file_had_rights_to_lend(project: Project) -> None:
    for text in ("one", "second", "the third"):
        _write(project, text)
        (project.source / "file").chmod(0o4755)
        project.snapshot()

    assert [_undo(project), _undo(project)] == ["second", "one"]
