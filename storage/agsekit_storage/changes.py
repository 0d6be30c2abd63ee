"""What differs between two trees, decided by the columns where they suffice and by content where not."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Optional

from agsekit_storage.content import digest_of
from agsekit_storage.content_reader import ContentReader, Digest, Reader, StoredReader
from agsekit_storage.model import Changes
from agsekit_storage.tree import (
    CTIME,
    GID,
    INODE,
    MODE,
    MTIME,
    NLINK,
    NO_DIGEST,
    SIZE,
    UID,
    WIDTH,
    Folder,
    Row,
    Tree,
    in_walk_order,
    join,
    split,
)


class Comparison(NamedTuple):
    """The changes, and the paths whose content no snapshot holds yet although they did not change."""

    changes: Changes
    unsaved: list[bytes]

    def paths(self) -> Iterator[bytes]:
        """Yield every path that a backend may bring in line with what it saves."""
        changes = self.changes
        for paths in (changes.added, changes.modified, changes.metadata, changes.touched, self.unsaved):
            yield from paths


def compare_stored(previous: Tree, current: Tree) -> Changes:
    """Find what changed between the trees of two snapshots of one store, from what the store knows of both."""
    shared = previous.base and previous.base == current.base
    differing = previous.since_base | current.since_base if shared else None
    return _Comparer(previous, current, StoredReader(current), differing).run().changes


def compare(
    previous: Optional[Tree],
    current: Tree,
    source: bytes,
    *,
    digest: Digest = digest_of,
    differing: Optional[AbstractSet[bytes]] = None,
) -> Comparison:
    """Find what changed from `previous` to `current`, the state of `source` now.

    Where the columns differ but need not mean a change (the ctime or the inode moved, a stamp that could
    hide a second write), the content decides; it is read from `source`. Fills the digests and attributes of
    `current` for everything that is the same as before. `differing` are the folders in which anything can differ, or
    that are gone; all, when that is not known.
    """
    reader = ContentReader(source, digest)
    try:
        return _Comparer(previous, current, reader, differing).run()
    finally:
        reader.close()


class _Comparer:
    def __init__(
        self,
        previous: Optional[Tree],
        current: Tree,
        reader: Reader,
        differing: Optional[AbstractSet[bytes]] = None,
    ) -> None:
        self._before = previous.folders if previous else {}
        self._previous = previous
        self._now = current
        self._reader = reader
        self._changes = Changes()
        self._unsaved: list[bytes] = []
        now = current.folders
        self._compared: Mapping[bytes, Folder] = now if differing is None else _present(differing, now)
        self._removed: Mapping[bytes, Folder] = (
            self._before if differing is None else _present(differing - now.keys(), self._before)
        )
        self._unlistable = frozenset(
            _unlistable_folders(current, now if differing is None else _and_above(differing))
        )

    def run(self) -> Comparison:
        self._compare_root()
        before = self._before
        for path, folder in self._compared.items():
            old = before.get(path)
            if path in self._unlistable:
                continue
            if old is None:
                self._all_added(path, folder)
            elif _nothing_moved(folder, old):
                folder.digests, folder.xattrs = old.digests, old.xattrs
                self._still_missing(path, folder, old)
            else:
                self._compare_folder(path, folder, old)
        self._whole_folders_removed()
        self._touched_earlier()
        return Comparison(self._changes, self._unsaved)

    def _touched_earlier(self) -> None:
        """Add what an earlier walk found touched: no snapshot has its time yet."""
        if self._previous is None or not self._previous.touched:
            return
        changes = self._changes
        listed = {*changes.modified, *changes.metadata, *changes.touched, *changes.added}
        for path, saved in self._previous.touched.items():
            try:
                row = self._now.root if path == b"." else self._now.row(path)
            except KeyError:
                continue
            if path not in listed and row[MTIME] != saved:
                changes.touched.append(path)

    def _still_missing(self, path: bytes, folder: Folder, old: Folder) -> None:
        """See to the names of a folder that look the same and that the snapshot before could not save."""
        for name in sorted(old.missing):
            here = join(path, name)
            if stat.S_ISDIR(folder.row(folder.position(name))[MODE]):
                if here not in self._unlistable:
                    self._changes.metadata.append(here)
                continue
            if self._reader.file(path, name) is None:
                folder.missing.add(name)
                self._unsaved.append(here)
                continue
            self._changes.modified.append(here)
            if folder is old:
                # It is about to change, and the tree before must not.
                self._now.folders[path] = folder = folder.without(frozenset())

    def _compare_root(self) -> None:
        self._now.root_xattrs = self._reader.folder_attributes(b"")
        if self._previous is None:
            return
        old, new = self._previous.root, self._now.root
        if _owner_and_mode(old) != _owner_and_mode(new) or self._previous.root_xattrs != self._now.root_xattrs:
            self._changes.metadata.append(b".")
        elif old[MTIME] != new[MTIME]:
            self._changes.touched.append(b".")

    def _all_added(self, path: bytes, folder: Folder) -> None:
        for position, name in enumerate(folder.names):
            self._changes.added.append(join(path, name))
            if stat.S_ISDIR(folder.stats[position * WIDTH + MODE]):
                self._read_folder_attributes(path, folder, name)

    def _read_folder_attributes(self, path: bytes, folder: Folder, name: bytes) -> Optional[bytes]:
        attributes = self._reader.folder_attributes(join(path, name))
        if attributes is not None:
            folder.xattrs[name] = attributes
        return attributes

    def _compare_folder(self, path: bytes, folder: Folder, old: Folder) -> None:
        positions = old.index()
        for position, name in enumerate(folder.names):
            before = positions.pop(name, None)
            if before is None:
                self._changes.added.append(join(path, name))
                if stat.S_ISDIR(folder.row(position)[MODE]):
                    self._read_folder_attributes(path, folder, name)
                continue
            self._compare_entry(path, folder, position, old, before)
        self._changes.removed += [join(path, name) for name in positions]

    def _compare_entry(self, path: bytes, folder: Folder, position: int, old: Folder, before: int) -> None:
        name = folder.names[position]
        new_row, old_row = folder.row(position), old.row(before)
        kind = stat.S_IFMT(new_row[MODE])
        if kind != stat.S_IFMT(old_row[MODE]):
            self._changes.modified.append(join(path, name))
            if kind == stat.S_IFDIR:
                self._read_folder_attributes(path, folder, name)
        elif kind == stat.S_IFDIR:
            folder.set_digest(position, old.digest(before))
            self._compare_subfolder(path, folder, name, new_row, old_row, old)
        elif kind == stat.S_IFREG:
            self._compare_file(path, folder, position, old, before)
        elif kind == stat.S_IFLNK and folder.links[name] != old.links[name]:
            self._changes.modified.append(join(path, name))
        elif _owner_and_mode(new_row) != _owner_and_mode(old_row):
            self._changes.metadata.append(join(path, name))
        elif new_row[MTIME] != old_row[MTIME]:
            self._changes.touched.append(join(path, name))

    def _compare_subfolder(
        self, path: bytes, folder: Folder, name: bytes, new_row: Row, old_row: Row, old: Folder
    ) -> None:
        attributes = old.xattrs.get(name)
        if name in old.missing and name not in folder.missing:
            self._changes.metadata.append(join(path, name))
            self._read_folder_attributes(path, folder, name)
            return
        if new_row[CTIME] != old_row[CTIME] or not new_row[CTIME]:
            attributes = self._read_folder_attributes(path, folder, name)
        elif attributes is not None:
            folder.xattrs[name] = attributes
        if _owner_and_mode(new_row) != _owner_and_mode(old_row) or attributes != old.xattrs.get(name):
            self._changes.metadata.append(join(path, name))
        elif new_row[MTIME] != old_row[MTIME]:
            self._changes.touched.append(join(path, name))

    def _compare_file(self, path: bytes, folder: Folder, position: int, old: Folder, before: int) -> None:
        name = folder.names[position]
        new_row, old_row = folder.row(position), old.row(before)
        here = join(path, name)
        if new_row[SIZE] != old_row[SIZE]:
            self._changes.modified.append(here)
            return
        if name in old.missing:
            same = _owner_and_mode(new_row) == _owner_and_mode(old_row) and new_row[MTIME] == old_row[MTIME]
            if same and self._reader.file(path, name) is None:
                folder.missing.add(name)
                self._unsaved.append(here)
            else:
                self._changes.modified.append(here)
            return
        digest, attributes = old.digest(before), old.xattrs.get(name)
        if _identity(new_row) != _identity(old_row) or not new_row[CTIME]:
            read = self._reader.file(path, name)
            if read is None or digest in (NO_DIGEST, b"") or read[0] != digest:
                self._changes.modified.append(here)
                return
            attributes = read[1]
        folder.set_digest(position, digest)
        if attributes is not None:
            folder.xattrs[name] = attributes
        if (
            _owner_and_mode(new_row) != _owner_and_mode(old_row)
            or attributes != old.xattrs.get(name)
            or (new_row[INODE] != old_row[INODE] and max(new_row[NLINK], old_row[NLINK]) > 1)
        ):
            self._changes.metadata.append(here)
        elif new_row[MTIME] != old_row[MTIME]:
            self._changes.touched.append(here)

    def _whole_folders_removed(self) -> None:
        now = self._now.folders
        for path, folder in self._removed.items():
            if path not in now and not self._is_unknown(path):
                self._changes.removed += [join(path, name) for name in folder.names]

    def _is_unknown(self, path: bytes) -> bool:
        """Tell whether a folder lies below one that cannot be listed: it may well be there still."""
        while path:
            if path in self._unlistable:
                return True
            path = split(path)[0]
        return False


def _unlistable_folders(tree: Tree, paths: Iterable[bytes]) -> Iterator[bytes]:
    for path in paths:
        folder = tree.folders.get(path)
        if folder is not None and folder.missing:
            modes = dict(zip(folder.names, folder.stats[MODE::WIDTH]))
            yield from (join(path, name) for name in folder.missing if stat.S_ISDIR(modes.get(name, 0)))


def _present(paths: Iterable[bytes], folders: Mapping[bytes, Folder]) -> dict[bytes, Folder]:
    return {path: folders[path] for path in sorted(paths, key=in_walk_order) if path in folders}


def _and_above(paths: Iterable[bytes]) -> set[bytes]:
    found = {b""}
    for path in paths:
        while path not in found:
            found.add(path)
            path = split(path)[0]
    return found


def _nothing_moved(folder: Folder, old: Folder) -> bool:
    """Tell whether the columns prove that nothing happened; two stamps of 0 prove nothing."""
    same = folder is old or (folder.stats == old.stats and folder.names == old.names and folder.links == old.links)
    return same and 0 not in folder.stats[CTIME::WIDTH]


def _owner_and_mode(row: Row) -> tuple[int, int, int]:
    return row[MODE], row[UID], row[GID]


def _identity(row: Row) -> tuple[int, int, int]:
    return row[CTIME], row[INODE], row[MTIME]
