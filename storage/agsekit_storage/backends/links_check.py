"""Holding a snapshot folder against its record."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agsekit_storage.blocks import ReadFailed
from agsekit_storage.content import NotARegularFile, digest_of, open_regular
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.model import Problem
from agsekit_storage.tree import MODE, MTIME, NO_DIGEST, SIZE, Folder, Row, Tree, join

_SAVED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


class LinksCheck:
    """Checks the snapshots of one store, reading the content of each file once however many snapshots share it."""

    def __init__(self, *, data: bool) -> None:
        self._data = data
        self._digests: dict[tuple[int, int], bytes] = {}

    def run(self, snapshot: Path, tree: Tree) -> Iterator[Problem]:
        """Yield what is `lost`, `altered` or `unexpected` in a snapshot folder, in tree order."""
        cursor = FolderCursor(os.fsencode(snapshot), follow_root=False)
        try:
            for path, folder in tree.folders.items():
                try:
                    fd = cursor.seek(path)
                    present = frozenset(map(os.fsencode, os.listdir(fd)))
                except OSError as error:
                    # A folder that could not be listed has its mode here too, so it cannot be listed here either.
                    if not (isinstance(error, PermissionError) and tree.is_unlisted(path)):
                        yield Problem(path, "lost", error.strerror or "")
                    continue
                yield from self._check_folder(fd, path, folder, present)
        finally:
            cursor.abandon()

    def _check_folder(self, fd: int, path: bytes, folder: Folder, present: frozenset[bytes]) -> Iterator[Problem]:
        expected = set()
        for position, name in enumerate(folder.names):
            row = folder.row(position)
            kind = stat.S_IFMT(row[MODE])
            if kind not in _SAVED or (name in folder.missing and kind != stat.S_IFDIR):
                continue
            expected.add(name)
            detail = self._fault(fd, name, row, folder, position) if name in present else None
            if name not in present:
                if kind != stat.S_IFDIR:
                    yield Problem(join(path, name), "lost")
            elif detail:
                yield Problem(join(path, name), "altered", detail)
        for name in sorted(present - expected):
            yield Problem(join(path, name), "unexpected")

    def _fault(self, fd: int, name: bytes, row: Row, folder: Folder, position: int) -> str:
        """Return what is wrong with one name, empty when nothing is."""
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_IFMT(status.st_mode) != stat.S_IFMT(row[MODE]):
            return "something else is there"
        if stat.S_ISLNK(row[MODE]):
            return "" if os.readlink(name, dir_fd=fd) == folder.links[name] else "another target"
        if stat.S_ISDIR(row[MODE]):
            return ""
        if status.st_size != row[SIZE]:
            return f"{status.st_size} bytes instead of {row[SIZE]}"
        if status.st_mtime_ns != row[MTIME]:
            return "another time"
        if _plain_mode(status.st_mode) != _plain_mode(row[MODE]):
            return "another mode"
        wanted = folder.digest(position)
        if self._data and wanted != NO_DIGEST and self._digest(fd, name, status) != wanted:
            return "other content"
        return ""

    def _digest(self, fd: int, name: bytes, status: os.stat_result) -> bytes:
        key = (status.st_dev, status.st_ino)
        if key not in self._digests:
            try:
                file, opened = open_regular(name, fd)
            except (NotARegularFile, ReadFailed, OSError):
                return b""
            try:
                self._digests[key] = digest_of(file, opened.st_size)
            except OSError:
                self._digests[key] = b""
            finally:
                os.close(file)
        return self._digests[key]


def _plain_mode(mode: int) -> int:
    """Return a file's mode without the bits that are recorded but never set."""
    return stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID)
