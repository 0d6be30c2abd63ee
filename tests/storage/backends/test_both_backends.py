"""The same random trees through both backends give the same listing and the same restore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agsekit_storage.model import Snapshot
from tests.support.projects import Project
from tests.support.trees import Editor, copy_tree, make_nasty_tree, make_special_files, without_times


def _listing(snapshot: Snapshot) -> tuple[object, ...]:
    return (
        *(snapshot.kind, snapshot.files, snapshot.folders, snapshot.bytes, snapshot.complete),
        *(snapshot.added, snapshot.modified, snapshot.metadata, snapshot.removed),
        sorted((problem.path, problem.reason) for problem in snapshot.problems),
    )


@pytest.mark.parametrize("seed", range(6))
def test_both_backends_agree_on_random_trees(tmp_path: Path, seed: int) -> None:
    projects = []
    for backend in ("rsync", "git"):
        (tmp_path / backend).mkdir()
        project = Project(tmp_path / backend, backend)
        project.source = tmp_path / "source"
        projects.append(project)
    (tmp_path / "source").mkdir()
    make_nasty_tree(tmp_path / "source")
    make_special_files(tmp_path / "source")
    editor = Editor(tmp_path / "source", seed)
    expected = []
    for round_number in range(5):
        editor.run(12)
        now = 1_700_000_000 + round_number
        results = [project.snapshot(now=now) for project in projects]
        if results[0].created:
            expected.append(projects[0].now())

        assert results[0].created == results[1].created
        assert results[0].changes == results[1].changes

    listings = [project.snapshots() for project in projects]
    assert [_listing(each) for each in listings[0]] == [_listing(each) for each in listings[1]]
    for by_rsync, by_git, state in zip(*listings, expected):
        assert projects[0].saved(by_rsync) == projects[1].saved(by_git) == state


def test_both_backends_agree_on_a_whole_restore(tmp_path: Path) -> None:
    (tmp_path / "rsync").mkdir()
    (tmp_path / "git").mkdir()
    projects = [Project(tmp_path / backend, backend) for backend in ("rsync", "git")]
    make_nasty_tree(projects[0].source)
    os.rmdir(projects[1].source)
    copy_tree(projects[0].source, projects[1].source)
    taken = [project.snapshot().snapshot for project in projects]
    for project in projects:
        Editor(project.source, 5, special=False).run(60)

    plans = [project.restore(snapshot).plan for project, snapshot in zip(projects, taken)]

    assert plans[0] == plans[1]
    assert without_times(projects[0].now()) == without_times(projects[1].now())
    for project, snapshot in zip(projects, taken):
        assert project.saved(snapshot) == project.now()
