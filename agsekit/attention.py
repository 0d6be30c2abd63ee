"""Getting the user's attention while a program has the terminal, and asking what to do about it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from collections.abc import Iterator
from typing import Any, Optional, Protocol

from agsekit.job import Job
from agsekit.relay import Relay
from agsekit.signals import Signals

_LONGEST_ANSWER = 1024


class Watcher(Protocol):
    """What wants to be heard while a program runs.

    `descriptor` is readable when there is something to see to, and negative once there will be nothing any more.
    """

    @property
    def descriptor(self) -> int: ...

    def attend(self, program: Foreground) -> None:
        """See to what there is. Called in the main thread; the program goes on unless it is told otherwise."""
        ...


class Foreground:
    """A program in the foreground, and the user's terminal.

    Attributes:
        process: the program's process id on the host, 0 as long as it has none.
        ended: it was ended here.
    """

    def __init__(self, job: Job, signals: Signals, stdin_fd: int, stdout_fd: int, relay: Optional[Relay]) -> None:
        self.process = 0
        self.ended = False
        self._job = job
        self._signals = signals
        self._input, self._output = stdin_fd, stdout_fd
        self._relay = relay
        self._interactive = os.isatty(stdin_fd) and os.isatty(stdout_fd)
        self._modes = _modes(stdin_fd) if self._interactive else None

    @property
    def interactive(self) -> bool:
        """True where somebody can be asked."""
        return self._interactive

    def bell(self) -> None:
        """Ring the bell of the terminal, if there is one; what is on the screen stays as it is."""
        if self._relay:
            self._relay.tell(b"\a")
        elif self._interactive:
            self._write("\a")

    @contextlib.contextmanager
    def terminal_back(self) -> Iterator[None]:
        """Have the terminal back for as long as this is entered, in the modes it had before the program."""
        if self._relay:
            with self._relay.put_aside():
                yield
        elif self._modes is not None:
            self._job.stop()
            modes = _modes(self._input)
            _set_modes(self._input, self._modes)
            try:
                yield
            finally:
                _set_modes(self._input, modes)
                self._job.resume()
        else:
            yield

    def ask(self, question: str) -> Optional[str]:
        """Return the line that the user answers, None when nobody does: no terminal, its end, or a signal to end.

        Enter `terminal_back` first. ^C is an empty answer.
        """
        if not self._interactive:
            return None
        with contextlib.suppress(termios.error):
            termios.tcflush(self._input, termios.TCIFLUSH)  # keys that were meant for the program
        self._write(question)
        while True:
            ready, _writable, _broken = select.select([self._input, self._signals.descriptor], [], [])
            if self._signals.descriptor in ready:
                arrived = self._signals.arrived()
                ending = [number for number in arrived if number in (signal.SIGTERM, signal.SIGHUP)]
                if ending:
                    self._signals.keep(ending)
                    return None
                if signal.SIGINT in arrived:
                    self._write("\n")
                    return ""
            if self._input in ready:
                return self._read_line()

    def say(self, text: str) -> None:
        """Write a line on the terminal, or without one on standard error. Enter `terminal_back` first."""
        self._write(text + "\n")

    def end(self) -> None:
        """End the program at once."""
        self.ended = True
        self._job.kill()

    def _read_line(self) -> Optional[str]:
        try:
            received = os.read(self._input, _LONGEST_ANSWER)
        except BlockingIOError:
            return ""
        except OSError:
            return None
        return received.decode("utf-8", "replace").strip() if received else None

    def _write(self, text: str) -> None:
        # Without a terminal, standard output belongs to the results of the program.
        with contextlib.suppress(OSError):
            os.write(self._output if self._interactive else 2, text.encode("utf-8", "replace"))


def _modes(descriptor: int) -> Optional[list[Any]]:
    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None


def _set_modes(descriptor: int, modes: Optional[list[Any]]) -> None:
    if modes is not None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
