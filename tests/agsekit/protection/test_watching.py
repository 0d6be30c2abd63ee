"""Snapshots of what real programs do, as it happens, held against the folder when it has come to rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from agsekit.protection.assignment import Assignment, Report
from agsekit.protection.protector import Protector, start_protector
from agsekit.protection.target import Target
from agsekit_storage.model import Snapshot
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from agsekit_storage.verification import verify
from tests.support.git import git
from tests.support.projects import Project
from tests.support.trees import Description, without_times
from tests.support.world import wait_until

NEVER = 60.0


class Watch(Project):
    """A project that a protector watches."""

    def __init__(self, home: Path, backend: str) -> None:
        super().__init__(home, backend)
        self.protector: Optional[Protector] = None

    def begin(self, *, interval: float = NEVER, watch: bool = True, exclude: tuple[str, ...] = ()) -> None:
        target = Target(self.source, self.path, exclude, interval=interval, watch=watch)
        self.protector = start_protector(Assignment(self.store, target, {}, {"id": "run-1"}, lambda: None))

    @property
    def pid(self) -> int:
        assert self.protector is not None
        return self.protector.pid

    def end(self) -> Report:
        assert self.protector is not None
        protector, self.protector = self.protector, None
        return protector.stop()

    def run(self, script: str) -> None:
        """Run a Python script in the source."""
        subprocess.run([sys.executable, "-c", script], cwd=self.source, check=True)

    def expect_saved(self) -> Snapshot:
        """Wait until the newest snapshot holds the folder as it is, to the byte."""
        checked: dict[str, Description] = {}

        def is_saved() -> bool:
            snapshots = self.snapshots()
            if not snapshots:
                return False
            newest = snapshots[-1].id
            if newest not in checked:
                checked.clear()
                checked[newest] = without_times(self.saved(snapshots[-1]))
            return checked[newest] == without_times(self.now())

        wait_until(is_saved)
        return self.snapshots()[-1]


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Watch]:
    # The protector is forked and takes this along; the pauses themselves are tested without any waiting.
    monkeypatch.setattr("agsekit.watching.quiet.QUIET_SECONDS", 0.1)
    monkeypatch.setattr("agsekit.watching.quiet.LONGEST_SECONDS", 0.5)
    made = Watch(tmp_path, getattr(request, "param", "git"))
    yield made
    if made.protector is not None:
        os.kill(made.pid, signal.SIGCONT)
        os.kill(made.pid, signal.SIGKILL)
        made.end()


both = pytest.mark.parametrize("watch", ["rsync", "git"], indirect=True)


def _fill(source: Path) -> None:
    for number in range(60):
        path = source / f"src{number % 3}/part{number % 10}/file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 20)


def _in_project(source: Path, *arguments: str) -> None:
    git(*arguments, repository=source, work_tree=True)


def _make_branches(source: Path) -> None:
    _fill(source)
    _in_project(source, "init", "-q", "-b", "one")
    _in_project(source, "add", "-A")
    _in_project(source, "commit", "-qm", "one")
    _in_project(source, "checkout", "-qb", "two")
    shutil.rmtree(source / "src0")
    (source / "src1/part1/file1").write_text("two")
    (source / "other/new").mkdir(parents=True)
    (source / "other/new/file").write_text("two")
    _in_project(source, "add", "-A")
    _in_project(source, "commit", "-qm", "two")


STORM = """
import random
for turn in range(1500):
    with open(f"src{turn % 3}/storm{turn % 50}", "a") as file: file.write(str(turn))
"""
BUILD = """
import os, shutil
for turn in range(3):
    for number in range(60):
        os.makedirs(f"build.tmp/{number % 7}", exist_ok=True)
        with open(f"build.tmp/{number % 7}/{number}.o~", "wb") as file: file.write(os.urandom(100))
        os.rename(f"build.tmp/{number % 7}/{number}.o~", f"build.tmp/{number % 7}/{number}.o")
    shutil.rmtree("build", ignore_errors=True)
    os.rename("build.tmp", "build")
"""
EDITORS = """
import os
os.rename("src0/part0/file0", "src0/part0/file0~")
with open("src0/part0/file0", "w") as file: file.write("as vim does")
os.unlink("src0/part0/file0~")
with open("src1/part1/.file1.new", "w") as file: file.write("as most do")
os.replace("src1/part1/.file1.new", "src1/part1/file1")
with open("src2/part2/file2", "r+") as file: file.truncate(); file.write("as nano does")
os.chmod("src0/part3/file3", 0o755)
os.unlink("src1/part4/file4"); os.symlink("../part7", "src1/part4/file4")
"""
MANY = """
import os
for number in range(1500):
    folder = f"many/{number % 40}/{number % 3}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number}", "w") as file: file.write(str(number))
"""
MOVES = """
import os
os.rename("src0", "src1/moved"); os.makedirs("src0/fresh"); open("src0/fresh/file", "w").close()
os.rename("src1/moved/part0", "src2/part0.new"); os.rename("src2/part2", "src1/moved/part0")
open("src1/moved/part0/late", "w").close()
"""
DELETION = """
import shutil
shutil.rmtree("src0"); shutil.rmtree("src1"); shutil.rmtree("src2/part2")
"""
ODD = r"""
import os
os.makedirs(b"\xff\n/ deep"); open(b"\xff\n/ deep/-rf", "w").close(); os.mkfifo("fifo")
os.link("src0/part0/file0", "src1/twin"); os.setxattr("src2/part2/file2", "user.note", b"1")
"""

SCRIPTS = {
    "a storm of small writes": STORM,
    "a build": BUILD,
    "editors": EDITORS,
    "very many new files": MANY,
    "trees that move": MOVES,
    "rm -rf": DELETION,
    "odd things": ODD,
}


@pytest.mark.parametrize(
    ("watch", "script"),
    [
        pytest.param(backend, script, id=f"{name}, {backend}")
        for name, script in SCRIPTS.items()
        for backend in ("git", "rsync")
        if backend == "git" or script in (EDITORS, MOVES)
    ],
    indirect=["watch"],
)
def test_what_a_program_leaves_behind_is_saved_when_it_is_quiet(watch: Watch, script: str) -> None:
    _fill(watch.source)
    watch.begin()
    watch.expect_saved()

    watch.run(script)
    saved = watch.expect_saved()
    (watch.source / "src2/afterwards").write_text("seen as well")
    watch.expect_saved()

    assert saved.kind == "watch"
    assert saved.run == {"id": "run-1"}
    assert watch.end().failures == ()


def test_another_branch_is_saved_when_it_was_checked_out(watch: Watch) -> None:
    _make_branches(watch.source)
    watch.begin()
    watch.expect_saved()

    for branch in ("one", "two", "one"):
        _in_project(watch.source, "checkout", "-q", branch)
        watch.expect_saved()


def test_everything_gone_at_once_is_a_loss_that_keeps_the_state_before(watch: Watch) -> None:
    _fill(watch.source / "all")
    watch.begin()
    before = watch.expect_saved()

    (watch.source / "all").rename(watch.home / "gone")
    after = watch.expect_saved()

    assert after.mass_loss
    wait_until(lambda: next(each for each in watch.snapshots() if each.id == before.id).pinned)


def test_a_writer_that_never_stops_is_saved_all_the_same(watch: Watch) -> None:
    watch.begin()
    script = "import itertools\nfor turn in itertools.count():\n  with open('file', 'a') as file: file.write('x')\n"
    with subprocess.Popen([sys.executable, "-c", script], cwd=watch.source) as writer:
        wait_until(lambda: sum(each.kind == "watch" for each in watch.snapshots()) > 2)
        writer.kill()

    watch.expect_saved()


def test_edits_that_nobody_could_keep_count_of_are_found_by_a_look_at_everything(watch: Watch) -> None:
    _fill(watch.source)
    watch.begin()
    watch.expect_saved()
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    os.kill(watch.pid, signal.SIGSTOP)
    for _ in range(limit // 2 + 2):
        os.utime(watch.source / "src0/part0/file0")
        os.utime(watch.source / "src1/part1/file1")
    (watch.source / "unheard/of").mkdir(parents=True)
    os.kill(watch.pid, signal.SIGCONT)
    watch.expect_saved()
    (watch.source / "unheard/of/file").write_text("watched again")

    watch.expect_saved()


def test_a_source_that_went_away_and_came_back_is_watched_again(watch: Watch) -> None:
    _fill(watch.source)
    watch.begin()
    watch.expect_saved()

    shutil.rmtree(watch.source)
    watch.source.mkdir()
    (watch.source / "fresh").write_text("a new beginning")
    watch.expect_saved()
    (watch.source / "later").write_text("seen as it happens")
    watch.expect_saved()


def test_a_twin_of_a_file_that_is_written_to_is_saved_as_well(watch: Watch) -> None:
    (watch.source / "folder").mkdir()
    (watch.source / "file").write_text("one")
    os.link(watch.source / "file", watch.source / "folder/twin")
    watch.begin()
    watch.expect_saved()

    with (watch.source / "file").open("a") as file:
        file.write(" and more")

    watch.expect_saved()


def test_edits_that_are_ignored_make_no_snapshot(watch: Watch) -> None:
    watch.begin(exclude=("*.log", "scratch/"))
    (watch.source / "file").touch()
    wait_until(lambda: len(watch.snapshots()) == 1)

    (watch.source / "noise.log").touch()
    (watch.source / "scratch").mkdir()
    (watch.source / "scratch/file").touch()
    time.sleep(0.3)
    (watch.source / "another").touch()
    wait_until(lambda: len(watch.snapshots()) == 2)

    assert set(watch.saved(watch.snapshots()[-1])) == {b".", b"file", b"another"}


def test_what_it_does_is_left_to_the_agent_first(watch: Watch) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    watch.begin()

    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, watch.pid) == min(19, ours + 10))
    group = Path(f"/proc/{watch.pid}/autogroup")
    if group.exists():
        wait_until(lambda: group.read_text().endswith("nice 10\n"))


def test_without_watching_only_the_interval_counts(watch: Watch) -> None:
    watch.begin(watch=False)
    (watch.source / "file").touch()
    time.sleep(0.5)

    assert watch.end() == Report(0, ())
    assert watch.snapshots() == []


def test_a_source_that_cannot_be_watched_is_said_and_saved_at_the_interval(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agsekit.watching.inotify.Inotify.add", _refuse)
    watch.begin(interval=0.1 / 60)
    (watch.source / "file").touch()

    saved = watch.expect_saved()
    report = watch.end()

    assert saved.kind == "interval"
    assert len(report.unwatched) == 1
    assert "sysctl fs.inotify.max_user_watches" in report.unwatched[0]


def _refuse(self: object, folder: int, mask: int = 0) -> int:
    raise OSError(28, "No space left on device")


def test_a_mistake_of_ours_in_watching_leaves_the_interval(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("agsekit.watching.watcher.Watcher.collect", fail)
    watch.begin(interval=0.1 / 60)
    (watch.source / "file").touch()

    watch.expect_saved()
    assert watch.end().failures == ("RuntimeError: a mistake",)


@both
def test_a_protector_killed_at_any_moment_leaves_nothing_wrong_to_the_next(watch: Watch) -> None:
    chance = random.Random(7)
    _fill(watch.source)
    script = STORM + BUILD + "import time\n"
    with subprocess.Popen([sys.executable, "-c", f"while True:\n exec({script!r})"], cwd=watch.source) as writer:
        for _ in range(8):
            watch.begin()
            time.sleep(chance.uniform(0.05, 0.7))
            os.kill(watch.pid, signal.SIGKILL)
            watch.end()
        writer.kill()
    watch.begin()

    watch.expect_saved()

    watch.end()
    store = Store.existing(watch.path)
    assert list(verify(store, store.snapshots(), data=True)) == []
    assert watch.rests() == []


def test_the_snapshot_after_a_run_finds_what_was_not_yet_saved(watch: Watch) -> None:
    watch.begin()
    (watch.source / "file").write_text("one")
    watch.expect_saved()
    (watch.source / "file").write_text("two")

    take_snapshot(watch.store, Request("post-run"), now=time.time())
    watch.end()

    assert watch.saved(watch.snapshots()[-1]) == watch.now()
