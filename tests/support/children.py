"""Running a part of a test in a child process, which may be killed, be without rights, or meet errors."""

from __future__ import annotations

import os
import pathlib
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, Optional, TypeVar

T = TypeVar("T")

NOBODY = 65534

WATCHED = (
    "open",
    "mkdir",
    "link",
    "symlink",
    "rename",
    "replace",
    "unlink",
    "rmdir",
    "write",
    "pwrite",
    "pread",
    "ftruncate",
    "fsync",
    "utime",
    "chmod",
    "fchmod",
    "readlink",
    "scandir",
    "listdir",
)
"""The functions of `os` that count as system calls."""


class Outcome(NamedTuple):
    """How a child ended: with a value, with an exception, or killed by a signal."""

    value: Any
    error: Optional[BaseException]
    signal: int


def run_in_child(action: Callable[[], object]) -> Outcome:
    """Run `action` in a forked child and return how that ended; what it returns has to be picklable."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _act(action, writing)
    os.close(writing)
    with open(reading, "rb") as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Outcome(None, None, os.WTERMSIG(status))
    value, error = pickle.loads(answer)  # noqa: S301 - our own child wrote it
    return Outcome(value, error, 0)


def value_from_child(action: Callable[[], T]) -> T:
    """Run `action` in a child and return its value, or raise what it raised."""
    outcome = run_in_child(action)
    if outcome.error is not None:
        raise outcome.error
    assert not outcome.signal
    value: T = outcome.value
    return value


def _act(action: Callable[[], object], writing: int) -> None:
    send, leave = os.write, os._exit
    try:
        try:
            answer = pickle.dumps((action(), None))
        except BaseException as error:
            error.__cause__ = error.__context__ = None
            try:
                answer = pickle.dumps((None, error))
                pickle.loads(answer)  # noqa: S301 - to see that the parent can
            except Exception:
                answer = pickle.dumps((None, RuntimeError(traceback.format_exc())))
        while answer:
            answer = answer[send(writing, answer) :]
    finally:
        leave(0)


def without_rights() -> None:
    """Give up the rights of root for good; call it in a child."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def at_call(number: int, do: Callable[[str], None]) -> Callable[[], int]:
    """Call `do` with the name of the function right before the `number`-th system call from now on.

    For a child process only: it changes the `os` module. Returns a function that tells how many there were.
    """
    count = 0

    def watch(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == number:
                do(name)
            return function(*arguments, **options)

        return watched

    # Python 3.9 keeps its own references for pathlib.
    accessor = getattr(pathlib, "_NormalAccessor", None)
    for name in WATCHED:
        watched = watch(name, getattr(os, name))
        setattr(os, name, watched)
        if accessor is not None and hasattr(accessor, name):
            setattr(accessor, name, staticmethod(watched))
    return lambda: count


def kill_at_call(number: int) -> Callable[[], int]:
    """Kill this process, as `kill -9` does, right before the `number`-th system call."""
    return at_call(number, lambda name: os.kill(os.getpid(), signal.SIGKILL))


def fail_at_call(number: int, error: int) -> Callable[[], int]:
    """Let the `number`-th system call fail with an error number."""

    def fail(name: str) -> None:
        raise OSError(error, os.strerror(error), f"injected into os.{name}")

    return at_call(number, fail)
