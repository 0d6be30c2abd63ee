"""Dirty paths: which are of use, and at which names of which known folders they make one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.tree import INODE, WIDTH, Folder, split


def is_usable(path: bytes) -> bool:
    """Tell whether a path is one of a tree, and none that says more about the rules than about itself."""
    parts = path.split(b"/") if path else []
    return b"\0" not in path and IGNORE_FILE not in parts and not any(part in (b"", b".", b"..") for part in parts)


def places(dirty: Iterable[bytes], known: Mapping[bytes, Folder]) -> tuple[dict[bytes, set[bytes]], set[bytes]]:
    """Return the names to look at by known folder, and the known folders to list, for dirty paths."""
    entries: dict[bytes, set[bytes]] = {}
    listings = set()
    for path in dirty:
        if path in known:
            listings.add(path)
        if path:
            parent, name = split(path)
            while parent not in known:
                # Whatever is there begins with a name that is new, in a folder that is known.
                parent, name = split(parent)
            entries.setdefault(parent, set()).add(name)
    return entries, listings


def names_of(inodes: AbstractSet[int], known: Mapping[bytes, Folder]) -> dict[bytes, set[bytes]]:
    """Return all names of some inodes by folder."""
    found = {}
    for path, folder in known.items():
        columns = folder.stats[INODE::WIDTH]
        if not inodes.isdisjoint(columns):
            found[path] = {name for name, inode in zip(folder.names, columns) if inode in inodes}
    return found
