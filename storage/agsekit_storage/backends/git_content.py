"""The form of a file's content in a blob: as it is, or, for what is mostly zeros, only the rest of it.

git has no holes, and an empty file of a terabyte would keep it busy for hours. So a file of more than 4 MiB of which
at least half are whole blocks (128 KiB) of zeros is stored as

    agsekit-holes 1 NEWLINE  length NEWLINE  { offset SPACE length NEWLINE }  NEWLINE  the bytes of all extents

where all but the extents is zeros; it makes no difference whether they were written or are holes. A file that begins
like that by itself is stored in this form too, as one extent. The digest of a file is the id of its blob.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple, Optional

from agsekit_storage.backends.git_pack import BLOB, KINDS
from agsekit_storage.blocks import BLOCK, read_blocks, read_exactly, write_all, write_content
from agsekit_storage.errors import StoreDamaged

if TYPE_CHECKING:
    from hashlib import _Hash

WHOLE = 4 * 1024 * 1024
"""Up to this size a file is read into memory at once."""
_PIECE = 1024 * 1024
_MAGIC = b"agsekit-holes 1\n"
_LONGEST_HEADER = 1 << 30


class Form(NamedTuple):
    """How a file is stored: a header, empty where it is stored as it is, and parts of it as (offset, length)."""

    header: bytes
    extents: list[tuple[int, int]]

    @property
    def size(self) -> int:
        """The size of the blob."""
        return len(self.header) + sum(length for _, length in self.extents)


def form_of(fd: int, size: int) -> Form:
    """Decide on the form in which the first `size` bytes of an open file are stored."""
    extents = _extents(fd, size) if size > WHOLE else None
    if extents is None:
        extents = [(0, size)] if size else []
        if read_exactly(fd, 0, min(size, len(_MAGIC))) != _MAGIC:
            return Form(b"", extents)
    return Form(b"%s%d\n%s\n" % (_MAGIC, size, b"".join(b"%d %d\n" % extent for extent in extents)), extents)


def needs_no_form(content: bytes) -> bool:
    """Tell whether the whole content of a small file is stored as it is."""
    return not content.startswith(_MAGIC)


def pieces(fd: int, form: Form) -> Iterator[bytes]:
    """Yield the bytes of the blob, fewer where the file has become shorter."""
    if form.header:
        yield form.header
    for offset, length in form.extents:
        end = offset + length
        while offset < end:
            piece = read_exactly(fd, offset, min(_PIECE, end - offset))
            if not piece:
                return
            yield piece
            offset += len(piece)


def blob_id(fd: int, size: int) -> bytes:
    """Return the digest of the content of an open file."""
    form = form_of(fd, size)
    digest = _blob_hash(form.size)
    for piece in pieces(fd, form):
        digest.update(piece)
    return digest.digest()


def restore_content(destination: int, size: int, content: Iterator[bytes]) -> bytes:
    """Write what a blob of `size` bytes stands for into an open, empty file and return the digest.

    Raises:
        StoreDamaged: the blob has no form that this module makes.
    """
    digest = _blob_hash(size)

    def read() -> Iterator[bytes]:
        for piece in content:
            digest.update(piece)
            yield piece

    stream = read()
    first = next(stream, b"")
    if first.startswith(_MAGIC):
        _write_extents(destination, first, stream)
    else:
        write_content(destination, _chain(first, stream))
    return digest.digest()


def _blob_hash(size: int) -> _Hash:
    return sha1(b"%s %d\0" % (KINDS[BLOB], size), usedforsecurity=False)


def _extents(fd: int, size: int) -> Optional[list[tuple[int, int]]]:
    """Return the parts of a file that are not whole blocks of zeros, None when they are more than half of it."""
    extents: list[tuple[int, int]] = []
    left = size // 2
    for number, data, _ in read_blocks(fd, size):
        if data is None:
            continue
        left -= len(data)
        if left < 0:
            return None
        offset = number * BLOCK
        if extents and sum(extents[-1]) == offset:
            start, length = extents.pop()
            extents.append((start, length + len(data)))
        else:
            extents.append((offset, len(data)))
    return extents


def _write_extents(destination: int, first: bytes, stream: Iterator[bytes]) -> None:
    waiting = first
    while b"\n\n" not in waiting and len(waiting) < _LONGEST_HEADER:
        piece = next(stream, b"")
        if not piece:
            break
        waiting += piece
    header, _, waiting = waiting.partition(b"\n\n")
    try:
        length, *lines = header.split(b"\n")[1:]
        extents = [(int(offset), int(count)) for offset, count in (line.split(b" ") for line in lines)]
        total = int(length)
    except ValueError:
        raise StoreDamaged("the list of extents of a file with holes cannot be read") from None
    for offset, count in extents:
        while count:
            waiting = waiting or next(stream, b"")
            if not waiting:
                raise StoreDamaged("a file with holes is cut short in the shadow repository")
            part, waiting = waiting[:count], waiting[count:]
            write_all(destination, part, offset)
            offset += len(part)
            count -= len(part)
    os.ftruncate(destination, total)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
