"""Reading and writing the bytes of files block by block, so that holes cost nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import Optional

BLOCK = 128 * 1024
ZEROS = bytes(BLOCK)


class ReadFailed(OSError):
    """A source file is there but cannot be read; any other OSError of a copy means the destination failed."""


def read_blocks(fd: int, size: int) -> Iterator[tuple[int, Optional[bytes], int]]:
    """Yield (block number, data, number of blocks) for `size` bytes; data is None for a run of zero blocks.

    Stops early, without an error, where the file turns out shorter.
    """
    position = 0
    sparse = size > BLOCK and _is_sparse(fd, size)
    while position < size:
        if sparse:
            hole_end = _next_data(fd, position, size)
            whole = (hole_end - position) // BLOCK
            if whole:
                yield position // BLOCK, None, whole
                position += whole * BLOCK
                continue
        block = read_exactly(fd, position, min(BLOCK, size - position))
        if not block:
            return
        if len(block) == BLOCK and block == ZEROS:
            yield position // BLOCK, None, 1
        else:
            yield position // BLOCK, block, 1
        if len(block) < min(BLOCK, size - position):
            return
        position += len(block)


def write_content(destination: int, pieces: Iterable[bytes]) -> int:
    """Write bytes into an open, empty file, leaving holes where whole blocks are zero, and return their number."""
    end = 0
    for piece in pieces:
        if len(piece) < BLOCK:
            write_all(destination, piece, end)
            end += len(piece)
            continue
        view = memoryview(piece)
        for offset in range(0, len(piece), BLOCK):
            block = view[offset : offset + BLOCK]
            if block != ZEROS:
                write_all(destination, block, end + offset)
        end += len(piece)
    os.ftruncate(destination, end)
    return end


def _is_sparse(fd: int, size: int) -> bool:
    return os.fstat(fd).st_blocks * 512 < size


def _next_data(fd: int, position: int, size: int) -> int:
    """Return where the next data begins at or after `position`; `size` when only a hole follows."""
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        if error.errno == errno.EINVAL:
            return position
        raise


def read_exactly(fd: int, position: int, length: int) -> bytes:
    """Return `length` bytes of an open source file, less where it ends.

    Raises:
        ReadFailed: it cannot be read.
    """
    try:
        block = os.pread(fd, length, position)
        while block and len(block) < length:
            more = os.pread(fd, length - len(block), position + len(block))
            if not more:
                break
            block += more
    except OSError as error:
        raise ReadFailed(error.errno, error.strerror) from None
    return block


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at a position of an open file."""
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        written += os.pwrite(fd, data[written:], offset + written)
