"""Run a program in the foreground of the user's terminal: on that terminal itself, or on a private one."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, Optional, Protocol

from agsekit import job
from agsekit.engines.base import HostCommand
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import ProgramMissing
from agsekit.relay import Observer, Relay

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_CAUGHT = (*_ENDING, signal.SIGINT, signal.SIGQUIT)
_CAUGHT_WHILE_RELAYING = (signal.SIGTSTP, signal.SIGWINCH, signal.SIGCONT)


class Companion(Observer, Protocol):
    """Something that goes on beside a program in the foreground, and sees a private terminal of it.

    It is attended when one of `descriptors` is readable, and when `due` has come (of the clock that never goes back).
    """

    @property
    def descriptors(self) -> Sequence[int]:
        """What to wait for."""
        ...

    @property
    def due(self) -> Optional[float]:
        """When to attend it at the latest; None when only `descriptors` count."""
        ...

    def attend(self) -> str:
        """Do what there is to do, without waiting; return what the user is to be shown, in whole lines."""
        ...


def run_foreground(
    command: HostCommand,
    *,
    stdin_fd: int = 0,
    stdout_fd: int = 1,
    patience: float = 5.0,
    companion: Optional[Companion] = None,
) -> int:
    """Run a command in the foreground and return its exit code; 128 + N when signal N ended it.

    With `private_terminal`, and when `stdin_fd` and `stdout_fd` are both terminals, the command gets a
    terminal of its own and everything is copied between the two; the user's terminal is put back however
    this ends. With `private_terminal` and anything else, the command has no controlling terminal. Otherwise
    it shares the terminal, or the pipes, of agsekit, and ^C is its business alone.

    SIGHUP (129) and SIGTERM (143) end the command: it gets the same signal, and SIGKILL after `patience`
    seconds or at the second signal. This function then returns, so that the caller can clean up. When
    agsekit itself is killed, the command is killed too. The descriptors in `inherit` are closed. Needs the
    main thread, and no other thread running.

    Raises:
        ProgramMissing: there is no such program.
        EngineError: it cannot be executed.
    """
    try:
        _flush()
        private = command.private_terminal and os.isatty(stdin_fd) and os.isatty(stdout_fd)
        with _Signals(_CAUGHT + _CAUGHT_WHILE_RELAYING if private else _CAUGHT) as signals:
            if private:
                return _on_private_terminal(command, signals, stdin_fd, stdout_fd, patience, companion)
            return _on_shared_descriptors(command, signals, patience, companion)
    finally:
        for descriptor in command.inherit:
            _close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed, or absent: then there is nothing that could come out of order


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        pass


class _Signals:
    """Signals as data: while this is entered they are bytes in the pipe `descriptor`, and change nothing.

    A signal that was ignored before (nohup) stays ignored.
    """

    def __init__(self, caught: Sequence[signal.Signals]) -> None:
        self._caught = caught

    def __enter__(self) -> _Signals:
        self.descriptor, self._writing = os.pipe()
        for end in (self.descriptor, self._writing):
            os.set_blocking(end, False)
        self._waker = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers: dict[signal.Signals, Any] = {}
        for number in self._caught:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._waker)
        os.close(self.descriptor)
        os.close(self._writing)

    def arrived(self) -> list[int]:
        """Return the numbers of the signals since the last call, oldest first."""
        try:
            return list(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []

    def suspend(self) -> bool:
        """Stop the process group of agsekit as ^Z would; return when it is continued.

        Returns False at once where nobody could continue it: the caller ignores ^Z.
        """
        if signal.SIGTSTP not in self._handlers:
            return False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(0, signal.SIGTSTP)  # the kernel drops it when no shell of this session waits for us
        finally:
            signal.signal(signal.SIGTSTP, _note)
        return True


def _note(_number: int, _frame: FrameType | None) -> None:
    """Let the wakeup descriptor do the work."""


class _Ending:
    """Turns signals that end agsekit into the end of the job, once gently and then at once."""

    def __init__(self, started: job.Job) -> None:
        self._job = started
        self.number = 0

    def add(self, number: int) -> None:
        if self.number:
            self._job.kill()
        else:
            self.number = number
            self._job.send(number)

    def code(self, exit_code: int) -> int:
        return 128 + self.number if self.number else exit_code


def _on_shared_descriptors(
    command: HostCommand, signals: _Signals, patience: float, companion: Optional[Companion]
) -> int:
    session = job.Session.WITHOUT_TERMINAL if command.private_terminal else job.Session.SHARED
    started = job.start(job.Start(command.argv, command.env, command.inherit, session, patience=patience))
    ending = _Ending(started)
    try:
        while True:
            waiting = [started.events, signals.descriptor, *(companion.descriptors if companion else ())]
            due = companion.due if companion else None
            left = None if due is None else max(0.0, due - time.monotonic())
            ready, _writable, _broken = select.select(waiting, [], [], left)
            if companion and _wants_attention(companion, ready):
                sys.stderr.write(companion.attend())
                sys.stderr.flush()
            for number in signals.arrived() if signals.descriptor in ready else ():
                if number in _ENDING:
                    ending.add(number)
                elif number in (signal.SIGINT, signal.SIGQUIT) and session is not job.Session.SHARED:
                    started.send(number)
            for event in started.read_events() if started.events in ready else ():
                if event.kind == "exit":
                    return ending.code(event.value)
                _raise_if_not_started(event, command)
    finally:
        started.close()


def _wants_attention(companion: Companion, ready: Sequence[int]) -> bool:
    due = companion.due
    return (due is not None and due <= time.monotonic()) or any(each in ready for each in companion.descriptors)


def _raise_if_not_started(event: job.Event, command: HostCommand) -> None:
    if event.kind != "error":
        return
    if isinstance(OSError(event.value, ""), FileNotFoundError):
        raise ProgramMissing(command.argv[0])
    raise EngineError(
        _("{program} cannot be started: {reason}").format(program=command.argv[0], reason=os.strerror(event.value))
    )


def _on_private_terminal(
    command: HostCommand,
    signals: _Signals,
    stdin_fd: int,
    stdout_fd: int,
    patience: float,
    companion: Optional[Companion],
) -> int:
    relay = Relay(stdin_fd, stdout_fd, companion)
    try:
        started = job.start(
            job.Start(
                command.argv,
                command.env,
                command.inherit,
                job.Session.OWN_TERMINAL,
                relay.slave,
                patience,
                user_terminal=stdin_fd,
                user_modes=relay.modes,
            )
        )
        relay.close_slave()
        try:
            with relay.raw():
                return _relay_until_exit(command, signals, relay, started, companion)
        finally:
            started.close()
    finally:
        relay.close()


def _relay_until_exit(
    command: HostCommand, signals: _Signals, relay: Relay, started: job.Job, companion: Optional[Companion]
) -> int:
    ending = _Ending(started)
    while True:
        waiting = [started.events, signals.descriptor, *(companion.descriptors if companion else ())]
        ready = relay.step(waiting, until=companion.due if companion else None)
        if companion and _wants_attention(companion, ready):
            relay.show(companion.attend())
        for number in signals.arrived() if signals.descriptor in ready else ():
            if number in _ENDING:
                ending.add(number)
            elif number in (signal.SIGINT, signal.SIGQUIT):
                started.send(number)
            elif number == signal.SIGTSTP:
                _suspend(signals, relay, started)
            elif number == signal.SIGCONT:
                relay.enter_raw()
                relay.nudge()
            elif number == signal.SIGWINCH:
                relay.copy_size()
        if relay.hung_up and not ending.number:
            ending.add(signal.SIGHUP)
        for event in started.read_events() if started.events in ready else ():
            if event.kind == "exit":
                relay.drain()
                return ending.code(event.value)
            if event.kind == "stopped":
                _suspend(signals, relay, started)
            _raise_if_not_started(event, command)
        if relay.foreground_stopped():
            _suspend(signals, relay, started)


def _suspend(signals: _Signals, relay: Relay, started: job.Job) -> None:
    """Give the terminal back to the user's shell until it continues agsekit, then continue the job."""
    relay.flush()
    relay.leave_raw()
    try:
        signals.suspend()
    finally:
        relay.enter_raw()
    started.resume()
    relay.nudge()
