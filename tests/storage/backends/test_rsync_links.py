"""What only snapshots as plain folders have: they can be browsed, and unchanged files are hard links."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.children import value_from_child
from tests.support.projects import Project
from tests.support.trees import Editor, describe, make_nasty_tree, make_special_files

HOSTILE_STEPS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty source folder beside a store of plain folders that does not exist yet."""
    return Project(tmp_path, "rsync")


def test_a_snapshot_is_a_plain_copy(project: Project) -> None:
    make_nasty_tree(project.source)

    snapshot = project.snapshot().snapshot

    assert describe(project.path / snapshot.id) == project.now()
    assert stat.S_IMODE(project.path.stat().st_mode) == 0o700


def test_unchanged_files_share_their_inode_with_the_snapshot_before_and_changed_ones_do_not(project: Project) -> None:
    for name in ("stays", "grows", "touched", "shut"):
        (project.source / name).write_text(name)
    first = project.snapshot().snapshot
    (project.source / "grows").write_text("more")
    os.utime(project.source / "touched", ns=(0, 0))
    (project.source / "shut").chmod(0o600)

    second = project.snapshot().snapshot

    assert _shared(project, first.id, second.id) == {b"stays"}


def test_a_file_touched_before_an_unchanged_walk_is_copied_by_the_next_snapshot(project: Project) -> None:
    for name in ("touched", "other"):
        (project.source / name).write_text(name)
    project.snapshot()
    os.utime(project.source / "touched", ns=(0, 0))
    assert not project.snapshot().created
    assert not project.snapshot().created
    (project.source / "other").write_text("more")

    second = project.snapshot().snapshot

    assert describe(project.path / second.id) == project.now()


def test_a_source_file_that_is_a_link_into_a_snapshot_is_not_written_to_by_a_restore(project: Project) -> None:
    file = project.source / "file"
    file.write_text("content")
    file.chmod(0o600)
    first = project.snapshot().snapshot
    file.chmod(0o644)
    second = project.snapshot().snapshot
    before = describe(project.path / second.id)
    # Somebody takes a file out of a snapshot with `cp -l`.
    file.unlink()
    os.link(project.path / second.id / "file", file)

    project.restore(first)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert describe(project.path / second.id) == before


def test_a_file_with_too_many_links_is_copied(project: Project) -> None:
    (project.source / "file").write_text("content")
    (project.source / "other").write_text("1")
    first = project.snapshot().snapshot
    (project.source / "other").write_text("22")

    def act() -> str:
        link = os.link

        def refuse(source: str, target: str, **options: Any) -> None:
            if os.fsencode(target) == b"file":
                raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
            link(source, target, **options)

        setattr(os, "link", refuse)  # noqa: B010 - in this child process only
        return project.snapshot().snapshot.id

    second = value_from_child(act)

    assert _shared(project, first.id, second) == set()
    assert describe(project.path / second) == project.now()


def test_a_copy_in_place_of_a_link_is_recorded_as_it_was_read(project: Project) -> None:
    (project.source / "folder").mkdir()
    for name in ("folder/file", "folder/goes", "other"):
        (project.source / name).write_text(name)
    # Until no stamp is so new that it proves nothing.
    time.sleep(0.05)
    first = project.snapshot().snapshot
    (project.source / "other").write_text("22")
    shutil.rmtree(project.path / first.id / "folder")

    def act() -> None:
        mkdir = os.mkdir

        def change(path: bytes, *arguments: int, **options: Any) -> None:
            mkdir(path, *arguments, **options)
            if path == b"folder":
                (project.source / "folder" / "file").write_text("changed after the walk")
                (project.source / "folder" / "goes").unlink()

        setattr(os, "mkdir", change)  # noqa: B010 - in this child process only
        project.snapshot()

    value_from_child(act)

    snapshot = project.snapshots()[-1]
    assert (project.path / snapshot.id / "folder" / "file").read_text() == "changed after the walk"
    saved = project.saved(snapshot)
    assert saved.keys() == {b".", b"folder", b"folder/file", b"other"}
    assert saved[b"folder/file"] == project.now()[b"folder/file"]


def test_a_file_lost_from_the_snapshot_before_is_copied_again(project: Project) -> None:
    (project.source / "folder").mkdir()
    for name in ("lost", "folder/lost", "other"):
        (project.source / name).write_text(name)
    first = project.snapshot().snapshot
    (project.path / first.id / "lost").unlink()
    shutil.rmtree(project.path / first.id / "folder")
    (project.source / "other").write_text("changed")

    second = project.snapshot().snapshot

    assert describe(project.path / second.id) == project.now()


@pytest.mark.parametrize("damage", ["altered", "cut", "gone", "a link", "a fifo"])
def test_content_altered_in_the_store_is_reported_and_what_is_there_now_stays(project: Project, damage: str) -> None:
    file = project.source / "file"
    file.write_text("old content")
    (project.source / "other").write_text("old")
    first = project.snapshot().snapshot
    file.write_text("now")
    (project.source / "other").write_text("now")
    stored = project.path / first.id / "file"
    if damage in ("altered", "cut"):
        stored.write_text("OLD CONTENT" if damage == "altered" else "old")
    else:
        stored.unlink()
    if damage == "a link":
        stored.symlink_to("/etc/passwd")
    elif damage == "a fifo":
        os.mkfifo(stored)

    restored = project.restore(first)

    assert [(problem.path, problem.reason) for problem in restored.problems] == [(b"file", "damaged")]
    assert file.read_text() == "now"
    assert (project.source / "other").read_text() == "old"
    assert set(os.listdir(project.source)) == {"file", "other"}


def test_folders_of_another_tool_are_listed_and_never_changed(project: Project) -> None:
    (project.source / "file").write_text("content")
    for name in ("20200101-000000", "20990101-000000"):
        (project.path / name).mkdir(parents=True)
        (project.path / name / "file").write_text("content")
    (project.path / "notes.txt").write_text("somebody's")
    before = describe(project.path)

    first = project.snapshot().snapshot
    (project.source / "file").write_text("changed")
    second = project.snapshot().snapshot

    assert [(snapshot.id, snapshot.kind) for snapshot in project.snapshots()] == [
        ("20200101-000000", "foreign"),
        ("20990101-000000", "foreign"),
        (first.id, "manual"),
        (second.id, "manual"),
    ]
    after = describe(project.path)
    assert {path: after[path] for path in before if path != b"."} == {
        path: node for path, node in before.items() if path != b"."
    }
    assert describe(project.path / second.id) == project.now()


def test_a_folder_of_another_tool_with_the_name_that_comes_next_is_left_alone(project: Project) -> None:
    moment = 1_700_000_000.0
    (project.source / "file").write_text("1")
    first = project.snapshot(now=moment).snapshot
    assert first.id == "20231114-221320"
    # The other tool goes on, and writes local time.
    for name in ("20231114-221321", "20231114-221322", "20231114-221322-001"):
        (project.path / name).mkdir()
    (project.source / "file").write_text("22")

    second = project.snapshot(now=moment + 1).snapshot
    (project.source / "file").write_text("333")
    third = project.snapshot(now=moment + 2).snapshot

    assert first.id < second.id < third.id
    assert not os.listdir(project.path / "20231114-221321")
    assert [snapshot.id for snapshot in project.snapshots() if snapshot.kind == "foreign"] == [
        "20231114-221321",
        "20231114-221322",
        "20231114-221322-001",
    ]


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
@HOSTILE_STEPS
@given(seeds=st.lists(st.integers(0, 2**32), min_size=2, max_size=4))
def test_the_folders_are_what_rsync_would_make(tmp_path_factory: pytest.TempPathFactory, seeds: list[int]) -> None:
    project = Project(tmp_path_factory.mktemp("project"), "rsync")
    make_special_files(project.source)
    ours: list[Path] = []
    theirs: list[Path] = []
    for number, seed in enumerate(seeds):
        Editor(project.source, seed, sly=False).run(25 if number == 0 else 8)
        result = project.snapshot()
        if not result.created:
            continue
        ours.append(project.path / result.snapshot.id)
        theirs.append(project.home / f"rsync-{number}")
        _run_rsync(project.source, theirs[-1], theirs[-2] if len(theirs) > 1 else None)

    for our, their in zip(ours, theirs):
        assert describe(our) == describe(their)
    for number in range(1, len(ours)):
        single = _single(ours[number - 1]) & _single(ours[number])
        our_shared = _same_inodes(ours[number - 1], ours[number]) & single
        assert our_shared == _same_inodes(theirs[number - 1], theirs[number]) & single


def _run_rsync(source: Path, target: Path, base: Path | None) -> None:
    options = ["-aHAXS", "--no-D", "--numeric-ids", "--modify-window=-1"]
    options += [f"--link-dest={base}"] if base else []
    subprocess.run(["rsync", *options, f"{source}/", str(target)], check=True, capture_output=True)


def _shared(project: Project, first: str, second: str) -> set[bytes]:
    return _same_inodes(project.path / first, project.path / second)


def _same_inodes(first: Path, second: Path) -> set[bytes]:
    before = _inodes(first)
    return {path for path, inode in _inodes(second).items() if before.get(path) == inode}


def _inodes(root: Path) -> dict[bytes, int]:
    return {
        os.fsencode(path.relative_to(root)): path.lstat().st_ino
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _single(root: Path) -> set[bytes]:
    """Return the files that have one name in a snapshot."""
    inodes = _inodes(root)
    count = Counter(inodes.values())
    return {path for path, inode in inodes.items() if count[inode] == 1}
