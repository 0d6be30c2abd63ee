"""Before anything is written: is there room, and does this look like a loss?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from agsekit_storage.changes import Comparison
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.errors import StorageError
from agsekit_storage.model import Changes, Problem
from agsekit_storage.tree import INODE, MODE, NLINK, SIZE, WIDTH, Row, Tree, join, split

HUGE = 512 * 1024**2
"""Bytes; larger files are named at the first snapshot, since they are rarely worth a place in every one."""
_LARGE = 64 * 1024**2
FEWEST = 20
"""In a smaller project the loss of half of the files is everyday work."""
MOST_LOST = 0.5
"""The share of the files whose loss is a mass loss, unless somebody says otherwise."""
_LEFT = 10
"""A file that is this many times shorter than it was has been cut down to nothing."""


def to_save(tree: Tree, comparison: Comparison) -> Iterator[tuple[bytes, Row]]:
    """Yield path and columns of every regular file that a backend has to save, each hard link group once."""
    groups: set[int] = set()
    of_folder: tuple[bytes, dict[bytes, int]] = (b"", tree.folders[b""].index())
    for path in comparison.paths():
        if path == b".":
            continue
        folder, name = split(path)
        if folder != of_folder[0]:
            of_folder = (folder, tree.folders[folder].index())
        row = tree.folders[folder].row(of_folder[1][name])
        if not stat.S_ISREG(row[MODE]):
            continue
        if row[NLINK] > 1:
            if row[INODE] in groups:
                continue
            groups.add(row[INODE])
        yield path, row


def check_room(store: Path, source: bytes, files: Sequence[tuple[bytes, Row]], *, leave: int) -> None:
    """Refuse to begin what cannot fit: `leave` bytes have to stay free. Holes of large files are not counted.

    Raises:
        StorageError: the disk has not enough free.
    """
    status = os.statvfs(store)
    free = status.f_bavail * status.f_frsize
    needed = sum(row[SIZE] for _, row in files)
    if needed + leave > free:
        needed = sum(size_on_disk(source, path, row) for path, row in files)
    if needed + leave > free:
        raise StorageError(
            "the disk of {store} has {free} free, and this snapshot needs {needed} beside the {leave} to be left free"
            if leave
            else "the disk of {store} has {free} free, and this snapshot needs {needed}",
            hint="free some space there, exclude what can be made again, or keep fewer snapshots",
            store=store,
            free=_megabytes(free),
            needed=_megabytes(needed),
            leave=_megabytes(leave),
        )


def huge_files(tree: Tree) -> Iterator[Problem]:
    """Yield the files that are large enough to be named, each with the rule that would leave it out."""
    for path, folder in tree.folders.items():
        sizes = folder.stats[SIZE::WIDTH]
        if sizes and max(sizes) >= HUGE:
            for name, mode, size in zip(folder.names, folder.stats[MODE::WIDTH], sizes):
                if stat.S_ISREG(mode) and size >= HUGE:
                    yield Problem(join(path, name), "huge", _megabytes(size))


def visible_losses(before: Tree, now: Tree) -> Changes:
    """Return what is gone, and which files are shorter now, by names and sizes alone: nothing is read."""
    found = Changes()
    for path, folder in before.folders.items():
        present = now.folders[path].index() if path in now.folders else {}
        for position, name in enumerate(folder.names):
            if name not in present:
                found.removed.append(join(path, name))
            elif now.folders[path].row(present[name])[SIZE] < folder.row(position)[SIZE]:
                found.modified.append(join(path, name))
    return found


def is_mass_loss(before: Tree, now: Tree, changes: Changes, *, share: float = MOST_LOST) -> bool:
    """Tell whether more than a share of what the snapshot before had is gone or nearly empty.

    So it is, too, when another file system is there instead. What was only moved is not gone.
    """
    had = before.count_files()
    if not had or not now.count_files():
        return had > 0
    if before.device != now.device and before.root[INODE] != now.root[INODE] and changes.removed:
        # The number of a device alone proves nothing: some change with every start of the machine.
        return True
    return had >= FEWEST and len(lost_files(before, now, changes)) > had * share


def lost_files(before: Tree, now: Tree, changes: Changes) -> list[bytes]:
    """Return the files of a tree that are gone, and those that are nearly empty, among some changes since.

    Changes of what the tree does not have are left out, and so is what was moved.
    """
    moved = {(row[INODE], row[SIZE]) for row in filter(None, (_file_row(now, path) for path in changes.added))}
    lost = []
    for path in changes.removed:
        row = _file_row(before, path)
        if row is not None and (row[INODE], row[SIZE]) not in moved:
            lost.append(path)
    for path in changes.modified:
        old, new = _file_row(before, path), _file_row(now, path)
        if old is not None and new is not None and _was_emptied(old, new):
            lost.append(path)
    return lost


def _file_row(tree: Tree, path: bytes) -> Optional[Row]:
    """Return the columns of what is not a folder, None for a folder and for nothing."""
    try:
        row = tree.row(path)
    except KeyError:
        return None
    return None if stat.S_ISDIR(row[MODE]) else row


def _was_emptied(old: Row, new: Row) -> bool:
    return stat.S_ISREG(old[MODE]) and stat.S_ISREG(new[MODE]) and old[SIZE] > 0 and new[SIZE] * _LEFT <= old[SIZE]


def size_on_disk(source: bytes, path: bytes, row: Row) -> int:
    """Return what a file really takes, which for a large one with holes is far less than its length."""
    if row[SIZE] < _LARGE:
        return row[SIZE]
    folder, name = split(path)
    try:
        with FolderCursor(source) as cursor:
            status = os.stat(name, dir_fd=cursor.seek(folder), follow_symlinks=False)
    except OSError:
        return row[SIZE]
    return min(row[SIZE], status.st_blocks * 512)


def _megabytes(count: int) -> str:
    return f"{count / 1024**2:,.{0 if count >= 10 * 1024**2 else 2}f} MB"
