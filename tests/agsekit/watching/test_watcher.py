"""What a watcher tells, held against two walks: whatever they find changed has to be among the paths it names."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Optional

import pytest

from agsekit.watching.watcher import CannotWatch, Watcher
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.tree import CTIME, INODE, Row, Tree, join, split
from agsekit_storage.walk import walk

NO_FILES: Mapping[bytes, bytes] = MappingProxyType({})


class Watched:
    """A source, its watcher, and what a walk finds in it."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.outside = source.parent / "outside"
        self.outside.mkdir()
        self.rules = IgnoreRules.compile([], NO_FILES)
        self._watcher: Optional[Watcher] = None

    @property
    def watcher(self) -> Watcher:
        assert self._watcher is not None
        return self._watcher

    def begin(self, *exclude: bytes, files: Mapping[bytes, bytes] = NO_FILES, most: int = 1000) -> None:
        self.rules = IgnoreRules.compile(exclude, files)
        self._watcher = Watcher(os.fsencode(self.source), self.rules, most=most)
        assert self._watcher.take() is None
        self.before = self.walk()

    def walk(self) -> Tree:
        return walk(os.fsencode(self.source), self.rules, frozen={})

    def collect(self) -> bool:
        """Read all that the kernel has to tell, and say whether any of it counts."""
        counted = False
        while True:
            events, counts = self.watcher.collect()
            counted |= counts
            if not events:
                return counted

    def named(self) -> set[bytes]:
        """Collect and return the paths that may have changed."""
        self.collect()
        paths = self.watcher.take()
        assert paths is not None
        return set(paths)

    def check(self) -> None:
        """Hold what the watcher names against what changed since the last check."""
        named = self.named()
        now = self.walk()
        new = {path for path in now.folders if _inode(self.before, path) != _inode(now, path)}
        looked_at = {*named, *(split(path)[0] for path in named)}
        for path in _differing(self.before, now) - looked_at:
            # Only folders that are new, or gone, are looked at to the bottom.
            folders = [path[:end] for end in range(len(path)) if path[end : end + 1] == b"/"]
            assert any(folder in named and (folder in new or folder not in now.folders) for folder in folders), path
        self.before = now

    def check_all_folders(self) -> None:
        """See to it that an edit in any folder is noticed."""
        self.check()
        expected = {join(path, b"new") for path in self.before.folders}
        for path in expected:
            (self.source / os.fsdecode(path)).touch()
        assert expected <= self.named()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()


def _differing(before: Tree, now: Tree) -> set[bytes]:
    rows = []
    for tree in (before, now):
        rows.append({entry.path: (_without_ctime(entry.row), entry.link) for entry in tree.entries()})
        rows[-1][b""] = (_without_ctime(tree.root), None)
    return {path for path in {*rows[0], *rows[1]} if rows[0].get(path) != rows[1].get(path)}


def _without_ctime(row: Row) -> list[int]:
    """Leave out what a walk sets to 0 where it cannot be trusted yet."""
    return [value for column, value in enumerate(row) if column != CTIME]


def _inode(tree: Tree, path: bytes) -> Optional[int]:
    if not path:
        return tree.root[INODE]
    return tree.row(path)[INODE] if path in tree.folders else None


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    source = tmp_path / "source"
    (source / "a/b/c").mkdir(parents=True)
    (source / "d").mkdir()
    for name in ("one", "a/two", "a/b/three", "a/b/c/four", "d/five"):
        (source / name).write_text(name)
    made = Watched(source)
    yield made
    made.close()


def _append(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


def _save_as_vim_does(path: Path) -> None:
    path.rename(f"{path}~")
    path.write_text("new")
    path.chmod(0o640)
    Path(f"{path}~").unlink()


def _replace(path: Path) -> None:
    temporary = path.with_name(".new")
    temporary.write_text("replaced")
    temporary.replace(path)


def _write_through_memory(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:1] = b"X"


def _swap_for_link(source: Path) -> None:
    shutil.rmtree(source / "a")
    (source / "a").symlink_to(source.parent / "outside")


def _empty(source: Path) -> None:
    shutil.rmtree(source / "a")
    shutil.rmtree(source / "d")
    (source / "one").unlink()


def _swap_trees(source: Path) -> None:
    (source / "a").rename(source / "x")
    (source / "d").rename(source / "a")
    (source / "x").rename(source / "d")


def _move_a_tree_and_put_another_there(source: Path) -> None:
    (source / "a").rename(source / "d/a")
    (source / "a/b/other").mkdir(parents=True)
    (source / "a/b/other/file").touch()


def _move_a_tree_in(source: Path) -> None:
    shutil.copytree(source, source.parent / "copy")
    (source.parent / "copy").rename(source / "a/copy")


def _make_folders(source: Path) -> None:
    (source / "p/q/r/s").mkdir(parents=True)
    (source / "p/q/r/s/file").touch()


EDITS: dict[str, Callable[[Path], object]] = {
    "create": lambda source: (source / "a/b/new").open("w").close(),
    "append": lambda source: _append(source / "a/b/three"),
    "truncate": lambda source: os.truncate(source / "d/five", 0),
    "write in memory": lambda source: _write_through_memory(source / "a/two"),
    "chmod": lambda source: (source / "a/two").chmod(0o700),
    "chmod a folder": lambda source: (source / "a/b").chmod(0o700),
    "chmod the source": lambda source: source.chmod(0o700),
    "set a time": lambda source: os.utime(source / "d/five", (1, 1)),
    "set an attribute": lambda source: os.setxattr(source / "d/five", "user.note", b"1"),
    "delete": lambda source: os.unlink(source / "a/b/c/four"),
    "delete a tree": lambda source: shutil.rmtree(source / "a"),
    "empty it": _empty,
    "move a file": lambda source: (source / "one").rename(source / "a/b/one"),
    "move a tree": lambda source: (source / "a").rename(source / "d/moved"),
    "swap two trees": _swap_trees,
    "move a tree and put another there": _move_a_tree_and_put_another_there,
    "move a tree out": lambda source: (source / "a").rename(source.parent / "outside/a"),
    "move a tree in": _move_a_tree_in,
    "make folders": _make_folders,
    "link": lambda source: (source / "d/link").symlink_to("five"),
    "hard link": lambda source: os.link(source / "one", source / "a/one"),
    "save as vim does": lambda source: _save_as_vim_does(source / "a/two"),
    "replace": lambda source: _replace(source / "a/two"),
    "a link for a folder": _swap_for_link,
    "a name of odd bytes": lambda source: os.mkdir(os.fsencode(source) + b"/d/\xff\n "),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
def test_every_kind_of_edit_is_named(watched: Watched, edit: Callable[[Path], object]) -> None:
    watched.begin()

    edit(watched.source)

    if edit is EDITS["hard link"]:  # the count of links of the other name is nothing that a snapshot holds
        assert b"a/one" in watched.named()
    else:
        watched.check_all_folders()


class _Vandal:
    """Edits a source at random, with everything that can happen to folders."""

    def __init__(self, source: Path, outside: Path, chance: random.Random) -> None:
        self._source = source
        self._outside = outside
        self._chance = chance

    def edit(self) -> None:
        action = self._chance.choice(["folder", "folders", "file", "move", "move", "out", "in", "delete"])
        place, other = self._folder(), self._folder()
        if action == "folder":
            (place / self._chance.choice("xyz")).mkdir(exist_ok=True)
        elif action == "folders":
            (place / "x/y/z").mkdir(parents=True, exist_ok=True)
        elif action == "file":
            (place / "file").write_text(str(self._chance.random()))
        elif action == "in" and any(self._outside.iterdir()):
            next(self._outside.iterdir()).rename(place / f"back{self._chance.random()}")
        elif place == self._source:
            return
        elif action == "move" and place != other and place not in other.parents:
            if not (other / place.name).exists():
                place.rename(other / place.name)
        elif action == "out":
            place.rename(self._outside / str(self._chance.random()))
        elif action == "delete":
            shutil.rmtree(place)

    def _folder(self) -> Path:
        return self._chance.choice([self._source, *(path for path in self._source.rglob("*") if path.is_dir())])


@pytest.mark.parametrize("seed", range(8))
def test_no_edit_is_missed_in_a_random_sequence(watched: Watched, seed: int) -> None:
    chance = random.Random(seed)
    vandal = _Vandal(watched.source, watched.outside, chance)
    watched.begin()

    for _ in range(60):
        vandal.edit()
        # Most edits are only read about when others have been made on top of them.
        if chance.random() < 0.3:
            watched.watcher.collect()
        if chance.random() < 0.1:
            watched.check()

    watched.check_all_folders()


def test_folders_that_appear_while_others_are_looked_at_are_watched(watched: Watched) -> None:
    watched.begin()
    script = (
        "import os, shutil, sys\n"
        "os.chdir(sys.argv[1])\n"
        "for number in range(150):\n"
        "    os.makedirs(f'deep{number % 7}/{number}/x/y')\n"
        "    open(f'deep{number % 7}/{number}/x/y/file', 'w').close()\n"
        "    if number % 5 == 4: os.rename(f'deep{number % 7}', f'moved{number}')\n"
        "    if number % 20 == 19: shutil.rmtree(f'moved{number - 5}')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, watched.source]) as writer:
        while writer.poll() is None:
            watched.watcher.collect()

    assert writer.returncode == 0
    watched.check_all_folders()


def test_what_is_made_in_a_folder_before_it_is_watched_is_named(watched: Watched) -> None:
    watched.begin()
    (watched.source / "x/y").mkdir(parents=True)
    watched.before = watched.walk()  # somebody else has saved it since

    (watched.source / "x/y/file").touch()

    assert {b"x", b"x/y", b"x/y/file"} <= watched.named()


def test_what_the_rules_leave_out_is_neither_watched_nor_told(watched: Watched) -> None:
    (watched.source / "a/ignored/below").mkdir(parents=True)
    watched.begin(b"ignored/", files={b"a": b"*.log\n"})

    (watched.source / "a/ignored/below/file").touch()
    (watched.source / "a/ignored/file").touch()
    (watched.source / "a/noise.log").touch()
    (watched.source / "a/b/ignored").mkdir()
    (watched.source / "a/b/ignored/file").touch()

    assert not watched.collect()
    (watched.source / "noise.log").touch()
    assert watched.collect()


def test_a_tree_that_is_moved_is_judged_by_the_rules_of_its_new_place(watched: Watched) -> None:
    (watched.source / "hidden").mkdir()
    watched.begin(b"/hidden/")
    (watched.source / "a").rename(watched.source / "hidden/a")
    watched.check()

    (watched.source / "hidden/a/b/unseen").touch()
    assert not watched.collect()

    (watched.source / "hidden/a").rename(watched.source / "a")
    watched.check_all_folders()


def test_what_is_brought_back_inside_an_ignored_folder_is_named_with_the_folders_on_the_way(watched: Watched) -> None:
    (watched.source / "build/deep").mkdir(parents=True)
    watched.begin(files={b"": b"build/\n!keep\n"})

    (watched.source / "build/deep/scrap").touch()
    assert not watched.collect()
    (watched.source / "build/deep/keep").touch()

    assert watched.named() == {b"build", b"build/deep", b"build/deep/keep"}


def test_a_link_that_is_swapped_in_leads_nowhere(watched: Watched) -> None:
    (watched.outside / "inner").mkdir()
    watched.begin()
    script = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "while True:\n"
        "    os.mkdir('trap'); os.mkdir('trap/inner'); os.rename('trap', 'away'); os.symlink('../outside', 'trap')\n"
        "    os.unlink('trap'); os.rmdir('away/inner'); os.rmdir('away')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, watched.source]) as swapper:
        for _ in range(300):
            watched.watcher.collect()
        swapper.kill()
    watched.named()

    (watched.outside / "secret").touch()
    (watched.outside / "inner/secret").touch()

    assert not watched.collect()


def test_a_queue_that_overflows_makes_everything_worth_a_look(watched: Watched) -> None:
    watched.begin()
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    for _ in range(limit // 2 + 2):
        os.utime(watched.source / "one")
        os.utime(watched.source / "d/five")
    watched.collect()

    assert watched.watcher.lost
    assert watched.watcher.take() is None
    assert watched.watcher.take() is None


def test_very_many_paths_are_everything(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agsekit.watching.watcher.MOST_PATHS", 10)
    watched.begin()
    for number in range(11):
        (watched.source / f"new{number}").touch()
    watched.collect()

    assert watched.watcher.take() is None
    (watched.source / "one").touch()
    assert watched.named() == {b"one"}


def test_what_could_not_be_saved_is_named_again(watched: Watched) -> None:
    watched.begin()
    (watched.source / "one").touch()
    taken = watched.named()
    (watched.source / "d/five").touch()

    watched.watcher.put_back(taken)

    assert watched.named() == {b"one", b"d/five"}


def test_a_source_with_too_many_folders_is_refused_with_the_setting_to_change(watched: Watched) -> None:
    with pytest.raises(CannotWatch) as refused:
        watched.begin(most=4)

    assert "max_user_watches" in str(refused.value.hint)


def test_folders_beyond_the_limit_are_not_left_out_silently(watched: Watched) -> None:
    watched.begin(most=6)
    (watched.source / "x/y").mkdir(parents=True)

    with pytest.raises(CannotWatch):
        watched.collect()


def test_the_limit_of_the_kernel_is_explained(watched: Watched) -> None:
    script = (
        "import sys\n"
        "from agsekit.watching.watcher import CannotWatch, Watcher\n"
        "from agsekit_storage.ignore import IgnoreRules\n"
        "open('/proc/sys/user/max_inotify_watches', 'w').write('3')\n"
        "try: Watcher(sys.argv[1].encode(), IgnoreRules.compile([], {}))\n"
        "except CannotWatch as error: print(error.message, error.hint)\n"
    )
    inside = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")

    argv = [*inside, sys.executable, "-c", script, str(watched.source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert "refused after 3" in done.stdout, done.stderr
    assert "sysctl fs.inotify.max_user_watches" in done.stdout


@pytest.mark.parametrize("loss", ["moved", "deleted", "replaced"])
def test_a_source_that_is_lost_is_noticed(watched: Watched, loss: str) -> None:
    watched.begin()
    if loss == "deleted":
        shutil.rmtree(watched.source)
    else:
        watched.source.rename(watched.outside / "source")
    if loss == "replaced":
        watched.source.mkdir()

    watched.collect()

    assert watched.watcher.gone
    assert not watched.watcher.is_in_place()
    assert watched.watcher.take() is None


def test_a_source_whose_parent_was_moved_is_not_in_place(watched: Watched) -> None:
    parent = watched.source.parent / "parent"
    (parent / "source").mkdir(parents=True)
    watcher = Watcher(os.fsencode(parent / "source"), IgnoreRules.compile([], NO_FILES))
    assert watcher.is_in_place()

    parent.rename(watched.outside / "parent")

    assert not watcher.is_in_place()
    watcher.close()


def test_it_keeps_one_descriptor_open_and_none_of_the_source(watched: Watched) -> None:
    before = _opened()

    watched.begin()
    (watched.source / "x/y").mkdir(parents=True)
    watched.collect()

    assert [opened for opened in _opened() if opened not in before] == ["anon_inode:inotify"]


def _opened() -> list[str]:
    """Return what this process has open."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if os.path.exists(link) or os.path.islink(link)]
