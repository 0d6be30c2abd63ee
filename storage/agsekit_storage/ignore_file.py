"""Reading a `.backupignore`, which anybody may have replaced by anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Optional

from agsekit_storage.content import READ_FLAGS
from agsekit_storage.cursor import EXHAUSTED
from agsekit_storage.ignore import IGNORE_FILE

_LARGEST = 1024 * 1024


def read_ignore_file(folder: int) -> tuple[Optional[bytes], str]:
    """Return the content of the `.backupignore` in an open folder, and why it cannot be used if so.

    None, and no reason, when there is none. A link is not followed, a FIFO or device not waited for.
    """
    try:
        fd = os.open(IGNORE_FILE, READ_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return None, error.strerror or "cannot be opened"
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None, "not a regular file"
        if status.st_size > _LARGEST:
            return None, "larger than 1 MiB"
        return os.read(fd, _LARGEST), ""
    except OSError as error:
        return None, error.strerror or "cannot be read"
    finally:
        os.close(fd)


class RuleSource:
    """Where the `.backupignore` contents of a walk come from: the folder, or what its caller says instead."""

    def __init__(self, frozen: Optional[Mapping[bytes, bytes]], overrides: Mapping[bytes, Optional[bytes]]) -> None:
        self._frozen = frozen
        self._overrides = overrides

    def __contains__(self, path: bytes) -> bool:
        """Tell whether the caller says something about a folder."""
        return path in self._overrides or (self._frozen is not None and path in self._frozen)

    def folders(self) -> set[bytes]:
        """Return the folders that the caller says something about."""
        return {*self._overrides, *(self._frozen or ())}

    def read(self, folder: int, path: bytes) -> tuple[Optional[bytes], str]:
        """Return the content for a folder, None for none, and why it cannot be used if so."""
        if self._frozen is not None:
            return self._frozen.get(path), ""
        if path in self._overrides:
            return self._overrides[path], ""
        return read_ignore_file(folder)
