"""Copies between the user's terminal and a private one: bytes, window size, and the modes of the terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from typing import Protocol

from agsekit.screen_modes import ScreenModes

_CHUNK = 32 * 1024
_LIMIT = 128 * 1024
_STOP_CHECKS = (0.1, 0.5)  # seconds after the last key; a program that was told to stop has done so by then
_NUDGE = 0.05  # seconds between the two sizes that make a program draw itself again
_REMNANT = 0.5  # seconds of silence after the exit, should something else still hold the terminal
_STUCK = 5.0  # seconds without the user's terminal taking a byte, after which the rest is given up


class Observer(Protocol):
    """Something that sees what passes through a private terminal."""

    def see_output(self, data: bytes) -> None:
        """Take note of what the program prints."""
        ...

    def see_keys(self, data: bytes) -> bytes:
        """Take note of what the user types, and return what of it goes to the program."""
        ...


class Relay:
    """A private terminal, `slave`, and everything that passes between it and the user's.

    Data waits in two buffers of limited size: when one side reads slowly, the other is not read.
    `hung_up` turns True when the user's terminal is gone. `modes` are those it had at the start.
    """

    def __init__(self, stdin_fd: int, stdout_fd: int, observer: Observer | None = None) -> None:
        self._observer = observer
        self._input, self._user = stdin_fd, stdin_fd
        self._output, self._output_is_ours = _open_again(stdout_fd)
        self.modes = termios.tcgetattr(stdin_fd)
        self._master, self.slave = os.openpty()
        os.set_blocking(self._master, False)
        termios.tcsetattr(self.slave, termios.TCSANOW, self.modes)
        self._to_user = bytearray()
        self._to_program = bytearray()
        self._stop_checks: list[float] = []
        self._nudge_until: float | None = None
        self._ended = False
        self._screen = ScreenModes()
        self.hung_up = False
        self.copy_size()

    def close_slave(self) -> None:
        """Close this side's copy of the slave, once the program has its own."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def close(self) -> None:
        """Close the private terminal."""
        self.close_slave()
        os.close(self._master)
        if self._output_is_ours:
            os.close(self._output)

    # The user's terminal

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Hand every key on as it is while this is entered; then the terminal is as it was before."""
        try:
            self.enter_raw()
            yield
        finally:
            self.leave_raw()

    def enter_raw(self) -> None:
        """Put the user's terminal into raw mode. Stops, like any program, while it is in the background."""
        with contextlib.suppress(termios.error):
            tty.setraw(self._user, termios.TCSANOW)

    def leave_raw(self) -> None:
        """Put the user's terminal back into the modes it had at the start."""
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._user, termios.TCSANOW, self.modes)

    def tell(self, data: bytes) -> None:
        """Send something of our own to the user's terminal."""
        self._to_user += data

    @contextlib.contextmanager
    def put_aside(self) -> Iterator[None]:
        """Put away what the program has on the screen for as long as this is entered; then it draws itself again."""
        self._to_user += self._screen.off() + b"\r\n"
        self.flush()
        self.leave_raw()
        try:
            yield
        finally:
            self.enter_raw()
            self._to_user += self._screen.on()
            self._stop_checks = []
            self.nudge()

    def copy_size(self) -> None:
        """Give the private terminal the window size of the user's."""
        self._nudge_until = None
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(self._user, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def nudge(self) -> None:
        """Make the program draw itself again: its window loses a column for a moment."""
        with contextlib.suppress(OSError):
            rows, columns, *pixels = struct.unpack("HHHH", fcntl.ioctl(self._user, termios.TIOCGWINSZ, b"\0" * 8))
            if columns > 1:
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns - 1, *pixels))
                self._nudge_until = time.monotonic() + _NUDGE

    def foreground_stopped(self) -> bool:
        """Say whether the program stopped itself, which its parent outside a sandbox is not told of.

        Looks only shortly after a key was pressed; Linux only.
        """
        now = time.monotonic()
        if not self._stop_checks or self._stop_checks[0] > now:
            return False
        while self._stop_checks and self._stop_checks[0] <= now:
            del self._stop_checks[0]
        try:
            group = os.tcgetpgrp(self._master)
            with open(f"/proc/{group}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] == b"T"
        except (OSError, IndexError):
            return False

    # The bytes

    def show(self, text: str) -> None:
        """Show something of agsekit's own on the user's terminal, between what the program prints."""
        self._to_user += text.replace("\n", "\r\n").encode("utf-8", "backslashreplace")

    def step(self, others: Sequence[int], *, until: float | None = None) -> list[int]:
        """Copy what can be copied; wait until there is something, or one of `others` is readable.

        Waits no longer than `until`, by the clock that never goes back. Returns those of `others` that are readable.
        """
        reading = list(others)
        if not self.hung_up and len(self._to_program) < _LIMIT:
            reading.append(self._input)
        if not self._ended and len(self._to_user) < _LIMIT:
            reading.append(self._master)
        writing = [self._output] if self._to_user else []
        if self._to_program and not self._ended:
            writing.append(self._master)
        readable, writable, _broken = select.select(reading, writing, [], self._patience(until))
        self._copy(readable, writable)
        if self._nudge_until is not None and time.monotonic() >= self._nudge_until:
            self.copy_size()
        return [descriptor for descriptor in others if descriptor in readable]

    def _patience(self, until: float | None) -> float | None:
        moments = [*self._stop_checks[:1], *(moment for moment in (self._nudge_until, until) if moment is not None)]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _copy(self, readable: Sequence[int], writable: Sequence[int]) -> None:
        if self._master in readable:
            self._read_program()
        if self._input in readable:
            self._read_user()
        if self._output in writable:
            self._write_user()
        if self._master in writable and self._to_program:
            with contextlib.suppress(OSError):
                del self._to_program[: os.write(self._master, self._to_program[:_CHUNK])]

    def _read_program(self) -> None:
        try:
            received = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has the other side open any more
            received = b""
        self._ended = not received
        self._screen.follow(received)
        self._to_user += received
        if self._observer:
            self._observer.see_output(received)

    def _read_user(self) -> None:
        try:
            received = os.read(self._input, _CHUNK)
        except OSError:
            received = b""
        if not received:  # raw terminals have no end of file: this one is gone
            self.hung_up = True
        self._to_program += self._observer.see_keys(received) if self._observer else received
        now = time.monotonic()
        self._stop_checks = [now + delay for delay in _STOP_CHECKS]

    def _write_user(self) -> None:
        try:
            del self._to_user[: os.write(self._output, self._to_user[:_CHUNK])]
        except BlockingIOError:
            pass
        except OSError:  # the terminal is gone; the program must not block on it
            self.hung_up = True
            self._to_user.clear()

    def flush(self) -> None:
        """Write out what the program has printed so far."""
        while not self._ended and select.select([self._master], [], [], 0)[0] and len(self._to_user) < _LIMIT:
            self._read_program()
        while self._to_user and select.select([], [self._output], [], _STUCK)[1]:
            self._write_user()

    def drain(self) -> None:
        """Copy everything the program printed before it ended."""
        while not self._ended:
            reading = [self._master] if len(self._to_user) < _LIMIT else []
            writing = [self._output] if self._to_user else []
            readable, writable, _broken = select.select(reading, writing, [], _STUCK if writing else _REMNANT)
            if not readable and not writable:
                return
            self._copy(readable, writable)
        self.flush()


def _open_again(descriptor: int) -> tuple[int, bool]:
    """Open a terminal again, to write without blocking and leave the descriptor of the shell as it is."""
    try:
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), True
    except OSError:
        return descriptor, False
