"""Undo and redo walk along the states of a folder and never lose one."""

from __future__ import annotations

import shutil
import time

import pytest

from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.undo import look_at, move, take_step
from tests.support.children import value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import without_folder_times


def _write(project: Project, text: str) -> None:
    (project.source / "file").write_text(text)


def _text(project: Project) -> str:
    return (project.source / "file").read_text()


def _undo(project: Project, count: int = 1, *paths: bytes) -> str:
    move(project.store, lambda look: look.undo(count, paths), (), now=time.time())
    return _text(project)


def _redo(project: Project, count: int = 1) -> str:
    move(project.store, lambda look: look.redo(count), (), now=time.time())
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
        look_at(project.store, ()).undo()

    assert _text(project) == "one"


def test_redo_needs_an_undo_right_before_it(project: Project) -> None:
    _three_states(project)
    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        look_at(project.store, ()).redo()
    _undo(project)
    _write(project, "another way")

    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        look_at(project.store, ()).redo()


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

    take_step(project.store, look_at(project.store, ()).undo(), (), now=time.time())

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


def test_several_changes_are_undone_at_once_and_come_back_one_by_one(project: Project) -> None:
    _three_states(project)
    _write(project, "unsaved work")

    assert _undo(project, 3) == "one"
    assert [_redo(project), _redo(project, 2)] == ["second", "unsaved work"]


def test_more_changes_than_there_are_cannot_be_undone(project: Project) -> None:
    _three_states(project)

    with pytest.raises(SnapshotNotFound, match="fewer earlier states to go back to: 2"):
        _undo(project, 3)

    assert _text(project) == "the third"


def test_one_path_goes_back_to_before_its_own_last_change(project: Project) -> None:
    (project.source / "other").write_text("first")
    _three_states(project)
    for text in ("later", "latest"):
        (project.source / "other").write_text(text)
        project.snapshot()

    assert _undo(project, 1, b"file") == "second"
    assert _undo(project, 1, b"file") == "one"
    assert _redo(project) == "second"
    assert (project.source / "other").read_text() == "latest"
    with pytest.raises(SnapshotNotFound, match="fewer earlier states to go back to: 1"):
        _undo(project, 3, b"file")


def test_edits_of_a_path_that_no_snapshot_has_are_undone_first(project: Project) -> None:
    _three_states(project)
    _write(project, "unsaved work")
    (project.source / "other").write_text("mine")

    assert [_undo(project, 1, b"file"), _redo(project)] == ["the third", "unsaved work"]
    assert (project.source / "other").read_text() == "mine"


def test_redo_takes_back_undos_of_other_paths_in_their_order(project: Project) -> None:
    (project.source / "folder").mkdir()
    for text in ("one", "second", "the third"):
        (project.source / "folder/other").write_text(text)
        _write(project, text)
        project.snapshot()

    def texts() -> tuple[str, str]:
        return _text(project), (project.source / "folder/other").read_text()

    _undo(project)
    _undo(project, 1, b"folder/other")
    assert texts() == ("second", "one")
    _undo(project, 1, b"file")
    assert texts() == ("one", "one")
    with pytest.raises(SnapshotNotFound, match="the last 2 undos were not about the same paths"):
        _redo(project, 2)
    _redo(project)
    assert texts() == ("second", "one")
    _redo(project)
    assert texts() == ("second", "second")
    _redo(project)
    assert texts() == ("the third", "the third")
    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        _redo(project)


def test_an_undo_goes_on_where_it_stood_before_one_of_a_path_that_was_taken_back(project: Project) -> None:
    _three_states(project)

    assert [_undo(project), _undo(project, 1, b"file"), _redo(project), _undo(project)] == [
        "second",
        "one",
        "second",
        "one",
    ]


def test_an_edit_ends_also_the_undos_that_others_were_made_on_top_of(project: Project) -> None:
    (project.source / "other").write_text("mine")
    _three_states(project)
    _undo(project)
    _undo(project, 1, b"file")
    (project.source / "other").write_text("edited")

    assert _redo(project) == "second"
    with pytest.raises(SnapshotNotFound, match="nothing to redo"):
        _redo(project)
    assert (project.source / "other").read_text() == "edited"


def test_a_folder_is_a_path_too_and_a_deleted_one_comes_back(project: Project) -> None:
    (project.source / "folder").mkdir()
    (project.source / "folder/inner").write_text("inner")
    _three_states(project)
    state = project.now()
    shutil.rmtree(project.source / "folder")
    project.snapshot()

    _undo(project, 1, b"folder")

    assert without_folder_times(project.now()) == without_folder_times(state)


def test_a_path_that_nobody_ever_had_is_an_error(project: Project) -> None:
    _three_states(project)

    with pytest.raises(SnapshotNotFound, match="nowhere is neither in the folder nor"):
        _undo(project, 1, b"nowhere")


def test_the_plan_of_a_step_is_what_the_step_then_does(project: Project) -> None:
    _three_states(project)
    (project.source / "new").write_text("new")
    look = look_at(project.store, ())
    step = look.undo()

    plan = look.plan(step, ())
    done = take_step(project.store, step, (), now=time.time())

    assert (plan.delete, plan.replace, plan.create) == (done.plan.delete, done.plan.replace, done.plan.create)
    assert plan.delete == [b"new"]


def test_what_only_new_ignore_rules_hide_survives_an_undo(project: Project) -> None:
    _three_states(project)
    (project.source / "made").write_text("can be made again")
    (project.source / ".backupignore").write_text("made\n")
    project.snapshot()

    _undo(project)

    assert not (project.source / ".backupignore").exists()
    assert (project.source / "made").exists()
