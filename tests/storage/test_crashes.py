"""A kill, a failing disk or a full one at any moment: what is listed is whole, and the next run needs no help."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agsekit_storage.errors import StorageError
from agsekit_storage.model import Snapshot
from tests.support.children import fail_at_call, kill_at_call, run_in_child
from tests.support.projects import Project
from tests.support.trees import Description, copy_tree, describe, saved_part, without_folder_times

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)


def _fill(project: Project) -> None:
    source = project.source
    (source / "folder" / "deeper").mkdir(parents=True)
    for name in ("changes", "stays", "folder/goes", "folder/deeper/stays"):
        (source / name).write_text(name)
    os.link(source / "stays", source / "folder" / "linked")
    (source / "link").symlink_to("/etc/passwd")


def _edit(project: Project, number: int) -> None:
    """Change, add, remove and shut something, different each time."""
    source = project.source
    (source / "changes").write_text(f"change {number}")
    (source / f"new{number % 3}").write_text(f"new {number}")
    (source / "folder" / f"gone{number - 1}").unlink(missing_ok=True)
    (source / "folder" / f"gone{number}").write_text("1")
    (source / "link").unlink()
    (source / "link").symlink_to(f"target{number}")
    (source / "folder" / "deeper").chmod(0o700 + number % 8)


class History:
    """What every listed snapshot must hold."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.states: dict[str, Description] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Remember that a snapshot that was just taken holds the source as it is."""
        self.states.setdefault(snapshot.id, self.project.now())

    def check(self, *, last: int = 3) -> None:
        """Compare the newest snapshots; the source may have been saved by a child meanwhile."""
        snapshots = self.project.snapshots()
        if len(snapshots) > 30:
            # Reading hundreds of records each time would be most of the test.
            with self.project.store.locked(wait=0):
                self.project.store.delete([snapshot.id for snapshot in snapshots[1:-10]])
        for snapshot in snapshots[len(snapshots) - last :]:
            self.note(snapshot)
            if snapshot.complete:
                assert self.project.saved(snapshot) == self.states[snapshot.id]
            else:
                assert snapshot.problems
                saved = _alone(self.project.saved_as_far_as_it_goes(snapshot.id))
                assert saved.items() <= _alone(self.states[snapshot.id]).items()


def _alone(tree: Description) -> Description:
    """Leave out of a description what depends on other paths being there."""
    return {path: node._replace(group=b"") for path, node in without_folder_times(tree).items()}


def _numbers() -> Iterator[int]:
    """Count system calls; the first few open and read the store and do not differ from one another."""
    return itertools.count(1)


def test_a_kill_at_any_moment_of_a_snapshot_leaves_only_whole_ones(volatile_project: Project) -> None:
    project = volatile_project
    _fill(project)
    history = History(project)
    history.note(project.snapshot().snapshot)
    for number in _numbers():
        _edit(project, number)

        def act(number: int = number) -> None:
            kill_at_call(number)
            project.snapshot()

        outcome = run_in_child(act)

        assert outcome.error is None
        history.check(last=2)
        history.note(project.snapshot(wait=0).snapshot)
        history.check(last=1)
        assert project.rests() == []
        if not outcome.signal:
            break
    assert number > 50
    history.check(last=10)


def test_a_kill_at_any_moment_of_making_a_store_does_not_stop_the_next_run(volatile_project: Project) -> None:
    project = volatile_project
    _fill(project)
    for number in _numbers():

        def act(number: int = number) -> None:
            kill_at_call(number)
            project.snapshot()

        outcome = run_in_child(act)

        assert outcome.error is None
        assert project.saved(project.snapshot(wait=0).snapshot) == project.now()
        assert project.rests() == []
        if not outcome.signal:
            break
        project.path.rename(project.home / f"store{number}")
    assert number > 20


def test_a_kill_at_any_moment_of_a_restore_loses_nothing(volatile_project: Project) -> None:
    project = volatile_project
    _fill(project)
    wanted = project.snapshot().snapshot
    history = History(project)
    history.note(wanted)
    target = project.now()
    for number in _numbers():
        _edit(project, number)
        before = project.now()

        def act(number: int = number) -> None:
            kill_at_call(number)
            project.restore(wanted)

        outcome = run_in_child(act)

        assert outcome.error is None
        half = project.now()
        assert not _lost(project, before, half)
        project.restore(wanted)
        assert project.now() == target
        assert project.rests() == []
        if not outcome.signal:
            break
        history.check(last=0)
    assert number > 50
    assert project.saved(wanted) == target


def test_an_error_at_any_moment_of_a_snapshot_is_reported_and_never_makes_a_wrong_one(
    volatile_project: Project,
) -> None:
    project = volatile_project
    _fill(project)
    history = History(project)
    history.note(project.snapshot().snapshot)
    for number in _numbers():
        _edit(project, number)

        def act(number: int = number) -> tuple[int, bool, bool]:
            count = fail_at_call(number, ERRORS[number % len(ERRORS)])
            result = project.snapshot()
            return count(), result.created, bool(result.problems)

        outcome = run_in_child(act)

        _one_clear_error(outcome.error)
        if outcome.error is None:
            count, created, problems = outcome.value
            assert created or problems
        history.check(last=2)
        history.note(project.snapshot(wait=0).snapshot)
        history.check(last=1)
        assert project.rests() == []
        if outcome.error is None and count < number:
            break
    assert number > 50


def test_an_error_at_any_moment_of_a_restore_loses_nothing(volatile_project: Project) -> None:
    project = volatile_project
    _fill(project)
    wanted, target = project.snapshot().snapshot, project.now()
    history = History(project)
    for number in _numbers():
        _edit(project, number)
        before = project.now()

        def act(number: int = number) -> tuple[int, bool]:
            count = fail_at_call(number, ERRORS[number % len(ERRORS)])
            restored = project.restore(wanted)
            return count(), bool(restored.problems)

        outcome = run_in_child(act)

        _one_clear_error(outcome.error)
        half = project.now()
        assert not _lost(project, before, half)
        if outcome.error is None:
            count, problems = outcome.value
            assert problems or half == target
        project.restore(wanted)
        assert project.now() == target
        assert project.rests() == []
        if outcome.error is None and count < number:
            break
        history.check(last=0)
    assert number > 50
    assert project.saved(wanted) == target


def _lost(project: Project, before: Description, after: Description) -> set[bytes]:
    """Return the paths that have changed and whose state before is in no snapshot."""
    before, after = _alone(before), _alone(after)
    if before == after:
        return set()
    held = [_alone(project.saved_as_far_as_it_goes(snapshot.id)) for snapshot in project.snapshots()[-3:]]
    return {
        path
        for path, node in before.items()
        if after.get(path) != node and not any(each.get(path) == node for each in held)
    }


def _one_clear_error(error: BaseException | None) -> None:
    assert error is None or isinstance(error, StorageError), error
    if error is not None:
        assert "\n" not in str(error)
        assert error.hint


@contextmanager
def _small_file_system(path: Path, options: str) -> Iterator[None]:
    path.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def _leave_few_inodes(disk: Path) -> list[Path]:
    """Use up the inodes of a file system but two."""
    left = os.statvfs(disk).f_ffree
    fillers = [disk / f"filler{number}" for number in range(left - 2)]
    for path in fillers:
        path.touch()
    return fillers


@pytest.mark.parametrize("options", ["size=2m", "size=64m,nr_inodes=120"], ids=["bytes", "inodes"])
def test_a_full_disk_costs_no_snapshot_and_is_no_hindrance_once_there_is_room(project: Project, options: str) -> None:
    disk = project.home / "disk"
    with _small_file_system(disk, options):
        project.path = disk / "store"
        _fill(project)
        history = History(project)
        history.note(project.snapshot().snapshot)
        big = project.source / "big"
        big.mkdir()
        for number in range(200):
            (big / str(number)).write_bytes(os.urandom(20_000))
        fillers = _leave_few_inodes(disk) if "inodes" in options else []

        for _ in range(2):
            with pytest.raises(StorageError, match="full"):
                project.snapshot()
            assert len(project.snapshots()) == 1
            assert project.rests() == []

        for path in (*fillers, *big.iterdir()):
            path.unlink()
        big.rmdir()
        (project.source / "changes").write_text("changed again")
        history.note(project.snapshot().snapshot)
        history.check()


def test_a_disk_that_is_full_to_the_last_byte_still_tells_that_nothing_changed(project: Project) -> None:
    disk = project.home / "disk"
    with _small_file_system(disk, "size=2m"):
        project.path = disk / "store"
        _fill(project)
        first = project.snapshot().snapshot
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        assert not os.statvfs(disk).f_bavail
        os.utime(project.source / "changes", ns=(0, 0))

        result = project.snapshot()

        assert not result.created
        assert result.snapshot == first


def test_a_full_disk_under_the_source_stops_a_restore_that_can_be_repeated(project: Project) -> None:
    disk = project.home / "disk"
    with _small_file_system(disk, "size=4m"):
        project.source = disk / "source"
        project.source.mkdir()
        (project.source / "file").write_text("1")
        (project.source / "big").write_bytes(os.urandom(3_000_000))
        first, before = project.snapshot().snapshot, project.now()
        (project.source / "big").unlink()
        (project.source / "file").write_text("22")
        (disk / "filler").write_bytes(bytes(2_000_000))

        with pytest.raises(StorageError, match="half-way"):
            project.restore(first)

        assert [name for name in os.listdir(project.source) if name.startswith(".")] == []
        (disk / "filler").unlink()
        project.restore(first)
        assert project.now() == before


def test_a_read_only_store_is_one_clear_error(project: Project) -> None:
    disk = project.home / "disk"
    with _small_file_system(disk, "size=4m"):
        project.path = disk / "store"
        _fill(project)
        first = project.snapshot().snapshot
        (project.source / "changes").write_text("changed")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        with pytest.raises(StorageError, match="Read-only file system"):
            project.snapshot()
        assert project.snapshots() == [first]


def test_what_a_killed_restore_left_in_the_folder_is_removed_by_the_next_one(project: Project) -> None:
    (project.source / "file").write_text("old")
    first = project.snapshot().snapshot
    (project.source / "file").write_text("newer")
    (project.source / "new").write_text("kept")

    def act() -> None:
        rename = os.rename

        def die(source: bytes, target: bytes, **options: int) -> None:
            if target == b"file":
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **options)

        setattr(os, "rename", die)  # noqa: B010 - in this child process only
        project.restore(first)

    assert run_in_child(act).signal == signal.SIGKILL
    assert len(os.listdir(project.source)) == 3

    project.restore(first, keep_new=True)

    assert set(os.listdir(project.source)) == {"file", "new"}
    assert (project.source / "file").read_text() == "old"


def test_a_copy_of_the_whole_store_is_as_good_as_the_store(project: Project) -> None:
    _fill(project)
    first, before = project.snapshot().snapshot, project.now()
    moved = project.home / "moved"
    copy_tree(project.path, moved)
    project.path.rename(project.home / "away")
    project.path = moved

    assert project.saved(first) == before
    assert not project.snapshot().created
    assert saved_part(describe(project.source)) == before
