"""Taking back the right to read what is ours: `chmod 000` must not keep anything from being saved and restored."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable

from agsekit_storage.cursor import FolderCursor
from agsekit_storage.model import Problem
from agsekit_storage.restore_plan import find
from agsekit_storage.tree import MODE, Tree, join, split

_NEEDED = {stat.S_IFREG: stat.S_IRUSR, stat.S_IFDIR: stat.S_IRUSR | stat.S_IXUSR}


def make_accessible(
    source: bytes, wanted: Tree, problems: Iterable[Problem], scope: Callable[[bytes], bool]
) -> list[bytes]:
    """Give the owner access to what could not be read, and to what is below it.

    What the snapshot to restore had like that too is left alone, as is what belongs to somebody else.

    Returns:
        The paths that can be read now.
    """
    if not hasattr(os, "O_PATH"):
        return []
    opened = []
    cursor = FolderCursor(source)
    try:
        waiting = [each.path for each in problems if each.reason == "unreadable" and each.path and scope(each.path)]
        while waiting:
            path = waiting.pop()
            try:
                if _give(path, cursor, wanted):
                    opened.append(path)
                    waiting += _locked_below(path, cursor)
            except OSError:
                continue  # it stays among the problems
    finally:
        cursor.abandon()
    return opened


def _give(path: bytes, cursor: FolderCursor, wanted: Tree) -> bool:
    parent, name = split(path)
    # A descriptor that gives no access needs none; a link is not followed.
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=cursor.seek(parent))
    try:
        status = os.fstat(fd)
        lacking = _lacking(status)
        if not lacking or status.st_uid != os.geteuid() or _was_like_that(path, wanted, lacking):
            return False
        os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(status.st_mode) | lacking)
    finally:
        os.close(fd)
    return True


def _locked_below(path: bytes, cursor: FolderCursor) -> list[bytes]:
    """Return what else lacks a right in a folder that has just been opened, at any depth."""
    found, folders = [], [path]
    while folders:
        folder = folders.pop()
        try:
            fd = cursor.seek(folder)
        except NotADirectoryError:
            continue
        for name in map(os.fsencode, os.listdir(fd)):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if _lacking(status):
                found.append(join(folder, name))
            elif stat.S_ISDIR(status.st_mode):
                folders.append(join(folder, name))
    return found


def _lacking(status: os.stat_result) -> int:
    return _NEEDED.get(stat.S_IFMT(status.st_mode), 0) & ~status.st_mode


def _was_like_that(path: bytes, wanted: Tree, lacking: int) -> bool:
    try:
        return find(wanted, path).row[MODE] & lacking == 0
    except KeyError:
        return False
