"""A tree that belongs to somebody who wants to get out of it, to hide in it, or to stop the snapshots."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agsekit_storage.errors import StorageError
from agsekit_storage.model import Snapshot
from tests.support.children import at_call, run_in_child, value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import make_nasty_tree

SECRET = "of the host and nobody else's business"


@pytest.fixture
def outside(project: Project) -> Path:
    """A folder of the host that no snapshot may show and no restore may touch."""
    folder = project.home / "outside"
    (folder / "below").mkdir(parents=True)
    for name in ("file", "below/file", "zz"):
        (folder / name).write_text(SECRET)
    return folder


def _holds_secret(project: Project) -> bool:
    return any(
        SECRET.encode() in path.read_bytes()
        for place in (project.path, *project.home.glob("copy-*"))
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def _show_everything(project: Project) -> None:
    for snapshot in project.snapshots():
        project.saved_as_far_as_it_goes(snapshot.id)


def test_links_out_of_the_tree_are_kept_as_links(project: Project, outside: Path) -> None:
    (project.source / "folder").symlink_to(outside)
    (project.source / "file").symlink_to(outside / "file")
    (project.source / ".backupignore").symlink_to(outside / "file")

    snapshot = project.snapshot().snapshot

    assert {node.kind for path, node in project.saved(snapshot).items() if path != b"."} == {"link"}
    assert not _holds_secret(project)


def _swap(project: Project, outside: Path) -> Callable[[str], None]:
    """Return what puts links to the outside where a folder and a file were."""

    def swap(name: str) -> None:
        away = project.home / f"{project.source.name}-away"
        away.mkdir()
        for victim, target in (("folder", outside), ("zz", outside / "zz")):
            (project.source / victim).rename(away / victim)
            (project.source / victim).symlink_to(target)

    return swap


def _make_victims(project: Project) -> None:
    (project.source / "folder" / "below").mkdir(parents=True)
    for name in ("folder/file", "folder/below/file", "zz"):
        (project.source / name).write_text("of the project")


def test_a_folder_that_becomes_a_link_at_any_moment_of_a_snapshot_leads_nowhere(
    volatile_project: Project,
) -> None:
    project = volatile_project
    outside = project.home / "outside"
    (outside / "below").mkdir(parents=True)
    for name in ("file", "below/file", "zz"):
        (outside / name).write_text(SECRET)
    for number in itertools.count(1):
        project.source = project.home / f"source{number}"
        project.path = project.home / f"store{number}"
        project.source.mkdir()
        _make_victims(project)

        def act(number: int = number) -> int:
            count = at_call(number, _swap(project, outside))
            project.snapshot()
            return count()

        outcome = run_in_child(act)

        assert outcome.error is None or isinstance(outcome.error, StorageError)
        if project.path.exists():
            assert not _holds_secret(project)
        if outcome.error is None and outcome.value < number:
            break
    assert number > 20


def test_a_folder_that_becomes_a_link_at_any_moment_of_a_restore_leads_nowhere(
    volatile_project: Project,
) -> None:
    project = volatile_project
    outside = project.home / "outside"
    (outside / "below").mkdir(parents=True)
    for name in ("file", "below/file", "zz"):
        (outside / name).write_text(SECRET)
    before = {path: path.lstat() for path in outside.rglob("*")}
    for number in itertools.count(1):
        project.source = project.home / f"source{number}"
        project.path = project.home / f"store{number}"
        project.source.mkdir()
        _make_victims(project)
        (project.source / "folder").chmod(0o750)
        first = project.snapshot().snapshot
        for name in ("folder/file", "folder/below/file", "zz"):
            (project.source / name).write_text("edited, so that there is something to do")
        (project.source / "folder" / "new").write_text("goes")
        (project.source / "folder").chmod(0o755)

        def act(number: int = number, first: Snapshot = first) -> int:
            count = at_call(number, _swap(project, outside))
            project.restore(first)
            return count()

        outcome = run_in_child(act)

        assert outcome.error is None or isinstance(outcome.error, StorageError)
        after = {path: path.lstat() for path in outside.rglob("*")}
        assert after.keys() == before.keys()
        for path, status in before.items():
            assert (after[path].st_mtime_ns, after[path].st_ctime_ns) == (status.st_mtime_ns, status.st_ctime_ns)
        if outcome.error is None and outcome.value < number:
            break
    assert number > 50


@contextmanager
def _meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Do something over and over in another process."""
    child = os.fork()
    if child == 0:
        while True:
            for step in steps:
                with suppress(OSError):
                    step()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_swapping_in_a_loop_never_gets_anything_out_or_stops_the_snapshots(project: Project, outside: Path) -> None:
    source = project.source
    for number in range(60):
        (source / f"folder{number}").mkdir()
        (source / f"folder{number}" / "file").write_text(f"{number}")
    turn = itertools.cycle(range(60))

    def swap() -> None:
        victim = source / f"folder{next(turn)}"
        victim.rename(source / "away")
        try:
            victim.symlink_to(outside)
            victim.unlink()
        finally:
            (source / "away").rename(victim)

    with _meanwhile(
        swap,
        lambda: (source / "link").unlink(),
        lambda: (source / "link").touch(exist_ok=False),
        lambda: (source / "link").unlink(),
        lambda: (source / "link").symlink_to(outside / "nothing"),
    ):
        for number in range(8):
            (source / "edit").write_text(f"{number}")
            project.snapshot()
            project.restore(project.snapshots()[0])

    _show_everything(project)
    assert not _holds_secret(project)
    assert {path.read_text() for path in outside.rglob("*") if path.is_file()} == {SECRET}


def test_files_that_come_and_go_all_the_time_end_in_a_snapshot(project: Project) -> None:
    source = project.source
    (source / "still").write_text("still")
    turn = itertools.count()

    with _meanwhile(
        lambda: (source / f"passing{next(turn) % 5}").write_text("1"),
        lambda: (source / f"passing{(next(turn) + 2) % 5}").unlink(),
    ):
        for number in range(5):
            (source / "still").write_text(f"{number}")
            result = project.snapshot()
            assert project.saved(result.snapshot).keys() >= {b".", b"still"}

    (source / "still").write_text("the last word")
    last = project.snapshot().snapshot
    assert project.saved(last) == project.now()


def test_a_file_that_grows_whenever_it_is_read_is_saved_as_it_was_read(project: Project) -> None:
    for name in ("log", "still"):
        (project.source / name).write_text("a beginning")

    def act() -> list[tuple[bytes, str]]:
        read = os.pread

        def grow(fd: int, length: int, offset: int) -> bytes:
            content = read(fd, length, offset)
            if os.readlink(f"/proc/self/fd/{fd}").endswith("log"):
                with (project.source / "log").open("ab") as log:
                    log.write(b"x" * 100)
            return content

        setattr(os, "pread", grow)  # noqa: B010 - in this child process only
        return [(problem.path, problem.reason) for problem in project.snapshot().problems]

    assert value_from_child(act) == [(b"log", "unstable")]

    first = project.snapshots()[-1]
    assert not first.complete
    project.saved_as_far_as_it_goes(first.id)
    saved = next(project.home.glob("copy-*")) / "log"
    assert (project.source / "log").read_text().startswith(saved.read_text())
    last = project.snapshot()
    assert last.snapshot.complete
    assert project.saved(last.snapshot) == project.now()


@pytest.mark.parametrize("victim", ["file", "folder"])
def test_what_vanishes_while_it_is_saved_is_reported_and_the_rest_is_saved(project: Project, victim: str) -> None:
    (project.source / "folder").mkdir()
    for name in ("file", "folder/inside", "zz"):
        (project.source / name).write_text(name)

    def act() -> list[tuple[bytes, str]]:
        opened = os.open

        def vanish(path: object, flags: int, *arguments: int, **options: int) -> int:
            if flags & os.O_CREAT and (project.source / victim).exists() and path == b"zz":
                (project.source / victim).rename(project.home / "gone")
            if flags & os.O_CREAT and path == (b"file" if victim == "file" else b"inside"):
                os.unlink(str(project.source / ("file" if victim == "file" else "folder/inside")))
            return opened(path, flags, *arguments, **options)  # type: ignore[arg-type]

        setattr(os, "open", vanish)  # noqa: B010 - in this child process only
        return [(problem.path, problem.reason) for problem in project.snapshot().problems]

    value_from_child(act)

    snapshot = project.snapshots()[-1]
    assert project.saved_as_far_as_it_goes(snapshot.id)[b"zz"] == project.now().get(b"zz")


def test_unreadable_files_and_folders_are_reported_and_make_no_new_snapshot_each_time(open_project: Project) -> None:
    source = open_project.source

    def act() -> None:
        without_rights()
        (source / "shut").mkdir()
        (source / "no-search").mkdir()
        for name in ("fine", "closed", "shut/inside", "no-search/inside"):
            (source / name).write_text(name)
        (source / "closed").chmod(0)
        (source / "shut").chmod(0)
        (source / "no-search").chmod(0o600)

        result = open_project.snapshot()
        assert {problem.path for problem in result.problems} == {b"closed", b"shut", b"no-search"}
        assert {problem.reason for problem in result.problems} == {"unreadable"}
        assert not result.snapshot.complete
        for _ in range(3):
            again = open_project.snapshot()
            assert not again.created
            assert {problem.path for problem in again.problems} == {b"closed", b"shut", b"no-search"}
            time.sleep(0.03)

        for name in ("closed", "shut", "no-search"):
            (source / name).chmod(0o700)
        whole = open_project.snapshot()
        assert whole.created
        assert whole.snapshot.complete
        assert open_project.saved(whole.snapshot) == open_project.now()
        assert not open_project.snapshot().created

    value_from_child(act)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_another_user_can_read_is_saved_though_nothing_about_it_changed(
    open_project: Project, what: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root is another user who can read everything")
    source = open_project.source
    if what == "folder":
        (source / "folder").mkdir(mode=0o700)
        (source / "folder" / "inside").write_text("of root")
    else:
        (source / "closed").write_text("of root")
        (source / "closed").chmod(0o600)
    time.sleep(0.05)

    def act() -> None:
        without_rights()
        assert open_project.snapshot().created
        assert not open_project.snapshot().created

    value_from_child(act)

    result = open_project.snapshot()

    assert result.created
    assert result.snapshot.complete
    assert open_project.saved(result.snapshot) == open_project.now()


def test_few_descriptors_are_enough_for_a_deep_tree(project: Project) -> None:
    here = os.open(project.source, os.O_RDONLY)
    for number in range(150):
        fd = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
        os.write(fd, b"%d" % number)
        os.close(fd)
        os.mkdir("f", dir_fd=here)
        below = os.open("f", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    before = project.now()

    def act() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        first = project.snapshot()
        assert not first.problems
        (project.source / "f" / "f" / "file").write_text("changed")
        second = project.snapshot()
        assert second.created
        assert not second.problems
        assert not project.restore(first.snapshot).problems

    value_from_child(act)

    assert project.now() == before


def test_running_out_of_descriptors_is_an_error_and_not_an_incomplete_snapshot(project: Project) -> None:
    make_nasty_tree(project.source)

    def act() -> int:
        used = len(os.listdir("/proc/self/fd"))
        failures, hard = 0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for limit in range(used, used + 12):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            try:
                result = project.snapshot()
            except StorageError:
                failures += 1
            else:
                assert result.snapshot.complete
        return failures

    if sys.platform != "linux":
        pytest.skip("open files are counted in /proc")
    assert value_from_child(act) > 0


def test_nothing_in_the_source_is_imported_or_run(project: Project) -> None:
    for name in ("yaml", "json", "zlib", "sitecustomize", "agsekit_storage", "ctypes"):
        (project.source / f"{name}.py").write_text("import os; os.abort()")
    (project.source / ".git" / "hooks").mkdir(parents=True)
    hook = project.source / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\nkill -9 $PPID")
    hook.chmod(0o755)
    (project.source / ".git" / "config").write_text("[core]\n\tfsmonitor = kill -9 $PPID\n")
    (project.source / ".gitattributes").write_text("* text=auto eol=crlf filter=evil\n")

    def act() -> None:
        os.chdir(project.source)
        first, before = project.snapshot().snapshot, project.now()
        (project.source / "yaml.py").write_text("changed")
        project.snapshot()
        project.restore(first)
        assert project.now() == before

    value_from_child(act)


def test_two_writers_and_a_restore_at_once_leave_whole_snapshots(project: Project) -> None:
    for number in range(20):
        (project.source / f"file{number}").write_text("0")
    first, before = project.snapshot().snapshot, project.now()
    children = []
    for role in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in range(6):
                    if role == 3:
                        project.restore(first)
                    else:
                        (project.source / f"file{role}").write_text(f"{role} {number}")
                        project.snapshot()
                code = 0
            finally:
                os._exit(code)
        children.append(child)

    for child in children:
        assert os.waitpid(child, 0)[1] == 0

    snapshots = project.snapshots()
    ids = [snapshot.id for snapshot in snapshots]
    assert ids == sorted(set(ids))
    assert [snapshot.sequence for snapshot in snapshots] == list(range(1, len(snapshots) + 1))
    for snapshot in snapshots:
        saved = project.saved(snapshot)
        assert saved.keys() == before.keys()
    assert project.rests() == []
    project.restore(first)
    assert project.now() == before


def test_a_writer_that_is_killed_while_others_wait_does_not_hold_them_up(project: Project) -> None:
    (project.source / "file").write_text("0")
    project.snapshot()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with project.store.locked(wait=0):
            os.write(writing, b"locked")
            signal.pause()
        os._exit(1)
    assert os.read(reading, 10) == b"locked"
    (project.source / "file").write_text("1")
    killer = threading.Timer(0.1, os.kill, (child, signal.SIGKILL))
    killer.start()

    result = project.snapshot(wait=60)

    killer.join()
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    assert result.created


@pytest.mark.parametrize("name", [b"thing", b"folder/thing"])
def test_an_attribute_that_cannot_be_kept_does_not_stop_a_snapshot(project: Project, name: bytes) -> None:
    (project.source / "folder").mkdir()
    path = os.path.join(os.fsencode(project.source), name)
    with open(path, "wb"):
        pass
    for number in range(40):
        os.setxattr(path, f"user.{number}", os.urandom(40))

    assert project.saved(project.snapshot().snapshot) == project.now()
