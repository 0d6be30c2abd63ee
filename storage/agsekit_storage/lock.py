"""One writer at a time: a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agsekit_storage.errors import StoreLocked

_POLL = 0.02


@contextmanager
def exclusive(path: Path, *, wait: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file for the length of a `with` block; `wait` is seconds, `on_wait` is called once.

    Raises:
        StoreLocked: somebody else held it for all of `wait`.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _acquire(fd, path, wait, on_wait)
        yield
    finally:
        os.close(fd)


def _acquire(fd: int, path: Path, wait: float, on_wait: Callable[[], None]) -> None:
    deadline = time.monotonic() + wait
    waiting = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreLocked(
                    "another process is writing to {store}",
                    hint="try again when it has finished; a lock never outlives the process that holds it",
                    store=path.parent.parent,
                ) from None
        if not waiting:
            waiting = True
            on_wait()
        time.sleep(_POLL)
