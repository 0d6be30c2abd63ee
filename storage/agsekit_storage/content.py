"""The bytes of files: read without following links, copied with their holes, and named by a digest."""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple, Optional

from agsekit_storage import xattr
from agsekit_storage.blocks import BLOCK, ReadFailed, read_blocks, read_exactly, write_all
from agsekit_storage.tree import DIGEST_SIZE, GID, MODE, MTIME, UID, Row, clamp_row, stat_row

_TRIES = 4
_PAUSE = 0.03
"""A file that is being written gets this many tries, this many seconds apart, to hold still."""

_SMALL = 64 * 1024
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotARegularFile(OSError):
    """What was a regular file when the folder was walked is something else now."""


class Saved(NamedTuple):
    """A file that was copied: the columns it had, what was read, and whether it held still."""

    row: Row
    digest: bytes
    xattrs: Optional[bytes]
    stable: bool


class ContentDigest:
    """BLAKE2b over the blocks of a file, with runs of zero blocks replaced by their positions.

    Blocks are 128 KiB and aligned. A file without an all-zero block gets the plain BLAKE2b (160 bits) of its
    content; one with such blocks gets BLAKE2b, personalised `agsekit-holes`, over the digest of the other blocks,
    the length, and (first block, number of blocks) of every run as little-endian 64-bit numbers. A hole and
    written zeros give the same digest, and a terabyte of holes costs nothing.
    """

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=DIGEST_SIZE)
        self._runs: list[tuple[int, int]] = []

    def add(self, block: bytes) -> None:
        """Take the next block that is not all zeros."""
        self._hash.update(block)

    def skip(self, first: int, count: int) -> None:
        """Take `count` zero blocks starting with block number `first`."""
        if self._runs and sum(self._runs[-1]) == first:
            start, length = self._runs.pop()
            self._runs.append((start, length + count))
        else:
            self._runs.append((first, count))

    def finish(self, size: int) -> bytes:
        """Return the digest of a file of `size` bytes."""
        if not self._runs:
            return self._hash.digest()
        holes = blake2b(self._hash.digest(), digest_size=DIGEST_SIZE, person=b"agsekit-holes")
        holes.update(struct.pack("<q", size))
        for run in self._runs:
            holes.update(struct.pack("<qq", *run))
        return holes.digest()


def digest_of(fd: int, size: int) -> bytes:
    """Return the content digest of an open regular file."""
    digest = ContentDigest()
    for number, data, count in read_blocks(fd, size):
        if data is None:
            digest.skip(number, count)
        else:
            digest.add(data)
    return digest.finish(size)


def copy_content(source: int, destination: int, size: int) -> bytes:
    """Copy `size` bytes between open files, leaving holes where there are zeros, and return the digest."""
    if 0 < size <= _SMALL:
        # Nearly all files are: one read and one write, and none of the bookkeeping for holes.
        content = read_exactly(source, 0, size)
        if content:
            write_all(destination, content, 0)
        return blake2b(content, digest_size=DIGEST_SIZE).digest()
    digest = ContentDigest()
    end = 0
    for number, data, count in read_blocks(source, size):
        if data is None:
            digest.skip(number, count)
            end = (number + count) * BLOCK
            continue
        digest.add(data)
        offset = number * BLOCK
        write_all(destination, data, offset)
        end = offset + len(data)
    if end < size or size > BLOCK:
        os.ftruncate(destination, end)
    return digest.finish(end)


def open_regular(name: bytes, folder: int) -> tuple[int, os.stat_result]:
    """Open a regular file for reading, whatever a hostile writer put in its place.

    Raises:
        NotARegularFile: a link, FIFO, socket, device or folder is there now.
        FileNotFoundError: it vanished.
        ReadFailed: it may not or cannot be read.
        OSError: this process or machine is out of descriptors or memory.
    """
    try:
        fd = os.open(name, READ_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):
            raise NotARegularFile(error.errno, "not a regular file any more") from None
        if error.errno in (errno.ENOENT, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        raise ReadFailed(error.errno, error.strerror) from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise NotARegularFile(errno.ESTALE, "not a regular file any more")
    return fd, status


def save_file(name: bytes, source_folder: int, destination_folder: int, *, as_name: Optional[bytes] = None) -> Saved:
    """Copy a regular file, with its metadata, into a new file of another folder.

    A file that changes while it is read is read again; if it does not hold still, what was read last stays
    and `stable` is False. On an error nothing is left in the destination.

    Raises:
        NotARegularFile: something else is there now.
        FileNotFoundError: it vanished.
        ReadFailed: it cannot be read.
        OSError: the copy cannot be written.
    """
    target = name if as_name is None else as_name
    source, before = open_regular(name, source_folder)
    try:
        destination = os.open(target, CREATE_FLAGS, 0o600, dir_fd=destination_folder)

        try:
            saved = settle(source, before, _Copy(destination))
            apply_metadata(destination, saved.row, saved.xattrs, new=True)
            return saved
        except BaseException:
            os.unlink(target, dir_fd=destination_folder)
            raise
        finally:
            os.close(destination)
    finally:
        os.close(source)


class _Copy:
    """Copies into one file, again from the beginning when it is called again."""

    def __init__(self, destination: int) -> None:
        self._destination = destination
        self._written = False

    def __call__(self, fd: int, size: int) -> bytes:
        # Not for a new file: ext4 takes a truncation to 0 for a replacement and writes such files out at close.
        if self._written:
            os.ftruncate(self._destination, 0)
        self._written = True
        return copy_content(fd, self._destination, size)


def settle(fd: int, before: os.stat_result, take: Callable[[int, int], bytes]) -> Saved:
    """Let `take(fd, size)` read an open file and return its digest, again while the file changes meanwhile."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
            before = os.fstat(fd)
        digest = take(fd, before.st_size)
        after = os.fstat(fd)
        stable = _same(before, after)
        if stable:
            break
    return Saved(clamp_row(stat_row(after if stable else before)), digest, xattr.read(fd), stable)


def apply_metadata(fd: int, row: Row, attributes: Optional[bytes], *, new: bool = False) -> None:
    """Give an open file or folder the owner (where allowed), mode, attributes and times of a row.

    Setuid and setgid bits of files are not set: a restored file must not lend anyone's rights. With `new` the file
    was just made, in a folder that hands on no attributes.
    """
    mode = stat.S_IMODE(row[MODE])
    if not stat.S_ISDIR(row[MODE]):
        mode &= ~(stat.S_ISUID | stat.S_ISGID)
    give_owner(fd, os.fstat(fd), row)
    if attributes is not None or not new:
        xattr.write(fd, attributes)
    os.fchmod(fd, mode)
    os.utime(fd, ns=(row[MTIME], row[MTIME]))


def give_owner(fd: int, status: os.stat_result, row: Row) -> None:
    """Change owner and group where the user may; what is not allowed stays as it is."""
    uid, gid = row[UID], row[GID]
    if (status.st_uid, status.st_gid) == (uid, gid):
        return
    try:
        os.fchown(fd, uid, gid)
    except PermissionError:
        try:
            os.fchown(fd, -1, gid)
        except PermissionError:
            pass


def make_link(name: bytes, target: bytes, row: Row, folder: int) -> None:
    """Make a symbolic link with the owner (where allowed) and the time of a row."""
    os.symlink(target, name, dir_fd=folder)
    if os.geteuid() == 0:
        os.chown(name, row[UID], row[GID], dir_fd=folder, follow_symlinks=False)
    os.utime(name, ns=(row[MTIME], row[MTIME]), dir_fd=folder, follow_symlinks=False)


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
