"""Reading objects of the shadow repository, large ones piece by piece.

What agsekit wrote is found and read here, in microseconds; what git has repacked as a difference between two objects
is left to libgit2, whose import alone takes longer than the restore of a file.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple, Optional

from agsekit_storage.backends.git_pack import BLOB, COMMIT, ID_SIZE, KINDS, TREE, object_id
from agsekit_storage.errors import StoreDamaged

_CHUNK = 256 * 1024
_WHOLE = 4 * 1024 * 1024
"""Up to this size an object is read at once."""
_MAPPED_AT_ONCE = 64 * 1024
"""Bytes that the kernel maps around the one that is looked at."""
_MOST_MAPPED = 16 * 1024 * 1024
_DAMAGE = (IndexError, struct.error, zlib.error, ValueError, OSError)


class Entry(NamedTuple):
    """Where a pack holds an object: its kind and size, and the position of its header and of its data."""

    kind: int
    size: int
    start: int
    data: int


class Pack:
    """One pack with its index, mapped into memory.

    Raises:
        ValueError, OSError: it cannot be used.
    """

    def __init__(self, index: Path) -> None:
        self.path = index.with_suffix(".pack")
        self._index = _map(index)
        self._pack = _map(self.path)
        if self._index[:8] != b"\377tOc\0\0\0\2":
            raise ValueError("not an index of version 2")
        self._fanout: tuple[int, ...] = struct.unpack_from(">256I", self._index, 8)
        self._count = self._fanout[255]
        self._identifiers = 8 + 256 * 4
        self._looked_at = 0

    def find(self, identifier: bytes) -> Optional[Entry]:
        """Return the entry of an object, None when this pack does not have it."""
        low = self._fanout[identifier[0] - 1] if identifier[0] else 0
        position = bisect_left(self, identifier, low, self._fanout[identifier[0]])
        if position == self._count or self[position] != identifier:
            return None
        return self.entry(self.offset(position))

    def __len__(self) -> int:
        """Return the number of objects."""
        return self._count

    def __getitem__(self, position: int) -> bytes:
        """Return the id at a position of the index, which is sorted."""
        start = self._identifiers + position * ID_SIZE
        return self._index[start : start + ID_SIZE]

    def offset(self, position: int) -> int:
        """Return where the entry of the object at a position of the index begins."""
        offsets = self._identifiers + self._count * (ID_SIZE + 4)
        (offset,) = struct.unpack_from(">I", self._index, offsets + 4 * position)
        if offset & 0x80000000:
            large = offsets + 4 * self._count + 8 * (offset & 0x7FFFFFFF)
            (offset,) = struct.unpack_from(">Q", self._index, large)
        return int(offset)

    def entry(self, start: int) -> Entry:
        """Return what the header of the entry at an offset says."""
        position = start
        byte = self._pack[position]
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 128:
            position += 1
            byte = self._pack[position]
            size |= (byte & 127) << shift
            shift += 7
        self._let_go(size)
        return Entry(kind, size, start, position + 1)

    def entries(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield the id of every object, its kind, and its entry as it stands in the pack, in the pack's order."""
        starts = sorted((self.offset(position), self[position]) for position in range(self._count))
        ends = [start for start, _ in starts[1:]] + [len(self._pack) - ID_SIZE]
        for (start, identifier), end in zip(starts, ends):
            yield identifier, self.entry(start).kind, self._pack[start:end]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content of an object that is stored whole."""
        unpacker = zlib.decompressobj()
        position = entry.data
        left = entry.size
        waiting = b""
        while not unpacker.eof:
            if not waiting:
                waiting = self._pack[position : position + min(_CHUNK, entry.size + 1024)]
                position += len(waiting)
                if not waiting:
                    raise ValueError("the pack is cut short")
            piece = unpacker.decompress(waiting, _CHUNK)
            waiting = unpacker.unconsumed_tail
            left -= len(piece)
            if piece:
                self._let_go(len(piece))
                yield piece
        if left:
            raise ValueError("the object has another length than its header says")

    def _let_go(self, size: int) -> None:
        """Give back the memory of what was read, now and then; the kernel keeps the file at hand all the same."""
        self._looked_at += max(size, _MAPPED_AT_ONCE)
        if self._looked_at > _MOST_MAPPED and hasattr(mmap, "MADV_DONTNEED"):
            self._pack.madvise(mmap.MADV_DONTNEED)
            self._looked_at = 0

    def close(self) -> None:
        """Unmap the files."""
        self._index.close()
        self._pack.close()


class ObjectReader:
    """Finds objects by their ids, in packs and elsewhere."""

    def __init__(self, repository: Path) -> None:
        self._objects = repository / "objects"
        self._packs: Optional[list[Pack]] = None

    def read(self, identifier: bytes, kind: int) -> bytes:
        """Return a whole object.

        Raises:
            StoreDamaged: it is missing, altered, or of another kind.
        """
        try:
            found = self.find(identifier)
            if found is None or found[1].kind not in KINDS:
                actual, data = self._ask_libgit2(identifier)
            else:
                actual, data = found[1].kind, b"".join(found[0].pieces(found[1]))
        except _DAMAGE as error:
            raise _damaged(identifier, str(error)) from None
        if actual != kind or object_id(kind, data) != identifier:
            raise _damaged(identifier, "it is not what it was")
        return data

    def open_blob(self, identifier: bytes) -> tuple[int, Iterator[bytes]]:
        """Return the size of a blob and its content in pieces; a large one is checked against its length only.

        Raises:
            StoreDamaged: it is missing or altered; also while the pieces are read.
        """
        try:
            found = self.find(identifier)
        except _DAMAGE as error:
            raise _damaged(identifier, str(error)) from None
        if found and found[1].kind == BLOB and found[1].size > _WHOLE:
            return found[1].size, _checked(identifier, found[0].pieces(found[1]))
        data = self.read(identifier, BLOB)
        return len(data), iter((data,))

    def check_blob(self, identifier: bytes, *, data: bool) -> None:
        """Make sure that a blob is there and, with `data`, that it is what its id says.

        Raises:
            StoreDamaged: it is not.
        """
        if not data and self.find(identifier):
            return
        size, pieces = self.open_blob(identifier)
        digest = sha1(b"%s %d\0" % (KINDS[BLOB], size), usedforsecurity=False)
        for piece in pieces:
            digest.update(piece)
        if digest.digest() != identifier:
            raise _damaged(identifier, "it is not what it was")

    def close(self) -> None:
        """Close what is open."""
        for pack in self._packs or ():
            pack.close()
        self._packs = None

    def find(self, identifier: bytes) -> Optional[tuple[Pack, Entry]]:
        """Return the pack that holds an object, and where, None when none does."""
        fresh = self._packs is None
        while True:
            if self._packs is None:
                self._packs = list(open_packs(self._objects / "pack"))
            for position, pack in enumerate(self._packs):
                entry = pack.find(identifier)
                if entry:
                    # The next object asked for is most likely a neighbour.
                    self._packs.insert(0, self._packs.pop(position))
                    return pack, entry
            if fresh:
                return None
            # Another process may have repacked since.
            self.close()
            fresh = True

    def _ask_libgit2(self, identifier: bytes) -> tuple[int, bytes]:
        # Opening the objects alone, and not a repository, reads no configuration of anybody.
        import pygit2

        try:
            kind, data = pygit2.Odb(os.fsdecode(self._objects)).read(identifier.hex())
        except KeyError:
            raise ValueError("it is missing") from None
        except pygit2.GitError as error:
            raise ValueError(str(error)) from None
        return int(kind), data


def open_packs(folder: Path) -> Iterator[Pack]:
    """Yield the packs in a folder, the newest first.

    Raises:
        ValueError, OSError: one cannot be used.
    """
    indexes = [path for path in folder.glob("pack-*.idx") if path.with_suffix(".pack").exists()]
    for index in sorted(indexes, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            yield Pack(index)
        except FileNotFoundError:
            continue


def tree_of(objects: ObjectReader, commit: str) -> bytes:
    """Return the id of the top tree of a commit.

    Raises:
        StoreDamaged: there is no such commit.
    """
    identifier = bytes.fromhex(commit)
    content = objects.read(identifier, COMMIT)
    try:
        return bytes.fromhex(content[len(b"tree ") : content.index(b"\n")].decode("ascii"))
    except ValueError:
        raise _damaged(identifier, "it has no tree") from None


def read_tree(objects: ObjectReader, identifier: bytes) -> dict[bytes, tuple[bytes, bytes]]:
    """Return mode and id of every name (in its escaped form) in a tree.

    Raises:
        StoreDamaged: there is no such tree.
    """
    data = objects.read(identifier, TREE)
    entries = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position)
        end = data.find(b"\0", space)
        if space < 0 or end < 0:
            raise _damaged(identifier, "it cannot be read")
        entries[data[space + 1 : end]] = (data[position:space], data[end + 1 : end + 1 + ID_SIZE])
        position = end + 1 + ID_SIZE
    return entries


def _checked(identifier: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except _DAMAGE as error:
        raise _damaged(identifier, str(error)) from None


def _map(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _damaged(identifier: bytes, reason: str) -> StoreDamaged:
    return StoreDamaged(
        "the object {identifier} of the shadow repository cannot be used: {reason}",
        identifier=identifier.hex(),
        reason=reason,
    )
