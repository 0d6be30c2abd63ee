"""What is known of a tree as a whole, and how it follows from the tree before, so that it costs what changed."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.tree import CTIME, INODE, MODE, NLINK, SIZE, WIDTH, Folder, Tree, join, split

_KIND = 0o170000


class Totals(NamedTuple):
    """How much there is: `files` are everything that is not a folder, `bytes` the sizes of the regular ones."""

    files: int
    folders: int
    bytes: int


class Uncertain(NamedTuple):
    """What the columns of a tree prove nothing about, so that it has to be looked at again.

    `unsettled` are names, by folder, that may have changed unseen or could not be read; `unlisted` are folders in
    which names may have appeared unseen. `rule_holders` are the folders with a `.backupignore`.
    """

    unsettled: dict[bytes, frozenset[bytes]]
    unlisted: set[bytes]
    rule_holders: set[bytes]

    def copy(self) -> Uncertain:
        """Return one that can be changed alone."""
        return Uncertain(dict(self.unsettled), set(self.unlisted), set(self.rule_holders))

    def updated(self, paths: Iterable[bytes], news: Uncertain) -> Uncertain:
        """Return what is uncertain when all that was said of some folders is replaced by `news`."""
        both = self.copy()
        for path in paths:
            both.forget(path)
        both.unsettled.update(news.unsettled)
        both.unlisted.update(news.unlisted)
        both.rule_holders.update(news.rule_holders)
        return both

    def note(self, path: bytes, folder: Folder) -> None:
        """Add what is uncertain in a folder."""
        ctimes = folder.stats[CTIME::WIDTH]
        if folder.missing or 0 in ctimes:
            marked = (name for name, ctime in zip(folder.names, ctimes) if not ctime or name in folder.missing)
            self.unsettled[path] = frozenset(marked)
        if not folder.identity[1]:
            self.unlisted.add(path)
        if IGNORE_FILE in folder.names:
            self.rule_holders.add(path)

    def forget(self, path: bytes) -> None:
        """Remove what is noted of a folder."""
        self.unsettled.pop(path, None)
        self.unlisted.discard(path)
        self.rule_holders.discard(path)


def totals_of(tree: Tree) -> Totals:
    """Return how much there is in a tree; everything is counted where nothing tells."""
    if tree.totals is None:
        counts = [_count(folder) for folder in tree.folders.values()]
        tree.totals = Totals(sum(files for files, _ in counts), len(tree.folders), sum(size for _, size in counts))
    return tree.totals


def uncertain_of(tree: Tree) -> Uncertain:
    """Return what is uncertain in a tree; every folder is searched where nothing tells."""
    if tree.uncertain is None:
        tree.uncertain = Uncertain({}, set(), set())
        for path, folder in tree.folders.items():
            tree.uncertain.note(path, folder)
    return tree.uncertain


def missing_of(tree: Tree) -> Iterator[bytes]:
    """Yield the paths whose content a tree does not have, for they could not be read or listed."""
    for path in tree.folders if tree.uncertain is None else tree.uncertain.unsettled:
        yield from (join(path, name) for name in tree.folders[path].missing)


def follow(tree: Tree, before: Tree, differing: Iterable[bytes]) -> None:
    """Tell a tree what is known of the one before it; `differing` are all folders that may not be alike."""
    differing = list(differing)
    if before.totals is not None:
        files, _, size = before.totals
        for path in differing:
            for folders, sign in ((before.folders, -1), (tree.folders, 1)):
                if path in folders:
                    count, length = _count(folders[path])
                    files, size = files + sign * count, size + sign * length
        tree.totals = Totals(files, len(tree.folders), size)
    if before.uncertain is not None:
        tree.uncertain = before.uncertain.copy()
        for path in differing:
            tree.uncertain.forget(path)
            if path in tree.folders:
                tree.uncertain.note(path, tree.folders[path])


def doubt(tree: Tree, before: Tree, paths: Iterable[bytes]) -> set[bytes]:
    """Have the contents compared of files that look as they did before; return the folders that are marked for it.

    Writing through a mapping of the memory moves no clock while the page is not clean, on some file systems never:
    for a file of which it is known that somebody wrote to it, the columns prove nothing.
    """
    doubted = {path for path in paths if _looks_unchanged(tree, before, path)}
    linked = {tree.row(path)[INODE] for path in doubted if tree.row(path)[NLINK] > 1}
    for folder in tree.folders if linked else ():
        for name, inode in zip(tree.folders[folder].names, tree.folders[folder].stats[INODE::WIDTH]):
            if inode in linked and _looks_unchanged(tree, before, join(folder, name)):
                doubted.add(join(folder, name))
    for path in doubted:
        mark_racy(tree, before, *split(path))
    return {split(path)[0] for path in doubted}


def mark_racy(tree: Tree, before: Tree, path: bytes, name: bytes) -> None:
    """Note of a file in a folder of a tree that its columns prove nothing."""
    if tree.folders[path] is before.folders.get(path):
        # It is about to change, and the tree before must not.
        tree.folders[path] = tree.folders[path].copy()
    folder = tree.folders[path]
    position = folder.position(name)
    row = folder.row(position)
    row[CTIME] = 0
    folder.set_row(position, row)


def _looks_unchanged(tree: Tree, before: Tree, path: bytes) -> bool:
    try:
        row = tree.row(path)
        return stat.S_ISREG(row[MODE]) and row[CTIME] != 0 and row == before.row(path)
    except KeyError:
        return False


def _count(folder: Folder) -> tuple[int, int]:
    """Return how many files are in a folder, and their bytes."""
    files = size = 0
    for mode, length in zip(folder.stats[MODE::WIDTH], folder.stats[SIZE::WIDTH]):
        kind = mode & _KIND
        if kind != stat.S_IFDIR:
            files += 1
            if kind == stat.S_IFREG:
                size += length
    return files, size
