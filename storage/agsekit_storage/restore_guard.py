"""What was edited after the state before a restore was saved must not be overwritten: no snapshot has it."""

from __future__ import annotations

import os
import stat
import time
from typing import Optional

from agsekit_storage.tree import CTIME, INODE, MODE, MTIME, NLINK, SIZE, Tree, clamp_row, stat_row


class EditedMeanwhile(Exception):
    """A path is not what it was when the state before the restore was saved."""


class SavedState:
    """The tree that the snapshot from before the restore holds; None when there was nothing to save.

    Make it when that snapshot is there: what is written from then on is not in it.
    """

    def __init__(self, tree: Optional[Tree]) -> None:
        self._tree = tree
        self._since = time.time_ns()

    def check(self, path: bytes, name: bytes, folder: int) -> None:
        """Make sure that a file, or the lack of one, is still what was saved. Folders are not looked at.

        Raises:
            EditedMeanwhile: it is not.
        """
        if self._tree is None:
            return
        try:
            now = clamp_row(stat_row(os.stat(name, dir_fd=folder, follow_symlinks=False)))
        except FileNotFoundError:
            return
        if stat.S_ISDIR(now[MODE]):
            return
        try:
            saved = self._tree.row(path)
        except KeyError:
            raise EditedMeanwhile(path) from None
        if stat.S_IFMT(now[MODE]) != stat.S_IFMT(saved[MODE]):
            raise EditedMeanwhile(path)
        columns = [SIZE, MTIME, INODE]
        if saved[NLINK] == 1 and now[CTIME] > self._since:
            raise EditedMeanwhile(path)
        if saved[CTIME] and saved[NLINK] == 1:
            # The restore itself moves the ctime of a file when it takes away another name of it.
            columns.append(CTIME)
        if any(now[column] != saved[column] for column in columns):
            raise EditedMeanwhile(path)
