"""Builds one snapshot folder: hard links for what did not change, copies for the rest."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple, Optional

from agsekit_storage.backends.base import Work
from agsekit_storage.backends.saving import SourceFiles, Vanished, by_folder, remember
from agsekit_storage.content import Saved, apply_metadata, make_link, save_file
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.model import Problem
from agsekit_storage.tree import INODE, MODE, NLINK, WIDTH, Folder, Row, join


class _Stored(NamedTuple):
    """A file that the store holds: its path on this machine, and what is known of it."""

    path: bytes
    saved: Saved


class LinksWriter:
    """Writes the tree of `work` into the empty folder `partial`; `base` is the previous snapshot's folder.

    The source is read through descriptors only; neither it nor the base is ever written to. What is linked is
    never changed afterwards: mode and times of files are set before they get a second name.
    """

    def __init__(self, partial: Path, base: Optional[Path], work: Work) -> None:
        self._work = work
        self._folders = work.tree.folders
        self._partial = os.fsencode(partial)
        self._base_path = os.fsencode(base) if base else b""
        self._metadata: dict[bytes, tuple[Row, Optional[bytes]]] = {b"": (work.tree.root, work.tree.root_xattrs)}
        changes, unsaved = work.comparison
        # Folders themselves are among them, harmlessly.
        self._copies = by_folder(work, (changes.added, changes.modified, changes.metadata, changes.touched, unsaved))
        self._groups: dict[int, _Stored] = {}
        self._read: set[bytes] = set()

    def run(self) -> list[Problem]:
        """Write everything and return the problems met; see `Backend.write` for what becomes of the tree."""
        self._source = SourceFiles(self._work, sum(map(self._count_files, self._copies)))
        self._target = FolderCursor(self._partial, on_leave=self._finish_folder, follow_root=False)
        self._base = FolderCursor(self._base_path, follow_root=False) if self._base_path else None
        try:
            self._find_unchanged_groups()
            for path, folder in list(self._folders.items()):
                self._write_folder(path, folder)
            self._target.close()
            # Also where a link had to be a copy: that may have found something newer than the walk did.
            self._work.tree.since_base |= self._read
        finally:
            self._source.close()
            for cursor in (self._target, self._base):
                if cursor:
                    cursor.abandon()
        return self._source.problems

    def _count_files(self, path: bytes) -> int:
        """Return how many regular files of a folder are to be copied."""
        folder, copies = self._folders[path], self._copies[path]
        modes = zip(folder.names, folder.stats[MODE::WIDTH])
        return sum(stat.S_ISREG(mode) and name in copies for name, mode in modes)

    def _find_unchanged_groups(self) -> None:
        """Note where the base holds the unchanged members of hard link groups that have new members."""
        wanted = set()
        for path, names in self._copies.items():
            folder = self._folders[path]
            for position, name in enumerate(folder.names):
                if name in names and folder.row(position)[NLINK] > 1:
                    wanted.add(folder.row(position)[INODE])
        if not wanted or not self._base_path:
            return
        for path, folder in self._folders.items():
            copied = self._copies.get(path, frozenset())
            for position, name in enumerate(folder.names):
                row = folder.row(position)
                if row[INODE] in wanted and stat.S_ISREG(row[MODE]) and name not in copied:
                    held = Saved(row, folder.digest(position), folder.xattrs.get(name), True)
                    self._groups[row[INODE]] = _Stored(join(self._base_path, join(path, name)), held)

    def _write_folder(self, path: bytes, folder: Folder) -> None:
        target = self._target.seek(path)
        copies = self._copies.get(path, frozenset())
        base = self._seek_base(path) if len(copies) < len(folder.names) else None
        gone: set[bytes] = set()
        for position, (name, mode) in enumerate(zip(folder.names, folder.stats[MODE::WIDTH])):
            kind = stat.S_IFMT(mode)
            if kind == stat.S_IFDIR:
                os.mkdir(name, 0o700, dir_fd=target)
                self._metadata[join(path, name)] = (folder.row(position), folder.xattrs.get(name))
            elif base is not None and name not in copies and _link(name, base, target):
                continue
            elif kind == stat.S_IFREG:
                self._read.add(path)
                if not self._copy(path, folder, position, target):
                    gone.add(name)
            elif kind == stat.S_IFLNK:
                make_link(name, folder.links[name], folder.row(position), target)
            else:
                self._source.meet(Problem(join(path, name), "special"))
        if gone:
            self._folders[path] = folder.without(frozenset(gone))

    def _seek_base(self, path: bytes) -> Optional[int]:
        if self._base is None:
            return None
        try:
            return self._base.seek(path)
        except OSError:
            # Removed from the base by hand, or new: copying brings everything back.
            return None

    def _copy(self, path: bytes, folder: Folder, position: int, target: int) -> bool:
        """Copy a regular file from the source; False when it is not there any more."""
        name = folder.names[position]
        row = folder.row(position)
        self._source.count()
        if row[NLINK] > 1 and self._join_group(folder, position, target):
            return True
        try:
            saved = self._source.save(path, folder, position, lambda name, source: save_file(name, source, target))
        except Vanished:
            return False
        if saved and row[NLINK] > 1 and saved.row[INODE] == row[INODE]:
            self._groups[row[INODE]] = _Stored(join(self._partial, join(path, name)), saved)
        return True

    def _join_group(self, folder: Folder, position: int, target: int) -> bool:
        """Make a name of a file that is stored already; False when it is the first of its hard link group."""
        stored = self._groups.get(folder.row(position)[INODE])
        if stored is None:
            return False
        try:
            os.link(stored.path, folder.names[position], dst_dir_fd=target, follow_symlinks=False)
        except OSError:
            # Too deep for one path, or too many links: a copy of its own is complete all the same.
            return False
        remember(folder, position, stored.saved)
        return True

    def _finish_folder(self, path: bytes, fd: int) -> None:
        row, attributes = self._metadata.pop(path)
        apply_metadata(fd, row, attributes)


def _link(name: bytes, base: int, target: int) -> bool:
    """Give a file of the base a second name in the target; False when a copy has to do."""
    try:
        os.link(name, name, src_dir_fd=base, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.EMLINK, errno.ENOENT, errno.EPERM, errno.EXDEV, errno.ENOTSUP):
            return False
        raise
    return True
