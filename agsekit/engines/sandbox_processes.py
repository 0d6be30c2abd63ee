"""All processes of one sandbox, as the host sees them: below the process that made it, whatever they did since.

What loses its parent in there becomes a child of the sandbox's first process, so nothing gets away.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

_MOST_LOOKS = 1000
_STOPPED = (b"T", b"t")
_PATIENCE = 0.2
_POLL = 0.001


def stop_all_below(process: int) -> Sequence[int]:
    """Stop all processes below one, and return those that were not stopped before, parents before their children.

    A process that is stopped makes no more children, so looking again and again comes to an end.
    """
    if process <= 1:
        return ()  # below these is the whole machine
    stopped: list[int] = []
    seen: set[int] = set()
    for _look in range(_MOST_LOOKS):
        fresh = [(pid, state) for pid, state in _below(process) if pid not in seen]
        if not fresh:
            break
        for pid, state in fresh:
            seen.add(pid)
            if state not in _STOPPED and _send(pid, signal.SIGSTOP):
                stopped.append(pid)
                _await_stop(pid)
    return stopped


def _await_stop(pid: int) -> None:
    """Wait until a process has stopped: a shell that still runs when its job stops would take that for ^Z.

    One that the kernel keeps busy stops as soon as it is back; it is not waited for long.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and _status(str(pid))[0] not in (*_STOPPED, b"Z", b""):
        time.sleep(_POLL)


def let_go_on(processes: Sequence[int]) -> None:
    """Let processes go on, children first: a shell must not find its job stopped and think that ^Z was pressed."""
    for pid in reversed(processes):
        _send(pid, signal.SIGCONT)


def _below(process: int) -> list[tuple[int, bytes]]:
    """Return the processes below one, each with the letter of its state, parents before their children."""
    children: dict[int, list[tuple[int, bytes]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            state, parent = _status(name)
            children.setdefault(parent, []).append((int(name), state))
    found: list[tuple[int, bytes]] = []
    waiting = [process]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += [pid for pid, _state in below]
    return found


def _status(pid: str) -> tuple[bytes, int]:
    """Return the letter of the state of a process, empty when it has ended, and its parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return b"", -1
    return state, int(parent)


def _send(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
