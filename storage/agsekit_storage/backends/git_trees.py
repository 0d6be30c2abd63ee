"""Builds the tree objects of a snapshot; folders in which nothing changed keep those that they have.

In the trees of this backend the digest of a folder is the id of its tree object, as the digest of a file is the id
of its blob, so that nothing has to be read from the repository to build upon an earlier snapshot.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import Optional

from agsekit_storage.backends.git_names import escape
from agsekit_storage.backends.git_pack import BLOB, TREE, PackWriter, object_id
from agsekit_storage.tree import MODE, NO_DIGEST, WIDTH, Folder, Tree, in_walk_order, join, split

FOLDER, _LINK, _FILE, _PROGRAM = b"40000", b"120000", b"100644", b"100755"


class TreeBuilder:
    """Writes tree objects, and the targets of links, into a pack.

    Args:
        tree: what the snapshot holds; the digests of its files are known.
        previous: the tree of the snapshot before, whose objects the repository has.
        touched: the folders in which something differs from it, and those whose content could not all be read.
    """

    def __init__(self, tree: Tree, previous: Optional[Tree], pack: PackWriter, touched: Iterable[bytes]) -> None:
        self._tree = tree
        self._folders = tree.folders
        self._before = previous.folders if previous else {}
        self._pack = pack
        self._touched = touched
        self._built: dict[bytes, bytes] = {}

    def build(self) -> bytes:
        """Write what differs and return the id of the top."""
        to_build = self._to_build()
        # From the bottom: the id of a folder is needed in the one above it.
        for path in sorted(to_build.intersection(self._folders), key=in_walk_order, reverse=True):
            self._built[path] = self._build_folder(path, self._folders[path])
        # The record has to say more than the walk found: the ids of all folders above a change are new.
        self._tree.since_base |= to_build
        return self._built[b""]

    def _to_build(self) -> set[bytes]:
        to_build = {b""}
        for path in self._touched:
            while path not in to_build:
                to_build.add(path)
                path = split(path)[0]
        pending = list(to_build)
        while pending:
            path = pending.pop()
            folder = self._folders.get(path)
            unknown = self._subfolders_without_id(path, folder, to_build) if folder is not None else ()
            to_build.update(unknown)
            pending += unknown
        return to_build

    def _subfolders_without_id(self, path: bytes, folder: Folder, to_build: set[bytes]) -> list[bytes]:
        unknown = []
        for position, mode in enumerate(folder.stats[MODE::WIDTH]):
            if stat.S_ISDIR(mode):
                here = join(path, folder.names[position])
                if here not in to_build and here in self._folders and not self._known_id(path, folder, position):
                    unknown.append(here)
        return unknown

    def _known_id(self, path: bytes, folder: Folder, position: int) -> Optional[bytes]:
        """Return the id of a subfolder in which nothing changed."""
        identifier = folder.digest(position)
        return self._id_before(path, folder.names[position]) if identifier == NO_DIGEST else identifier

    def _id_before(self, path: bytes, name: bytes) -> Optional[bytes]:
        """Return the id that a folder had in the snapshot before."""
        before = self._before.get(path)
        if before is None:
            return None
        try:
            identifier = before.digest(before.position(name))
        except KeyError:
            return None
        return None if identifier == NO_DIGEST else identifier

    def _build_folder(self, path: bytes, folder: Folder) -> bytes:
        entries = []
        for position, (name, mode) in enumerate(zip(folder.names, folder.stats[MODE::WIDTH])):
            if name in folder.missing:
                continue
            kind = git_mode(mode)
            if kind is None:
                continue
            if kind == FOLDER:
                identifier = self._subfolder(path, folder, position)
            elif kind == _LINK:
                identifier = self._link(path, name, folder.links[name])
            else:
                identifier = folder.digest(position)
                if identifier == NO_DIGEST:
                    continue
            escaped = escape(name)
            key = escaped + b"/" if kind == FOLDER else escaped
            entries.append((key, b"%s %s\0%s" % (kind, escaped, identifier)))
        entries.sort()
        content = b"".join([entry for _, entry in entries])
        identifier = object_id(TREE, content)
        if path and identifier == self._id_before(*split(path)):
            return identifier
        return self._pack.add(TREE, content)

    def _subfolder(self, path: bytes, folder: Folder, position: int) -> bytes:
        identifier = self._built.pop(join(path, folder.names[position]), None)
        if identifier is None:
            identifier = self._known_id(path, folder, position)
        if identifier is None:
            # Not entered by the walk: nothing of it is saved.
            identifier = self._pack.add(TREE, b"")
        folder.set_digest(position, identifier)
        return identifier

    def _link(self, path: bytes, name: bytes, target: bytes) -> bytes:
        before = self._before.get(path)
        if before is not None and before.links.get(name) == target:
            return object_id(BLOB, target)
        return self._pack.add(BLOB, target)


def git_mode(mode: int) -> Optional[bytes]:
    """Return what git makes of a mode, None for what it has no word for."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFREG:
        return _PROGRAM if mode & stat.S_IXUSR else _FILE
    if kind == stat.S_IFDIR:
        return FOLDER
    return _LINK if kind == stat.S_IFLNK else None
