"""Linux' inotify, through ctypes.

No library fits. watchdog and watchfiles choose what to watch themselves, by path and with ignored folders included,
and run threads, which a protector that forks cannot have. inotify_simple starts `ldconfig` to find the C library
that Python is linked with anyway, and asyncinotify imports asyncio. What is left is three calls and one structure.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from typing import NamedTuple

MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
IS_FOLDER = 0x40000000

CHANGES = MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
"""What may change a folder or what is directly in it. A file that is written through a mapping of the memory is only
told of when it is closed."""

_ONLY_FOLDERS = 0x01000000
_NOTHING_UNLINKED = 0x04000000
_HEAD = struct.Struct("iIII")
_READ_SIZE = 256 * 1024


class Event(NamedTuple):
    """Something happened to a watched folder (`name` is empty), or to the entry `name` of it."""

    watch: int
    mask: int
    name: bytes


class Inotify:
    """A queue of events, and the watches that fill it. `descriptor` is readable when there are any.

    Raises:
        OSError: the system has no inotify (ENOSYS), or the user has too many queues (EMFILE).
    """

    def __init__(self) -> None:
        try:
            import ctypes
        except ImportError:  # a Python that was built without libffi
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        library = ctypes.CDLL(None, use_errno=True)
        self._last_error = ctypes.get_errno
        try:
            begin, self._add, self._remove = (
                library.inotify_init1,
                library.inotify_add_watch,
                library.inotify_rm_watch,
            )
        except AttributeError:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
        self.descriptor: int = self._checked(lambda: int(begin(os.O_NONBLOCK | os.O_CLOEXEC)))

    def add(self, folder: int, mask: int = CHANGES) -> int:
        """Watch the folder behind a descriptor, and return the number of the watch: the one it has, if any.

        By the descriptor, so that no link that is swapped in on the way can lead anywhere else.
        """
        path = b"/proc/self/fd/%d" % folder
        return self._checked(lambda: int(self._add(self.descriptor, path, mask | _ONLY_FOLDERS | _NOTHING_UNLINKED)))

    def remove(self, watch: int) -> None:
        """End a watch, which may have ended by itself; what is in the queue stays there."""
        self._remove(self.descriptor, watch)

    def read(self) -> list[Event]:
        """Return what is in the queue, as far as it fits into one read; empty when nothing is."""
        try:
            data = os.read(self.descriptor, _READ_SIZE)
        except BlockingIOError:
            return []
        events = []
        position = 0
        while position < len(data):
            watch, mask, _cookie, length = _HEAD.unpack_from(data, position)
            position += _HEAD.size + length
            events.append(Event(watch, mask, data[position - length : position].rstrip(b"\0")))
        return events

    def close(self) -> None:
        """End all watches."""
        os.close(self.descriptor)

    def _checked(self, call: Callable[[], int]) -> int:
        while True:
            number = call()
            if number >= 0:
                return number
            error = self._last_error()
            if error != errno.EINTR:
                raise OSError(error, os.strerror(error))
