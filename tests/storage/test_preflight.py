"""What is looked at before anything is written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agsekit_storage.errors import SourceUnavailable, StorageError, StoreRefused
from agsekit_storage.guards import check_source
from agsekit_storage.retention import Policy
from agsekit_storage.snapshots import Request, take_snapshot
from tests.support.projects import Project


def _fill(project: Project, count: int) -> None:
    for number in range(count):
        (project.source / f"file-{number}").write_text("content")


def test_a_snapshot_that_lost_most_files_says_so(project: Project) -> None:
    _fill(project, 40)
    assert not project.snapshot().snapshot.mass_loss
    for number in range(30):
        (project.source / f"file-{number}").unlink()

    assert project.snapshot().snapshot.mass_loss


def test_files_that_were_emptied_count_as_lost(project: Project) -> None:
    _fill(project, 40)
    project.snapshot()
    for number in range(30):
        os.truncate(project.source / f"file-{number}", 0)

    assert project.snapshot().snapshot.mass_loss


def test_files_that_were_cut_down_to_almost_nothing_count_as_lost_too(project: Project) -> None:
    for number in range(40):
        (project.source / f"file-{number}").write_text("content" * 100)
    project.snapshot()
    for number in range(30):
        (project.source / f"file-{number}").write_text("oops")

    assert project.snapshot().snapshot.mass_loss


def test_files_that_were_moved_are_not_lost(project: Project) -> None:
    _fill(project, 40)
    project.snapshot()
    (project.source / "src").mkdir()
    for number in range(40):
        (project.source / f"file-{number}").rename(project.source / f"src/file-{number}")

    assert not project.snapshot().snapshot.mass_loss


@pytest.mark.parametrize(("share", "is_loss"), [(0.2, True), (0.3, False)])
def test_the_share_that_counts_as_a_loss_can_be_chosen(project: Project, share: float, is_loss: bool) -> None:
    _fill(project, 40)
    project.snapshot()
    for number in range(10):
        (project.source / f"file-{number}").unlink()

    result = take_snapshot(project.store, Request("interval", loss_share=share), now=time.time())

    assert result.snapshot.mass_loss is is_loss


def test_an_emptied_project_is_a_loss_however_small_it_was(project: Project) -> None:
    _fill(project, 2)
    project.snapshot()
    for number in range(2):
        (project.source / f"file-{number}").unlink()

    assert project.snapshot().snapshot.mass_loss


def test_everyday_deletions_are_no_loss(project: Project) -> None:
    _fill(project, 40)
    project.snapshot()
    for number in range(15):
        (project.source / f"file-{number}").unlink()

    assert not project.snapshot().snapshot.mass_loss


def test_the_state_before_a_loss_outlives_all_pruning(project: Project) -> None:
    _fill(project, 40)
    good = project.snapshot().snapshot
    for number in range(40):
        (project.source / f"file-{number}").unlink()
    nothing = Policy(everything=0, hourly=0, daily=0, weekly=0)
    for number in range(5):
        (project.source / "trace").write_text("x" * number)
        take_snapshot(project.store, Request("interval", keep=nothing), now=time.time())

    assert good.id in [snapshot.id for snapshot in project.snapshots()]


def test_what_cannot_fit_is_refused_before_anything_is_written(project: Project) -> None:
    _fill(project, 3)
    project.snapshot()
    _fill(project, 5)

    with pytest.raises(StorageError, match="to be left free"):
        take_snapshot(project.store, Request("manual", keep=Policy(min_free=10**18)), now=time.time())

    assert len(project.snapshots()) == 1
    assert not project.rests()


def test_a_file_full_of_holes_is_not_taken_for_a_large_one(tmp_path: Path) -> None:
    project = Project(tmp_path, "rsync")
    with (project.source / "sparse").open("wb") as file:
        file.truncate(10**13)

    assert project.snapshot().created


def test_huge_files_are_named_at_the_first_snapshot_only(tmp_path: Path) -> None:
    project = Project(tmp_path, "rsync")
    with (project.source / "huge").open("wb") as file:
        file.truncate(10**10)

    first = project.snapshot()
    (project.source / "other").write_text("x")
    second = project.snapshot()

    assert [(each.path, each.reason) for each in first.problems] == [(b"huge", "huge")]
    assert first.snapshot.complete
    assert second.problems == []


def test_the_whole_machine_and_a_home_folder_are_too_much(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(home)

    for folder in (Path("/"), home, tmp_path, tmp_path / "alias"):
        with pytest.raises(StoreRefused, match="too much"):
            check_source(folder, home=home)
    assert check_source(home / "project", home=home) == (home / "project").resolve()
    with pytest.raises(SourceUnavailable, match="does not exist"):
        check_source(home / "nothing", home=home)


def _damage(project: Project, snapshot_id: str) -> None:
    (project.path / ".agsekit" / "trees" / snapshot_id).write_bytes(b"damaged")


def test_a_loss_right_after_a_damaged_newest_record_is_held_against_the_newest_that_can_be_read(
    project: Project,
) -> None:
    _fill(project, 40)
    good = project.snapshot().snapshot
    (project.source / "file-0").write_text("edited")
    _damage(project, project.snapshot().snapshot.id)
    for number in range(30):
        (project.source / f"file-{number}").unlink()

    result = project.snapshot()

    assert result.snapshot.mass_loss
    assert project.store.get(good.id).pinned


def test_a_damaged_newest_record_alone_is_no_loss(project: Project) -> None:
    _fill(project, 40)
    project.snapshot()
    (project.source / "file-0").write_text("edited")
    _damage(project, project.snapshot().snapshot.id)

    assert not project.snapshot().snapshot.mass_loss
