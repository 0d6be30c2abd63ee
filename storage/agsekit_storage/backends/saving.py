"""What every backend does to save files of a source: find those to read, and bear with what goes wrong."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Optional

from agsekit_storage.backends.base import Work
from agsekit_storage.blocks import ReadFailed
from agsekit_storage.content import NotARegularFile, Saved
from agsekit_storage.cursor import EXHAUSTED, FolderCursor
from agsekit_storage.events import Met, Progress
from agsekit_storage.model import Problem
from agsekit_storage.tree import CTIME, Folder, join, split

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_PROGRESS_STEP = 100


class SourceFiles:
    """The files of the source of `work`, read one at a time in tree order; the tree follows what was read.

    Args:
        total: how many files are going to be saved, for the progress.

    Attributes:
        problems: those met so far.
    """

    def __init__(self, work: Work, total: int) -> None:
        self.problems: list[Problem] = []
        self._work = work
        self._total = total
        self._done = 0
        self._cursor = FolderCursor(work.source)

    def save(
        self, path: bytes, folder: Folder, position: int, store: Callable[[bytes, int], Saved]
    ) -> Optional[Saved]:
        """Let `store(name, folder descriptor)` save one regular file and remember what it did.

        Returns:
            None for a file that cannot be read; it is among the `missing` of its folder then.

        Raises:
            Vanished: it is not there any more.
        """
        name = folder.names[position]
        try:
            saved = store(name, self._seek(path))
        except (FileNotFoundError, NotARegularFile):
            self.meet(Problem(join(path, name), "vanished"))
            raise Vanished from None
        except ReadFailed as error:
            folder.missing.add(name)
            self.meet(Problem(join(path, name), "unreadable", error.strerror or ""))
            return None
        if not saved.stable:
            self.meet(Problem(join(path, name), "unstable"))
        remember(folder, position, saved)
        return saved

    def meet(self, problem: Problem) -> None:
        """Note a problem and tell it."""
        self.problems.append(problem)
        self._work.on_event(Met(problem))

    def count(self) -> None:
        """Count one more file as done."""
        self._done += 1
        if self._done % _PROGRESS_STEP == 0 or self._done == self._total:
            self._work.on_event(Progress(self._done, self._total))

    def close(self) -> None:
        """Close all descriptors."""
        self._cursor.abandon()

    def _seek(self, path: bytes) -> int:
        try:
            return self._cursor.seek(path)
        except OSError as error:
            if error.errno in _GONE:
                raise FileNotFoundError(error.errno, error.strerror) from None
            if error.errno in EXHAUSTED:
                raise
            raise ReadFailed(error.errno, error.strerror) from None


class Vanished(Exception):
    """A file that was to be saved is not there any more."""


def remember(folder: Folder, position: int, saved: Saved) -> None:
    """Bring the tree in line with what was saved; a stamp that could hide a later write stays 0."""
    name = folder.names[position]
    folder.missing.discard(name)
    row = list(saved.row)
    if not saved.stable or list(folder.row(position)) != row:
        row[CTIME] = 0
    folder.set_row(position, row)
    folder.set_digest(position, saved.digest)
    if saved.xattrs is not None:
        folder.xattrs[name] = saved.xattrs
    else:
        folder.xattrs.pop(name, None)


def by_folder(work: Work, paths: Iterable[Iterable[bytes]]) -> Mapping[bytes, frozenset[bytes]]:
    """Return the names in several lists of paths by the folder that they are in, if the tree has it."""
    folders: dict[bytes, set[bytes]] = {}
    for each in paths:
        for path in each:
            folder, name = split(path)
            folders.setdefault(folder, set()).add(name)
    return {folder: frozenset(names) for folder, names in folders.items() if folder in work.tree.folders}
