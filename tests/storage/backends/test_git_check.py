"""What the check of the git backend finds."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from agsekit_storage.model import Problem, Snapshot
from tests.support.git import git
from tests.support.projects import Project
from tests.support.trees import Editor, make_nasty_tree, make_special_files


@pytest.fixture
def backend() -> str:
    """The one whose check this is."""
    return "git"


def _check(project: Project, snapshot: Snapshot, *, data: bool = True) -> list[Problem]:
    return list(project.store.backend.checker(data=data)(snapshot.id, project.tree(snapshot)))


def test_sound_snapshots_of_nasty_trees_pass(project: Project) -> None:
    make_nasty_tree(project.source)
    make_special_files(project.source)
    editor = Editor(project.source, 11)
    for _ in range(4):
        editor.run(15)
        project.snapshot()
    check = project.store.backend.checker(data=True)

    found = [each for taken in project.snapshots() for each in check(taken.id, project.tree(taken))]

    assert found == []


def test_a_flipped_bit_is_named_when_the_data_is_read(project: Project) -> None:
    (project.source / "file").write_bytes(os.urandom(5000))
    (project.source / "other").write_text("sound")
    snapshot = project.snapshot().snapshot
    [pack] = (project.path / "shadow.git").glob("objects/pack/*.pack")
    content = bytearray(pack.read_bytes())
    content[2500] ^= 1
    pack.write_bytes(content)

    found = _check(project, snapshot)

    assert [(problem.path, problem.reason) for problem in found] == [(b"file", "altered")]
    assert _check(project, snapshot, data=False) == []


def test_a_commit_that_says_something_else_is_found(project: Project) -> None:
    repository = project.path / "shadow.git"
    for name in ("altered", "lost"):
        (project.source / name).write_text(name)
    (project.source / "folder").mkdir()
    (project.source / "folder/below").write_text("below")
    snapshot = project.snapshot().snapshot
    blob = git("hash-object", "-w", "--stdin", repository=repository, stdin=b"forged").decode().strip()
    listing = f"100644 blob {blob}\taltered\n100644 blob {blob}\tunexpected\n".encode()
    tree = git("mktree", repository=repository, stdin=listing).decode().strip()
    commit = git("commit-tree", tree, "-m", "forged", repository=repository).decode().strip()
    git("update-ref", f"refs/snapshots/{snapshot.id}", commit, repository=repository)

    found = {(problem.path, problem.reason) for problem in _check(project, snapshot)}

    assert found == {
        (b"altered", "altered"),
        (b"lost", "lost"),
        (b"unexpected", "unexpected"),
        (b"folder", "lost"),
    }


def test_a_snapshot_without_its_ref_is_lost(project: Project) -> None:
    (project.source / "file").write_text("content")
    taken = project.snapshot().snapshot
    tree = project.tree(taken)

    found = list(project.store.backend.checker(data=False)("20200101-000000", tree))

    assert [(problem.path, problem.reason) for problem in found] == [(b"", "lost")]


def test_a_missing_object_is_named(project: Project) -> None:
    repository: Path = project.path / "shadow.git"
    (project.source / "file").write_text("content")
    snapshot = project.snapshot().snapshot
    [pack] = repository.glob("objects/pack/*.pack")
    content = pack.read_bytes()
    pack.unlink()
    pack.with_suffix(".idx").unlink()
    git("unpack-objects", "-q", repository=repository, stdin=content)
    blob = git("rev-parse", "main:file", repository=repository).decode().strip()
    loose = repository / "objects" / blob[:2] / blob[2:]
    assert zlib.decompress(loose.read_bytes()).endswith(b"content")
    loose.unlink()

    found = _check(project, snapshot, data=False)

    assert [(problem.path, problem.reason) for problem in found] == [(b"file", "altered")]
