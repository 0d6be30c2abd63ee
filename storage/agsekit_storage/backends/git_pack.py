"""Packs: the files in which git keeps many objects (gitformat-pack(5)), written in one go.

Objects are stored whole and compressed at the fastest level: writing is what a user waits for, and git's own
repacking finds the deltas later.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from hashlib import sha1
from itertools import accumulate
from pathlib import Path

COMMIT, TREE, BLOB = 1, 2, 3
KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
ID_SIZE = 20

_LEVEL = 1
_SMALL = 64 * 1024
_CHUNK = 1024 * 1024
_FIRST_LARGE_OFFSET = 1 << 31


class CutShort(Exception):
    """A stream of content ended before the length that was promised."""


def object_id(kind: int, data: bytes) -> bytes:
    """Return git's id of an object."""
    digest = sha1(b"%s %d\0" % (KINDS[kind], len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.digest()


class PackWriter:
    """Writes one pack into a new file; an object that it holds already is not written again.

    Attributes:
        known: ids of objects that the repository holds already, which are not written either.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "x+b", buffering=_CHUNK, opener=_private)  # noqa: SIM115 - closed by close()
        self.known: frozenset[bytes] = frozenset()
        self._entries: dict[bytes, tuple[int, int]] = {}
        self._offset = self._file.write(struct.pack(">4sII", b"PACK", 2, 0))

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._entries)

    def add(self, kind: int, data: bytes) -> bytes:
        """Write an object and return its id."""
        identifier = object_id(kind, data)
        if identifier not in self._entries and identifier not in self.known:
            entry = _entry_header(kind, len(data)) + _compress(data)
            self.add_compressed(identifier, entry)
        return identifier

    def add_compressed(self, identifier: bytes, entry: bytes) -> None:
        """Write the entry of an object as another pack holds it: its header, then its compressed data."""
        self._file.write(entry)
        self._entries[identifier] = (self._offset, zlib.crc32(entry))
        self._offset += len(entry)

    def add_stream(self, kind: int, size: int, pieces: Iterable[bytes]) -> bytes:
        """Write an object of `size` bytes without holding it in memory, and return its id.

        Raises:
            CutShort: the pieces end before; nothing was written.
        """
        start = self._offset
        try:
            identifier, checksum = self._write_stream(kind, size, pieces)
        except BaseException:
            self._cut(start)
            raise
        if identifier in self._entries or identifier in self.known:
            self._cut(start)
        else:
            self._entries[identifier] = (start, checksum)
        return identifier

    def _write_stream(self, kind: int, size: int, pieces: Iterable[bytes]) -> tuple[bytes, int]:
        digest = sha1(b"%s %d\0" % (KINDS[kind], size), usedforsecurity=False)
        packer = zlib.compressobj(_LEVEL)
        checksum = 0
        left = size

        def write(compressed: bytes) -> None:
            nonlocal checksum
            checksum = zlib.crc32(compressed, checksum)
            self._offset += self._file.write(compressed)

        write(_entry_header(kind, size))
        for piece in pieces:
            digest.update(piece)
            left -= len(piece)
            write(packer.compress(piece))
        write(packer.flush())
        if left:
            raise CutShort
        return digest.digest(), checksum

    def mark(self) -> tuple[int, int]:
        """Return a point that `rewind` can go back to."""
        return len(self._entries), self._offset

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget everything that was added after a mark."""
        count, offset = mark
        if self._offset != offset:
            while len(self._entries) > count:
                self._entries.popitem()
            self._cut(offset)

    def finish(self, index: Path) -> bytes:
        """Complete the pack, write its index, bring both to the disk, and return the pack's checksum."""
        self._file.seek(0)
        self._file.write(struct.pack(">4sII", b"PACK", 2, len(self._entries)))
        self._file.flush()
        self._file.seek(0)
        digest = sha1(usedforsecurity=False)
        while True:
            piece = self._file.read(_CHUNK)
            if not piece:
                break
            digest.update(piece)
        self._file.write(digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        with open(index, "xb", opener=_private) as file:
            file.write(_index(self._entries, digest.digest()))
            file.flush()
            os.fsync(file.fileno())
        return digest.digest()

    def close(self) -> None:
        """Close the file, whole or not."""
        self._file.close()

    def _cut(self, offset: int) -> None:
        self._file.flush()
        self._file.seek(offset)
        self._file.truncate()
        self._offset = offset


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _compress(data: bytes) -> bytes:
    if len(data) > _SMALL:
        return zlib.compress(data, _LEVEL)
    # For small objects most of the time goes into setting up the compressor; less memory is a third faster.
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 14, 6)
    return packer.compress(data) + packer.flush()


def _entry_header(kind: int, size: int) -> bytes:
    byte = kind << 4 | size & 15
    size >>= 4
    header = bytearray()
    while size:
        header.append(byte | 128)
        byte = size & 127
        size >>= 7
    header.append(byte)
    return bytes(header)


def _index(entries: dict[bytes, tuple[int, int]], pack_checksum: bytes) -> bytes:
    """Return a pack index of version 2."""
    identifiers = sorted(entries)
    per_first_byte = [0] * 256
    for identifier in identifiers:
        per_first_byte[identifier[0]] += 1
    checksums, offsets, large = array("I"), array("I"), array("Q")
    for identifier in identifiers:
        offset, checksum = entries[identifier]
        checksums.append(checksum)
        if offset < _FIRST_LARGE_OFFSET:
            offsets.append(offset)
        else:
            offsets.append(_FIRST_LARGE_OFFSET | len(large))
            large.append(offset)
    content = b"".join(
        (
            b"\377tOc\0\0\0\2",
            _big_endian(array("I", accumulate(per_first_byte))),
            b"".join(identifiers),
            _big_endian(checksums),
            _big_endian(offsets),
            _big_endian(large),
            pack_checksum,
        )
    )
    return content + sha1(content, usedforsecurity=False).digest()


def _big_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()
