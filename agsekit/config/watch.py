"""A configuration that may change while a command goes on for days."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from agsekit.config.model import Config
from agsekit.errors import AgsekitError

POLL_SECONDS = 1.0
"""How often to look; a look is one system call."""


class WatchedConfig:
    """The configuration as it last was valid: `config`.

    Args:
        path: the file; editors replace it as well as write into it.
        load: reads it.

    Raises:
        ConfigError: it is invalid from the start.
    """

    def __init__(self, path: Path, load: Callable[[], Config]) -> None:
        self._path = path
        self._load = load
        self._stamp = self._seen = self._look()
        self.config = load()

    def refresh(self) -> tuple[bool, Optional[AgsekitError]]:
        """Read the file again if it changed; tell whether `config` is another one, and what is wrong with the file.

        A file that cannot be used is told of once, and `config` stays what it was. A change counts when two calls
        have seen it the same, so that a file is not read while it is being written.
        """
        stamp, before = self._look(), self._seen
        self._seen = stamp
        if stamp == self._stamp or stamp != before:
            return False, None
        self._stamp = stamp
        try:
            self.config = self._load()
        except AgsekitError as error:
            return False, error
        return True, None

    def _look(self) -> Optional[tuple[int, ...]]:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
