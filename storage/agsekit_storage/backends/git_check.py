"""Holding a snapshot in the shadow repository against its record."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from agsekit_storage.backends.git_names import escape, unescape
from agsekit_storage.backends.git_objects import ObjectReader, read_tree, tree_of
from agsekit_storage.backends.git_pack import BLOB, object_id
from agsekit_storage.backends.git_trees import FOLDER, git_mode
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.model import Problem
from agsekit_storage.tree import MODE, NO_DIGEST, WIDTH, Folder, Tree, join


class GitCheck:
    """Checks snapshots, reading each object once however many of them share it."""

    def __init__(self, repository: Path, *, data: bool) -> None:
        self._objects = ObjectReader(repository)
        self._data = data
        self._sound: dict[bytes, str] = {}
        self._checked: dict[bytes, Folder] = {}

    def run(self, commit: Optional[str], tree: Tree) -> Iterator[Problem]:
        """Yield what is `lost`, `altered` or `unexpected`, in tree order."""
        try:
            if commit is None:
                raise StoreDamaged("there is no commit")
            trees = {b"": tree_of(self._objects, commit)}
        except StoreDamaged as error:
            yield Problem(b"", "lost", error.message)
            return
        for path, folder in tree.folders.items():
            if tree.is_unlisted(path):
                continue
            identifier = trees.pop(path, None)
            if identifier is None:
                yield Problem(path, "lost")
                continue
            try:
                entries = read_tree(self._objects, identifier)
            except StoreDamaged as error:
                yield Problem(path, "lost", error.message)
                continue
            trees.update(
                (join(path, unescape(name)), below) for name, (mode, below) in entries.items() if mode == FOLDER
            )
            if self._checked.get(identifier) is not folder:
                yield from self._check_folder(path, folder, entries)
                self._checked[identifier] = folder

    def _check_folder(
        self, path: bytes, folder: Folder, entries: dict[bytes, tuple[bytes, bytes]]
    ) -> Iterator[Problem]:
        left = dict(entries)
        for position, (name, mode) in enumerate(zip(folder.names, folder.stats[MODE::WIDTH])):
            wanted = git_mode(mode)
            if wanted is None or name in folder.missing:
                continue
            found_mode, identifier = left.pop(escape(name), (b"", b""))
            digest = object_id(BLOB, folder.links[name]) if stat.S_ISLNK(mode) else folder.digest(position)
            if not found_mode:
                if wanted != FOLDER and digest != NO_DIGEST:
                    yield Problem(join(path, name), "lost")
            elif found_mode != wanted:
                yield Problem(join(path, name), "altered", "another kind or mode")
            elif wanted != FOLDER:
                fault = "other content" if identifier != digest else self._fault(identifier)
                if fault:
                    yield Problem(join(path, name), "altered", fault)
        for name in sorted(map(unescape, left)):
            yield Problem(join(path, name), "unexpected")

    def _fault(self, identifier: bytes) -> str:
        """Return what is wrong with a blob, empty when nothing is."""
        if identifier not in self._sound:
            try:
                self._objects.check_blob(identifier, data=self._data)
                self._sound[identifier] = ""
            except StoreDamaged as error:
                self._sound[identifier] = error.message
        return self._sound[identifier]
