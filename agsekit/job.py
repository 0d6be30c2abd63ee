"""A program in the foreground, watched by a leader process that ends it when agsekit is gone.

Call from a process with one thread only: the leader is forked without an exec.
"""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass

from agsekit.leader import CONTINUE, HOLD, KILL, SIGNALS, Session, Start, lead

__all__ = ["Event", "Job", "Session", "Start", "start"]

_REQUESTS = {number: request for request, number in SIGNALS.items()}


@dataclass(frozen=True)
class Event:
    """What happened to the program: `started` (its process id), `stopped`, `exit` (its code), `error` (errno)."""

    kind: str
    value: int = 0


class Job:
    """A started program. `events` becomes readable when `read_events` has something to tell."""

    def __init__(self, leader: int, channel: socket.socket) -> None:
        self._leader = leader
        self._channel = channel
        self._received = b""
        self.events = channel.fileno()

    def read_events(self) -> list[Event]:
        """Return what happened since the last call; a leader that is gone counts as a program killed."""
        received = self._channel.recv(4096)
        if not received:
            return [Event("exit", 128 + signal.SIGKILL)]
        *lines, self._received = (self._received + received).split(b"\n")
        return [_decode(line) for line in lines]

    def send(self, number: int) -> None:
        """Send a signal to what is in the foreground of the job; TERM and HUP are followed by KILL."""
        self._request(_REQUESTS[signal.Signals(number)])

    def stop(self) -> None:
        """Stop the program where it stands, until `resume`."""
        self._request(HOLD)

    def resume(self) -> None:
        """Continue a stopped program."""
        self._request(CONTINUE)

    def kill(self) -> None:
        """End the program at once."""
        self._request(KILL)

    def _request(self, request: bytes) -> None:
        try:
            self._channel.sendall(request)
        except OSError:
            pass  # the leader has ended; read_events says so

    def close(self) -> None:
        """Let go of the job: what is still running ends at once. Repeatable."""
        self._channel.close()
        if self._leader:
            os.waitpid(self._leader, 0)
            self._leader = 0


def _decode(line: bytes) -> Event:
    kind, _space, value = line.decode("ascii").partition(" ")
    return Event(kind, int(value or 0))


def start(what: Start) -> Job:
    """Start a program under a leader; a program that cannot be executed is reported as an `error` event."""
    ours, theirs = socket.socketpair()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        leader = os.fork()
        if leader == 0:
            lead(what, theirs, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    return Job(leader, ours)
