"""A position in a folder tree that moves one name at a time and never through a link."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Optional

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say something about this process or machine, and nothing about the file that met them."""

_MOST_OPEN = 12
"""Descriptors kept open on the way down: a snapshot has three cursors, and `ulimit -n` may be 64."""


class _Level:
    __slots__ = ("fd", "status")

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self.fd = fd
        self.status = status


class FolderCursor:
    """Descend into folders by descriptors, so that a link swapped in by a hostile writer is refused.

    A path is never handed to the kernel as a whole: depth is limited neither by PATH_MAX nor by the
    number of open files.

    Args:
        root: the folder to start from. It is opened here (a link at this last name is followed: the
            caller decides what the source is), and closed by `close`.
        on_leave: called with the path and the descriptor of each folder that is left, deepest first.
    """

    def __init__(
        self,
        root: bytes,
        *,
        on_leave: Optional[Callable[[bytes, int], None]] = None,
        follow_root: bool = True,
    ) -> None:
        flags = FOLDER_FLAGS & ~os.O_NOFOLLOW if follow_root else FOLDER_FLAGS
        fd = os.open(root, flags)
        self._levels = [_Level(fd, os.fstat(fd))]
        self._parts: list[bytes] = []
        self._on_leave = on_leave

    @property
    def fd(self) -> int:
        """The descriptor of the folder the cursor stands in; valid until the cursor moves."""
        return self._levels[-1].fd

    @property
    def status(self) -> os.stat_result:
        """The status of the folder the cursor stands in, as it was when it was entered."""
        return self._levels[-1].status

    @property
    def path(self) -> bytes:
        """The path of the folder the cursor stands in, relative to the root."""
        return b"/".join(self._parts)

    @property
    def depth(self) -> int:
        """How many folders below the root the cursor stands."""
        return len(self._parts)

    def enter(self, name: bytes) -> int:
        """Go into the folder `name` and return its descriptor.

        Raises:
            OSError: it is not a folder (a link is not), it vanished, or it may not be read; the
                cursor has not moved.
        """
        levels = self._levels
        fd = os.open(name, FOLDER_FLAGS, dir_fd=levels[-1].fd)
        try:
            status = os.fstat(fd)
        except OSError:
            os.close(fd)
            raise
        levels.append(_Level(fd, status))
        self._parts.append(name)
        if len(levels) > _MOST_OPEN:
            shallow = levels[len(levels) - _MOST_OPEN]
            if shallow.fd >= 0:
                os.close(shallow.fd)
                shallow.fd = -1
        return fd

    def leave(self) -> None:
        """Go back to the folder above.

        Raises:
            OSError: the folder above was moved or replaced meanwhile and cannot be found again.
        """
        level, above = self._levels[-1], self._levels[-2]
        path = self.path
        self._parts.pop()
        try:
            # Before `on_leave`, which may take away the right to go through this folder.
            if above.fd < 0:
                above.fd = self._reopen(level.fd, above.status)
            if self._on_leave:
                self._on_leave(path, level.fd)
        finally:
            self._levels.pop()
            if level.fd >= 0:
                os.close(level.fd)

    def seek(self, path: bytes) -> int:
        """Go to the folder at `path` (relative to the root) by the shortest way and return its descriptor."""
        parts = path.split(b"/") if path else []
        common = 0
        for here, there in zip(self._parts, parts):
            if here != there:
                break
            common += 1
        while len(self._parts) > common:
            self.leave()
        for name in parts[common:]:
            self.enter(name)
        return self.fd

    def close(self) -> None:
        """Leave every folder, the root too, and close all descriptors."""
        try:
            self.seek(b"")
            if self._on_leave:
                self._on_leave(b"", self.fd)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close all descriptors without any further call of `on_leave`."""
        for level in self._levels:
            if level.fd >= 0:
                os.close(level.fd)
                level.fd = -1

    def __enter__(self) -> FolderCursor:
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _reopen(self, child: int, status: os.stat_result) -> int:
        """Find a folder whose descriptor was given up: through `..` when that still leads there."""
        try:
            fd = os.open(b"..", FOLDER_FLAGS, dir_fd=child)
        except OSError:
            pass  # A child without search permission; one that could not be found again has no descriptor.
        else:
            if os.path.samestat(os.fstat(fd), status):
                return fd
            os.close(fd)
        fd = os.dup(self._levels[0].fd)
        for name in self._parts:
            try:
                below = os.open(name, FOLDER_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd
