"""Changes that move no clock are found in the end, at a bounded cost."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import pytest

from agsekit_storage import audit, journal
from agsekit_storage.snapshots import Result
from tests.support.projects import Project


class Mapped:
    """A file in the memory of a program that has written to it before: in memory file systems no clock moves then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._memory[:4] = b"once"

    def write_unseen(self, content: bytes) -> None:
        """Change the file; skips the test where that moves a clock."""
        before = self._path.stat()
        self._memory[: len(content)] = content
        after = self._path.stat()
        if (before.st_mtime_ns, before.st_ctime_ns) != (after.st_mtime_ns, after.st_ctime_ns):
            pytest.skip("this file system sees memory-mapped writes")


def _settled(project: Project) -> None:
    """Take a first snapshot, and let every stamp be old enough to be trusted."""
    time.sleep(0.03)
    project.snapshot()
    assert not project.snapshot().created


def _interval(project: Project) -> Result:
    return project.snapshot(kind="interval")


def test_a_write_through_memory_is_found_by_a_snapshot_at_an_interval_alone(volatile_project: Project) -> None:
    project = volatile_project
    file = project.source / "folder" / "file"
    file.parent.mkdir()
    file.write_bytes(b"x" * 100)
    mapped = Mapped(file)
    _settled(project)
    mapped.write_unseen(b"written unseen")
    assert not project.snapshot().created

    result = _interval(project)

    assert result.changes.modified == [b"folder/file"]
    assert project.saved(result.snapshot) == project.now()
    assert [each["paths"] for each in journal.read(project.path) if each["event"] == "silent-change"] == [
        ["folder/file"]
    ]
    assert not _interval(project).created
    assert not project.rests()


def test_the_slices_go_round_until_everything_was_read(volatile_project: Project) -> None:
    project = volatile_project
    for number in range(2 * audit.FILES + 10):
        folder = project.source / f"folder{number % 7}"
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_bytes(b"content")
    names = ("folder6/file6", "folder0/file0", "folder3/file3")
    mapped = {name: Mapped(project.source / name) for name in names}
    _settled(project)
    for name in names:
        mapped[name].write_unseen(os.urandom(4))

        found = [path for _ in range(3) for path in _interval(project).changes.modified]

        assert found == [os.fsencode(name)]


def test_a_large_file_waits_until_its_share_is_saved_up(volatile_project: Project) -> None:
    project = volatile_project
    (project.source / "large").write_bytes(os.urandom(2 * audit.BYTES + 1000))
    (project.source / "small").write_bytes(b"content")
    mapped = Mapped(project.source / "large")
    _settled(project)
    mapped.write_unseen(b"written unseen")

    found = [_interval(project).changes.modified for _ in range(3)]

    assert found == [[], [], [b"large"]]


def test_a_source_without_files_and_a_damaged_place_are_no_hindrance(project: Project) -> None:
    _settled(project)
    assert not _interval(project).created
    (project.path / ".agsekit" / "audit").write_text("[]")
    (project.source / "file").write_text("new")

    assert _interval(project).created
    assert not _interval(project).created
