"""Snapshots that are told which paths may have changed: they must be those that a look at everything gives."""

from __future__ import annotations

import errno
import mmap
import os
import random
import stat
import time
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Optional

import pytest

from agsekit_storage.errors import StorageError
from agsekit_storage.memory import Memory
from agsekit_storage.overview import totals_of, uncertain_of
from agsekit_storage.snapshots import Request, Result, take_snapshot
from agsekit_storage.tree import CTIME, WIDTH, Tree
from tests.support.children import fail_at_call, value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import Editor, make_nasty_tree, without_times, write


class State(NamedTuple):
    """What lstat says of a path."""

    ino: int
    mode: int
    nlink: int
    uid: int
    size: int
    mtime_ns: int
    ctime_ns: int


States = dict[bytes, State]


class Watched:
    """A project of which one store is told the changed paths, while a twin is left to find them."""

    def __init__(self, project: Project, seed: int = 0) -> None:
        self.project = project
        self.twin = Project.__new__(Project)
        self.twin.__dict__.update(project.__dict__, home=project.home / "of-twin", path=project.home / "twin")
        self.twin.home.mkdir()
        self._memory = Memory()
        self._random = random.Random(seed)
        self._before: States = {}

    def begin(self) -> None:
        """Take the first snapshots."""
        self._before = states(self.project.source)
        self.take(self.project, None)
        self.take(self.twin, None)

    def take(
        self, project: Project, dirty: Optional[Iterable[bytes]], *, memory: Optional[Memory] = None, **more: object
    ) -> Result:
        """Take a snapshot of one of the stores."""
        request = Request("watch", dirty=None if dirty is None else frozenset(dirty))
        request = replace(request, **more)  # type: ignore[arg-type]
        return take_snapshot(project.store, request, now=time.time(), memory=memory)

    def tell(self, *dirty: bytes, **more: object) -> Result:
        """Take a snapshot of the store that is told what changed."""
        return self.take(self.project, dirty, memory=self._memory, **more)

    def compare(self) -> None:
        """Take a snapshot in both stores after some edits, and compare all that they say."""
        now = states(self.project.source)
        dirty = self._as_a_watcher_says(self._before, now)
        told = self.tell(*dirty)
        found = self.take(self.twin, None)
        assert told.partial or not dirty or any(b".backupignore" in path for path in dirty)
        assert_alike(told, found)
        self._before = now

    def _as_a_watcher_says(self, before: States, now: States) -> set[bytes]:
        """Return the paths of which something differs, as scarcely as a watcher may name them, and some noise."""
        changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
        dirty = set(changed)
        for path in changed:
            old, new = before.get(path), now.get(path)
            if old is None or new is None or old.ino != new.ino:
                if self._random.random() < 0.5:
                    # The folder that was moved, made or deleted is named, and nothing of what was in it.
                    dirty -= {each for each in changed if each.startswith(path + b"/")}
            elif stat.S_ISDIR(new.mode):
                # A folder that changed for what happened in it may not be named.
                if self._random.random() < 0.5 and any(os.path.dirname(each) == path for each in dirty):
                    dirty.discard(path)
            elif new.nlink > 1:
                # Of several names of a file only that may be named by which it was reached.
                others = (other for other in dirty if other != path and self._random.random() < 0.5)
                if any(other in now and now[other].ino == new.ino for other in others):
                    dirty.discard(path)
        known = sorted(before.keys() | now.keys())
        noise = self._random.sample(known, min(3, len(known))) if known else []
        return dirty | set(noise) | {b"not/there/at all", b"\xff"}


def states(root: Path) -> States:
    """Return what lstat says of every path below a folder, leaving out what reading changes."""
    found = {}
    top = os.fsencode(root)
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            found[path[len(top) + 1 :]] = State(*(getattr(os.lstat(path), f"st_{each}") for each in State._fields))
    return found


def assert_alike(told: Result, found: Result) -> None:
    """Compare all that two snapshots of one state say, but for stamps that only mean `may have changed unseen`."""
    assert list(told.tree.folders) == list(found.tree.folders)
    for path in found.tree.folders:
        assert _contents(told.tree, path) == _contents(found.tree, path), path
    assert _frame(told.tree) == _frame(found.tree)
    for kind in ("added", "modified", "metadata", "touched", "removed"):
        assert sorted(getattr(told.changes, kind)) == sorted(getattr(found.changes, kind)), kind
    assert {(each.path, each.reason) for each in told.problems} == {
        (each.path, each.reason) for each in found.problems
    }
    assert told.created == found.created
    ours, theirs = told.snapshot, found.snapshot
    assert (ours.files, ours.folders, ours.bytes) == (theirs.files, theirs.folders, theirs.bytes)
    assert (ours.complete, ours.mass_loss) == (theirs.complete, theirs.mass_loss)
    known = totals_of(told.tree), uncertain_of(told.tree)
    told.tree.totals = told.tree.uncertain = None
    assert (totals_of(told.tree), uncertain_of(told.tree)) == known


def _contents(tree: Tree, path: bytes) -> list[object]:
    folder = tree.folders[path]
    stats = folder.stats[:]
    stats[CTIME::WIDTH] = array("q", bytes(8 * len(folder.names)))
    rows = [stats[start : start + WIDTH].tolist() for start in range(0, len(stats), WIDTH)]
    digests = [folder.digest(position).hex() for position in range(len(rows))]
    named = list(zip(folder.names, rows, digests))
    return [named, folder.links, folder.xattrs, folder.missing, sorted(folder.ignored)]


def _frame(tree: Tree) -> list[object]:
    root = [column for number, column in enumerate(tree.root) if number != CTIME]
    return [root, tree.device, tree.rules, dict(tree.rule_files), tree.root_xattrs]


@pytest.fixture
def watched(project: Project) -> Watched:
    return Watched(project)


def _fill(source: Path, files: Sequence[str]) -> None:
    for name in files:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_and_what_is_found_make_the_same_snapshots(volatile_project: Project, seed: int) -> None:
    watched = Watched(volatile_project, seed)
    make_nasty_tree(watched.project.source)
    watched.project.source.joinpath(".backupignore").write_text("n1*\nn2*/\n!n2*/n[0-9]*\n" if seed % 2 else "")
    editor = Editor(watched.project.source, seed)
    editor.run(20)
    watched.begin()

    for _ in range(5):
        editor.run(5)
        watched.compare()

    newest = watched.project.snapshots()[-1]
    assert watched.project.saved_as_far_as_it_goes(newest.id) == watched.twin.saved_as_far_as_it_goes(
        watched.twin.snapshots()[-1].id
    )
    if seed % 2 == 0:
        assert without_times(watched.project.saved(newest)) == without_times(watched.project.now())
    everything = watched.take(watched.project, None)
    assert not everything.created
    assert everything.changes.touched == []


def test_a_known_folder_that_became_a_link_is_not_followed(watched: Watched) -> None:
    source, outside = watched.project.source, watched.project.home / "outside"
    _fill(source, ["folder/file", "folder/below/file", "other"])
    watched.begin()
    (source / "folder").rename(watched.project.home / "away")
    _fill(outside, ["file", "below/file", "secret"])
    (source / "folder").symlink_to(outside)

    result = watched.tell(b"folder/file", b"folder/below")

    assert result.partial
    assert watched.project.saved(result.snapshot) == watched.project.now()
    assert watched.project.saved(result.snapshot)[b"folder"].kind == "link"


def test_a_known_folder_that_became_a_file_goes_with_all_below_it(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["folder/file", "folder/below/file", "other"])
    watched.begin()
    (source / "folder").rename(watched.project.home / "away")
    (source / "folder").write_text("a file")

    result = watched.tell(b"folder/below/file")

    assert result.partial
    assert sorted(result.tree.folders) == [b""]
    assert watched.project.saved(result.snapshot) == watched.project.now()


def test_trees_that_change_places_are_walked_as_a_whole(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["one/a/file", "one/b", "two/a/other", "two/c/d/file"])
    watched.begin()
    (source / "one").rename(source / "three")
    (source / "two").rename(source / "one")
    (source / "three").rename(source / "two")

    result = watched.tell(b"one", b"two", b"three")

    assert result.partial
    assert watched.project.saved(result.snapshot) == watched.project.now()


def test_what_the_rules_leave_out_stays_out_however_often_it_is_named(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["build/kept/file", "build/out", "code", "late/log"])
    (source / ".backupignore").write_text("build/\n!build/kept/\n*.log\n")
    watched.begin()
    _fill(source, ["build/new/deep", "build/kept/more", "late/a.log", "code"])

    result = watched.tell(b"build/new/deep", b"build/kept/more", b"late/a.log", b"build", b"late")

    assert result.partial
    assert result.changes.added == [b"build/kept/more"]
    assert not watched.take(watched.project, None).created


def test_a_folder_that_was_brought_back_goes_when_nothing_in_it_is_kept(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["build/deep/kept", "build/out", "code"])
    (source / ".backupignore").write_text("build/\n!build/deep/kept*\n")
    watched.begin()
    (source / "build" / "deep" / "kept").unlink()
    gone = watched.tell(b"build/deep/kept")
    _fill(source, ["build/deep/kept-again"])

    back = watched.tell(b"build/deep/kept-again")

    assert gone.partial
    assert back.partial
    assert gone.changes.removed == [b"build", b"build/deep", b"build/deep/kept"]
    assert back.changes.added == [b"build", b"build/deep", b"build/deep/kept-again"]


@pytest.mark.parametrize(
    "dirty", [b"..", b"folder/../../outside", b"/etc/passwd", b"folder//file", b"a\0b", b"./file"]
)
def test_what_is_no_path_of_the_tree_makes_everything_be_looked_at(watched: Watched, dirty: bytes) -> None:
    _fill(watched.project.source, ["folder/file", "file"])
    watched.begin()
    _fill(watched.project.source, ["elsewhere"])

    result = watched.tell(dirty)

    assert not result.partial
    assert result.changes.added == [b"elsewhere"]


@pytest.mark.parametrize("more", [(), (b".backupignore",)], ids=["alone", "in a look at everything"])
def test_a_file_that_was_named_is_read_even_if_no_clock_tells_that_it_was_written(
    watched: Watched, more: Sequence[bytes]
) -> None:
    path = watched.project.source / "folder" / "file"
    _fill(watched.project.source, ["folder/file", "folder/other"])
    os.link(path, watched.project.source / "second name")
    watched.begin()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] = ord("1")
        time.sleep(0.05)  # until the stamp is old enough to be believed
        first = watched.tell(b"folder/file")
        memory[0] = ord("2")  # the page is not clean yet, so no file system hears of this

    second = watched.tell(b"folder/file", b"folder", *more)
    settled = [watched.tell(b"folder/file"), watched.tell()]

    assert watched.project.saved(first.snapshot) != watched.project.saved(second.snapshot)
    assert watched.project.saved(second.snapshot) == watched.project.now()
    assert [each.created for each in settled] == [False, False]


def test_other_rules_make_everything_be_looked_at(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["a.log", "folder/b.log", "folder/.backupignore"])
    watched.begin()

    excluded = watched.tell(b"a.log", exclude=("a*",))
    (source / "folder" / ".backupignore").write_text("*.log")
    unnamed = watched.tell(exclude=("a*",))
    frozen = watched.tell(exclude=("a*",), rule_files={})

    assert [each.partial for each in (excluded, unnamed, frozen)] == [False, False, False]
    assert excluded.changes.removed == [b"a.log"]
    assert unnamed.changes.removed == [b"folder/b.log"]
    assert frozen.changes.added == [b"folder/b.log"]


def test_what_nobody_named_is_found_by_the_next_look_at_everything(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["named", "folder/unnamed", "folder/gone", "folder/named"])
    watched.begin()
    time.sleep(0.05)
    watched.tell()
    _fill(source, ["named", "folder/new", "folder/unnamed", "folder/named-too"])
    (source / "folder" / "unnamed").write_text("changed")
    (source / "folder" / "gone").unlink()

    partial = watched.tell(b"named", b"folder/named-too")
    whole = watched.tell(b"named")
    everything = watched.take(watched.project, None)

    assert partial.partial
    assert partial.snapshot.partial
    assert partial.changes.added == [b"folder/named-too"]
    assert not whole.created
    assert (everything.changes.added, everything.changes.modified) == ([b"folder/new"], [b"folder/unnamed"])
    assert everything.changes.removed == [b"folder/gone"]
    assert not everything.snapshot.partial


def test_a_process_that_remembers_notices_what_another_one_saved(watched: Watched) -> None:
    source = watched.project.source
    _fill(source, ["one", "folder/two"])
    watched.begin()
    _fill(source, ["three"])
    mine = watched.tell(b"three")
    _fill(source, ["folder/four"])
    theirs = watched.take(watched.project, None)
    _fill(source, ["five"])

    result = watched.tell(b"five")

    assert mine.created
    assert theirs.created
    assert result.changes.added == [b"five"]
    assert watched.project.saved(result.snapshot) == watched.project.now()


def test_names_that_are_no_text_can_be_named(watched: Watched) -> None:
    source = os.fsencode(watched.project.source)
    os.makedirs(source + b"/\xff\xfe/new\nline")
    watched.begin()
    write(source + b"/\xff\xfe/new\nline/\x80", b"content")

    result = watched.tell(b"\xff\xfe/new\nline/\x80")

    assert result.partial
    assert watched.project.saved(result.snapshot) == watched.project.now()


def test_nothing_dirty_reads_no_more_than_what_is_uncertain(watched: Watched) -> None:
    _fill(watched.project.source, ["one", "folder/two"])
    watched.begin()
    time.sleep(0.05)
    watched.tell()
    (watched.project.source / "one").write_text("unnamed")

    result = watched.tell()

    assert result.partial
    assert not result.created


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_after_a_failure_nothing_that_was_remembered_is_wrong(volatile_project: Project, error: int) -> None:
    watched = Watched(volatile_project)
    source = watched.project.source
    _fill(source, ["a/file", "a/b/file", "other"])
    watched.begin()
    watched.tell()

    def fail_and_go_on(number: int) -> bool:
        _fill(source, ["a/b/new", "c/d"])
        (source / "a" / "file").write_text(f"changed {number}")
        dirty = (b"a/b/new", b"a/file", b"c")
        count = fail_at_call(number, error)
        with suppress(StorageError):
            watched.tell(*dirty)
        if count() < number:
            return False
        again = watched.tell(*dirty)
        assert watched.project.saved(again.snapshot) == watched.project.now()
        assert watched.take(watched.project, None).snapshot == again.snapshot
        return True

    for number in range(1, 1000, 3):
        if not value_from_child(partial(fail_and_go_on, number)):
            break
    assert number > 20


def test_what_cannot_be_read_is_tried_again_and_named_each_time(open_project: Project) -> None:
    watched = Watched(open_project)
    source = open_project.source

    def act() -> list[tuple[bool, list[bytes]]]:
        without_rights()
        _fill(source, ["locked/file", "shut", "open"])
        (source / "locked").chmod(0)
        (source / "shut").chmod(0)
        watched.begin()
        first = watched.tell()
        (source / "open").write_text("changed")
        second = watched.tell(b"open")
        (source / "locked").chmod(0o755)
        (source / "shut").chmod(0o644)
        third = watched.tell(b"locked")
        assert open_project.saved(third.snapshot) == open_project.now()
        return [(each.partial, sorted(problem.path for problem in each.problems)) for each in (first, second, third)]

    outcomes = value_from_child(act)

    assert outcomes == [(True, [b"locked", b"shut"]), (True, [b"locked", b"shut"]), (True, [])]
