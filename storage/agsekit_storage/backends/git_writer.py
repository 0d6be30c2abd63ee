"""Writes the files and folders of one snapshot into a pack, as far as the snapshot before does not hold them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agsekit_storage.backends.base import Work
from agsekit_storage.backends.git_content import WHOLE, form_of, needs_no_form, pieces
from agsekit_storage.backends.git_pack import BLOB, CutShort, PackWriter
from agsekit_storage.backends.git_trees import TreeBuilder
from agsekit_storage.backends.saving import SourceFiles, Vanished, by_folder, remember
from agsekit_storage.blocks import read_exactly
from agsekit_storage.content import CREATE_FLAGS, Saved, copy_content, open_regular, settle
from agsekit_storage.model import Problem
from agsekit_storage.tree import DIGEST_SIZE, INODE, MODE, NLINK, NO_DIGEST, WIDTH, join, split

_MANY = 200
"""From this many files on it pays to look whether the snapshot before holds their contents: a folder was moved."""


class GitWriter:
    """Writes the tree of `work` into a pack.

    Args:
        spool: a path that may be used for a temporary file.
    """

    def __init__(self, pack: PackWriter, work: Work, spool: Path) -> None:
        self._pack = pack
        self._work = work
        self._spool = spool
        self._folders = work.tree.folders
        changes, unsaved = work.comparison
        self._changed = by_folder(work, (changes.added, changes.modified, changes.metadata, changes.touched, unsaved))
        self._other_content = by_folder(work, (changes.added, changes.modified, unsaved))
        self._groups: dict[int, Saved] = {}
        self._specials: dict[bytes, None] = {}

    def run(self) -> tuple[bytes, list[Problem]]:
        """Write everything and return the id of the top tree and the problems met."""
        to_save = {path: self._files_to_save(path) for path in self._changed}
        total = sum(map(len, to_save.values()))
        if total >= _MANY:
            self._pack.known = self._contents_before()
        self._source = SourceFiles(self._work, total)
        try:
            for path, positions in to_save.items():
                self._save_folder(path, positions)
            self._meet_specials()
        finally:
            self._source.close()
        builder = TreeBuilder(self._work.tree, self._work.previous_tree, self._pack, self._touched())
        return builder.build(), self._source.problems

    def _touched(self) -> Iterator[bytes]:
        """Yield the folders whose trees may not be those of the snapshot before."""
        tree, previous = self._work.tree, self._work.previous_tree
        yield from self._changed
        if previous is None:
            yield from self._folders
        else:
            yield from tree.differing(previous) if self._work.differing is None else self._work.differing
        uncertain = tree.folders if tree.uncertain is None else tree.uncertain.unsettled
        yield from (path for path in uncertain if path in self._folders and self._folders[path].missing)

    def _files_to_save(self, path: bytes) -> list[int]:
        folder = self._folders[path]
        changed, other = self._changed[path], self._other_content.get(path, frozenset())
        found = []
        for position, (name, mode) in enumerate(zip(folder.names, folder.stats[MODE::WIDTH])):
            kind = stat.S_IFMT(mode)
            if kind == stat.S_IFREG:
                if name in other or (name in changed and folder.digest(position) == NO_DIGEST):
                    found.append(position)
            elif kind not in (stat.S_IFDIR, stat.S_IFLNK):
                self._specials[join(path, name)] = None
        return found

    def _contents_before(self) -> frozenset[bytes]:
        previous = self._work.previous_tree
        if previous is None:
            return frozenset()
        return frozenset(
            bytes(folder.digests[start : start + DIGEST_SIZE])
            for folder in previous.folders.values()
            for start in range(0, len(folder.digests), DIGEST_SIZE)
        ) - {NO_DIGEST}

    def _save_folder(self, path: bytes, positions: list[int]) -> None:
        folder = self._folders[path]
        gone = {name for name, target in folder.links.items() if not target and name in self._changed[path]}
        for name in gone:
            self._source.meet(Problem(join(path, name), "vanished"))
        for position in positions:
            self._source.count()
            row = folder.row(position)
            saved = self._groups.get(row[INODE]) if row[NLINK] > 1 else None
            if saved:
                remember(folder, position, saved)
                continue
            try:
                saved = self._source.save(path, folder, position, self._store)
            except Vanished:
                gone.add(folder.names[position])
                continue
            if saved and row[NLINK] > 1 and saved.row[INODE] == row[INODE]:
                self._groups[row[INODE]] = saved
        if gone:
            self._folders[path] = folder.without(frozenset(gone))

    def _store(self, name: bytes, source: int) -> Saved:
        fd, status = open_regular(name, source)
        mark = self._pack.mark()

        def take(fd: int, size: int) -> bytes:
            self._pack.rewind(mark)
            return self._add(fd, size)

        try:
            return settle(fd, status, take)
        finally:
            os.close(fd)

    def _add(self, fd: int, size: int) -> bytes:
        if size <= WHOLE:
            content = read_exactly(fd, 0, size)
            if needs_no_form(content):
                return self._pack.add(BLOB, content)
        form = form_of(fd, size)
        try:
            return self._pack.add_stream(BLOB, form.size, pieces(fd, form))
        except CutShort:
            return self._add_copy(fd, size)

    def _add_copy(self, fd: int, size: int) -> bytes:
        """Write what a file holds that shrinks while it is read: git wants the length first."""
        copy = os.open(self._spool, CREATE_FLAGS & ~os.O_WRONLY | os.O_RDWR, 0o600)
        try:
            os.unlink(self._spool)
            copy_content(fd, copy, size)
            form = form_of(copy, os.fstat(copy).st_size)
            return self._pack.add_stream(BLOB, form.size, pieces(copy, form))
        finally:
            os.close(copy)

    def _meet_specials(self) -> None:
        """Report what no snapshot holds: what is in the changed folders, and elsewhere what was reported before."""
        for problem in self._work.previous.problems if self._work.previous else ():
            parent, name = split(problem.path)
            known = problem.reason == "special" and parent not in self._changed and parent in self._folders
            if known and name in self._folders[parent].names:
                self._specials[problem.path] = None
        for path in self._specials:
            self._source.meet(Problem(path, "special"))
