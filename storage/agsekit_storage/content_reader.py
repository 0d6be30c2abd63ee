"""What the columns of a file or folder cannot tell: its content and attributes, read now or known to a store."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Optional, Protocol

from agsekit_storage import xattr
from agsekit_storage.content import digest_of, open_regular
from agsekit_storage.cursor import EXHAUSTED, FolderCursor
from agsekit_storage.tree import Tree, split

Digest = Callable[[int, int], bytes]
"""Computes a content digest from an open file and its size; each backend has its own."""


class Reader(Protocol):
    """Tells digests and extended attributes by the path in a tree."""

    def file(self, folder: bytes, name: bytes) -> Optional[tuple[bytes, Optional[bytes]]]: ...

    def folder_attributes(self, path: bytes) -> Optional[bytes]: ...


class ContentReader:
    """Reads what the columns cannot tell from a source folder, in tree order and without following links."""

    def __init__(self, source: bytes, digest: Digest = digest_of) -> None:
        self._cursor = FolderCursor(source)
        self._digest = digest

    def file(self, folder: bytes, name: bytes) -> Optional[tuple[bytes, Optional[bytes]]]:
        """Return digest and extended attributes of a regular file, None when it cannot be read now."""
        try:
            fd, status = open_regular(name, self._cursor.seek(folder))
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            return None
        try:
            return self._digest(fd, status.st_size), xattr.read(fd)
        except OSError:
            return None
        finally:
            os.close(fd)

    def folder_attributes(self, path: bytes) -> Optional[bytes]:
        """Return the extended attributes of a folder, None also when it cannot be read now."""
        try:
            return xattr.read(self._cursor.seek(path))
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            return None

    def close(self) -> None:
        """Close all descriptors."""
        self._cursor.abandon()


class StoredReader:
    """Answers what `ContentReader` reads from the source with what the newer of two stored trees says."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def file(self, folder: bytes, name: bytes) -> Optional[tuple[bytes, Optional[bytes]]]:
        found = self._tree.folders[folder]
        if name in found.missing:
            return None
        return found.digest(found.position(name)), found.xattrs.get(name)

    def folder_attributes(self, path: bytes) -> Optional[bytes]:
        if not path:
            return self._tree.root_xattrs
        parent, name = split(path)
        return self._tree.folders[parent].xattrs.get(name)
