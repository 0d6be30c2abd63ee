"""Compacting the shadow repository."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agsekit_storage.backends.git_objects import ObjectReader
from agsekit_storage.backends.git_pack import BLOB
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.maintenance import maintain
from agsekit_storage.pruning import prune
from agsekit_storage.retention import Policy
from tests.support.git import fsck, git, run_program
from tests.support.projects import Project
from tests.support.trees import Description, Editor, make_nasty_tree

_MIB = 1024 * 1024


@pytest.fixture
def backend() -> str:
    """Only one can be compacted."""
    return "git"


@pytest.fixture
def repository(project: Project) -> Path:
    return project.path / "shadow.git"


def no_git(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """A machine without git."""
    raise FileNotFoundError(argv[0])


def _packs(repository: Path) -> list[Path]:
    return sorted(repository.glob("objects/pack/*.pack"))


def _fill(project: Project, megabytes: int) -> None:
    for number in range(megabytes):
        (project.source / f"large {number}").write_bytes(os.urandom(_MIB))


def _check(project: Project, expected: Mapping[str, Description]) -> None:
    assert {each.id: project.saved(each) for each in project.snapshots()} == expected
    fsck(project.path / "shadow.git")


def test_many_small_packs_become_one_without_git(project: Project, repository: Path) -> None:
    make_nasty_tree(project.source)
    editor = Editor(project.source, 7, special=False)
    expected = {}
    for _ in range(40):
        editor.run(2)
        taken = project.snapshot()
        if taken.created:
            expected[taken.snapshot.id] = project.now()
    assert len(_packs(repository)) > 30

    done = maintain(project.store, no_git)

    assert done
    assert len(_packs(repository)) == 1
    _check(project, expected)
    assert not maintain(project.store, no_git)


def test_git_packs_everything_and_what_was_deleted_is_gone(project: Project, repository: Path) -> None:
    (project.source / "secret").write_bytes(os.urandom(_MIB))
    doomed = project.snapshot().snapshot
    (project.source / "secret").unlink()
    _fill(project, 33)
    kept = project.snapshot().snapshot
    secret = git("rev-parse", f"refs/snapshots/{doomed.id}:secret", repository=repository).decode().strip()
    project.store.delete([doomed.id])

    done = maintain(project.store, run_program)

    assert done
    assert len(_packs(repository)) == 1
    assert secret.encode() not in git("cat-file", "--batch-all-objects", "--batch-check", repository=repository)
    _check(project, {kept.id: project.now()})


def test_a_repository_that_has_hardly_grown_is_not_packed_again(project: Project) -> None:
    _fill(project, 33)
    project.snapshot()
    maintain(project.store, run_program)
    (project.source / "small").write_text("new")
    project.snapshot()

    assert not maintain(project.store, run_program)


def test_snapshots_taken_and_deleted_while_git_packs_are_whole(project: Project) -> None:
    expected = {}

    def take(text: str) -> str:
        (project.source / "file").write_text(text)
        taken = project.snapshot(wait=0).snapshot
        expected[taken.id] = project.now()
        return taken.id

    def busy_git(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        take("before git looks")
        project.store.delete([newest])
        del expected[newest]
        status = run_program(argv, environment)
        take("after git looked")
        project.store.delete([first])
        del expected[first]
        return status

    _fill(project, 33)
    first = take("first")
    newest = take("newest")
    done = maintain(project.store, busy_git)

    assert done
    take("after all")
    _check(project, expected)


def test_without_git_or_when_it_fails_nothing_is_removed(project: Project, repository: Path) -> None:
    _fill(project, 33)
    taken = project.snapshot().snapshot
    before = _packs(repository)

    assert not maintain(project.store, no_git)
    assert not maintain(project.store, lambda argv, environment: 1)

    assert _packs(repository) == before
    _check(project, {taken.id: project.now()})


def test_a_git_that_packs_too_little_is_noticed_before_anything_is_removed(
    project: Project, repository: Path
) -> None:
    _fill(project, 33)
    taken = project.snapshot().snapshot
    blob = git("rev-parse", "main:large 0", repository=repository)
    before = _packs(repository)

    def careless(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        git("pack-objects", "-q", str(repository / "objects/pack/pack"), repository=repository, stdin=blob)
        return 0

    with pytest.raises(StoreDamaged, match="has not packed 1 snapshots"):
        maintain(project.store, careless)

    assert set(before) < set(_packs(repository))
    _check(project, {taken.id: project.now()})


def test_a_reader_finds_what_was_packed_after_it_had_looked(project: Project, repository: Path) -> None:
    _fill(project, 33)
    (project.source / "file").write_text("content")
    project.snapshot()
    objects = ObjectReader(repository)
    before = bytes.fromhex(git("rev-parse", "main:file", repository=repository).decode())
    assert objects.read(before, BLOB) == b"content"
    (project.source / "file").write_text("later content")
    project.snapshot()
    assert maintain(project.store, run_program)
    later = bytes.fromhex(git("rev-parse", "main:file", repository=repository).decode())

    assert objects.find(later)
    assert objects.read(later, BLOB) == b"later content"
    assert objects.read(before, BLOB) == b"content"
    objects.close()


def test_git_reads_no_configuration_but_that_of_the_repository(project: Project, repository: Path) -> None:
    _fill(project, 33)
    project.snapshot()
    seen: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def remember(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        seen.append((argv, environment))
        return 1

    maintain(project.store, remember)

    [(argv, environment)] = seen
    assert argv[:2] == ["git", f"--git-dir={repository}"]
    assert environment["GIT_CONFIG_NOSYSTEM"] == "1"
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert environment["HOME"] == "/nonexistent"


def test_two_at_once_do_not_disturb_each_other(project: Project) -> None:
    _fill(project, 33)
    taken = project.snapshot().snapshot
    inner: list[bool] = []

    def nested(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        inner.append(maintain(project.store, run_program))
        return run_program(argv, environment)

    assert maintain(project.store, nested)

    assert inner == [False]
    _check(project, {taken.id: project.now()})


def test_a_store_of_another_backend_needs_nothing(tmp_path: Path) -> None:
    other = Project(tmp_path, "rsync")
    (other.source / "file").write_text("content")
    other.snapshot()

    assert not maintain(other.store, no_git)


def test_a_large_deletion_makes_a_repacking_pay(project: Project) -> None:
    for _ in range(10):
        (project.source / "large").write_bytes(os.urandom(_MIB))
        project.snapshot()
    prune(project.store, replace(Policy(), everything=0, hourly=0, daily=0, weekly=0), now=time.time())
    assert project.store.backend.reclaimable() == 9 * _MIB

    maintain(project.store, run_program)

    assert project.store.backend.reclaimable() == 0
    assert sum(path.stat().st_size for path in _packs(project.path / "shadow.git")) < 2 * _MIB
    _check(project, {project.snapshots()[0].id: project.now()})
