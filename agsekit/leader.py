"""The process between agsekit and a program in the foreground; it outlives agsekit only to end the program.

It is there because

* the kernel discards terminal stop signals in a session whose processes have no parent in the same session,
  so a program on a terminal of its own needs one for ^Z to work;
* it notices when agsekit is gone, however that died, and takes the program along.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import select
import signal
import socket
import termios
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Optional

KILL, CONTINUE, HOLD = b"K", b"C", b"S"
SIGNALS = {b"I": signal.SIGINT, b"Q": signal.SIGQUIT, b"H": signal.SIGHUP, b"T": signal.SIGTERM}
_CAUGHT = tuple(SIGNALS.values())
_TERMINAL_STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Session(enum.Enum):
    """Where a program runs: among the processes of the caller, or in a session of its own."""

    SHARED = "shared"
    WITHOUT_TERMINAL = "without terminal"
    OWN_TERMINAL = "own terminal"


@dataclass(frozen=True)
class Start:
    """What to start. `terminal` is the slave of a pty pair, for `Session.OWN_TERMINAL`.

    `patience` is how many seconds a program has between the signal that asks it to end and SIGKILL.
    `user_terminal` and `user_modes` are what to put back into its modes should agsekit be killed.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    inherit: Sequence[int] = ()
    session: Session = Session.SHARED
    terminal: int = -1
    patience: float = 5.0
    user_terminal: int = -1
    user_modes: Optional[Sequence[Any]] = None


def lead(what: Start, channel: socket.socket, mask: Iterable[int]) -> NoReturn:
    """Be the leader, in a freshly forked process with all signals blocked; `mask` is the mask before."""
    try:
        _Leader(what, channel, mask).run()
    except BaseException:  # a forked copy of agsekit must never get back into its caller
        os._exit(70)
    os._exit(0)


class _Leader:
    """The process between agsekit and the program."""

    def __init__(self, what: Start, channel: socket.socket, mask: Iterable[int]) -> None:
        self._what = what
        self._channel = channel
        self._mask = mask
        self._deadline: float | None = None
        self._child = 0

    def run(self) -> None:
        self._woken, waker = _pipe()
        ours = {self._channel.fileno(), self._woken, waker, self._what.terminal, self._what.user_terminal}
        kept = ours | set(self._what.inherit)
        _close_all_but(kept)
        self._set_up_signals(waker)
        if self._what.session is not Session.SHARED:
            os.setsid()
        if self._what.terminal >= 0:
            fcntl.ioctl(self._what.terminal, termios.TIOCSCTTY, 0)
        self._start()
        try:
            self._watch()
        finally:
            self._signal(signal.SIGKILL)

    def _set_up_signals(self, waker: int) -> None:
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (*_CAUGHT, signal.SIGCHLD):
            if number == signal.SIGCHLD or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        for number in (*_TERMINAL_STOPS, signal.SIGCONT, signal.SIGWINCH):
            alone = number in _TERMINAL_STOPS and self._what.session is not Session.SHARED
            signal.signal(number, signal.SIG_IGN if alone else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _start(self) -> None:
        reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            self._execute(writing)
        os.close(writing)
        for descriptor in self._what.inherit:
            os.close(descriptor)
        problem = os.read(reading, 16)
        os.close(reading)
        self._tell(f"error {int(problem)}" if problem else f"started {self._child}")

    def _execute(self, problem: int) -> NoReturn:
        """Become the program; only the errno comes back, through a pipe that a successful exec closes."""
        try:
            if self._what.session is not Session.SHARED:
                os.setpgid(0, 0)
            if self._what.terminal >= 0:
                os.tcsetpgrp(self._what.terminal, os.getpid())
                for standard in (0, 1, 2):
                    os.dup2(self._what.terminal, standard)
            for descriptor in self._what.inherit:
                os.set_inheritable(descriptor, True)
            for number in (*_TERMINAL_STOPS, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.chdir("/")  # nothing is ever looked up in a folder that an agent writes
            os.execvpe(self._what.argv[0], list(self._what.argv), dict(self._what.env))  # noqa: S606
        except OSError as error:
            os.write(problem, b"%d" % (error.errno or errno.EINVAL))
        except BaseException:
            os.write(problem, b"%d" % errno.EINVAL)
        os._exit(127)

    def _watch(self) -> None:
        while True:
            wait = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            ready, _writable, _broken = select.select([self._channel.fileno(), self._woken], [], [], wait)
            if self._channel.fileno() in ready:
                requests = self._channel.recv(64)
                if not requests:  # agsekit is gone
                    self._restore_user_terminal()
                    return
                for request in requests:
                    self._obey(bytes([request]))
            if self._woken in ready:
                os.read(self._woken, 64)
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._obey(KILL)
            if self._reap():
                break
        # Until agsekit has read what is left on the terminal.
        while self._channel.recv(64):
            pass

    def _restore_user_terminal(self) -> None:
        # Nothing stops this process in the background: the terminal does not control its session.
        if self._what.user_modes is not None:
            try:
                termios.tcsetattr(self._what.user_terminal, termios.TCSANOW, list(self._what.user_modes))
            except termios.error:
                pass  # it is gone as well

    def _reap(self) -> bool:
        untraced = 0 if self._what.session is Session.SHARED else os.WUNTRACED
        pid, status = os.waitpid(self._child, os.WNOHANG | untraced)
        if pid == 0:
            return False
        if os.WIFSTOPPED(status):
            self._tell("stopped")
            return False
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if self._what.session is not Session.SHARED:
            self._signal(signal.SIGKILL)  # what it left running in its groups
        self._child = 0
        if self._what.terminal >= 0:
            os.close(self._what.terminal)  # so that the reader of the other side meets the end
        self._tell(f"exit {code}")
        return True

    def _tell(self, event: str) -> None:
        try:
            self._channel.sendall(event.encode("ascii") + b"\n")
        except OSError:
            pass  # agsekit is gone; the next recv says so

    def _obey(self, request: bytes) -> None:
        if request == KILL:
            self._deadline = None
            self._signal(signal.SIGKILL)
        elif request == HOLD:
            self._signal(signal.SIGSTOP)
        elif request == CONTINUE and self._what.session is Session.SHARED:
            self._signal(signal.SIGCONT)
        elif request == CONTINUE:
            # Its group only: a shell in there that stopped along with its job brings the job back itself.
            _send_to_group(self._child, signal.SIGCONT)
        else:
            number = SIGNALS[request]
            self._signal_foreground(number)
            if number in (signal.SIGTERM, signal.SIGHUP):
                self._signal_foreground(signal.SIGCONT)
                self._deadline = time.monotonic() + self._what.patience

    def _foreground(self) -> int:
        """Return the process group in the foreground of the program's own terminal, 0 when there is none."""
        try:
            return os.tcgetpgrp(self._what.terminal) if self._what.terminal >= 0 else 0
        except OSError:
            return 0

    def _signal_foreground(self, number: int) -> None:
        group = self._foreground()
        if group:
            _send_to_group(group, number)
        else:
            self._signal(number)

    def _signal(self, number: int) -> None:
        """Send a signal to all of the program that can be found: its group, and the one in the foreground."""
        if not self._child:
            return
        if self._what.session is Session.SHARED:
            _send(self._child, number)
            return
        for group in {self._child, self._foreground()} - {0, os.getpgrp()}:
            _send_to_group(group, number)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _send_to_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    return reading, writing


def _close_all_but(kept: set[int]) -> None:
    """Close what the forked copy took along: an open master would keep the terminal alive without agsekit."""
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # the one that listed them
