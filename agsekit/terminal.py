"""Run a program in the foreground of the user's terminal: on that terminal itself, or on a private one."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Optional, Protocol

from agsekit import job
from agsekit.attention import Foreground, Watcher
from agsekit.engines.base import HostCommand
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import ProgramMissing
from agsekit.relay import Observer, Relay
from agsekit.signals import Signals

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
    watcher: Optional[Watcher] = None,
) -> int:
    """Run a command in the foreground and return its exit code; 128 + N when signal N ended it.

    With `private_terminal`, and when `stdin_fd` and `stdout_fd` are both terminals, the command gets a
    terminal of its own and everything is copied between the two; the user's terminal is put back however
    this ends. With `private_terminal` and anything else, the command has no controlling terminal. Otherwise
    it shares the terminal, or the pipes, of agsekit, and ^C is its business alone.

    SIGHUP (129) and SIGTERM (143) end the command: it gets the same signal, and SIGKILL after `patience`
    seconds or at the second signal. This function then returns, so that the caller can clean up. When
    agsekit itself is killed, the command is killed too. `watcher` is heard while the command runs. The
    descriptors in `inherit` are closed. Needs the main thread, and no other thread running.

    Raises:
        ProgramMissing: there is no such program.
        EngineError: it cannot be executed.
    """
    try:
        _flush()
        private = command.private_terminal and os.isatty(stdin_fd) and os.isatty(stdout_fd)
        with Signals(_CAUGHT + _CAUGHT_WHILE_RELAYING if private else _CAUGHT) as signals:
            if private:
                return _on_private_terminal(command, signals, (stdin_fd, stdout_fd), patience, companion, watcher)
            return _on_shared_descriptors(command, signals, (stdin_fd, stdout_fd), patience, companion, watcher)
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


class _Attention:
    """Lets a watcher be heard in the loops below; without one it does nothing."""

    def __init__(self, watcher: Optional[Watcher], program: Foreground) -> None:
        self._watcher = watcher
        self.program = program

    @property
    def descriptors(self) -> list[int]:
        return [self._watcher.descriptor] if self._watcher and self._watcher.descriptor >= 0 else []

    def attend(self, ready: Sequence[int]) -> None:
        if self._watcher and self._watcher.descriptor in ready:
            self._watcher.attend(self.program)


def _on_shared_descriptors(
    command: HostCommand,
    signals: Signals,
    terminal: tuple[int, int],
    patience: float,
    companion: Optional[Companion],
    watcher: Optional[Watcher],
) -> int:
    session = job.Session.WITHOUT_TERMINAL if command.private_terminal else job.Session.SHARED
    started = job.start(job.Start(command.argv, command.env, command.inherit, session, patience=patience))
    ending = _Ending(started)
    attention = _Attention(watcher, Foreground(started, signals, *terminal, None))
    # ^C reaches a command that shares a terminal by itself; without one the signal was meant for agsekit alone.
    hears_keys = session is job.Session.SHARED and _has_terminal()
    try:
        while True:
            waiting = [started.events, signals.descriptor, *(companion.descriptors if companion else ())]
            waiting += attention.descriptors
            due = companion.due if companion else None
            left = None if due is None else max(0.0, due - time.monotonic())
            ready, _writable, _broken = select.select(waiting, [], [], left)
            if companion and _wants_attention(companion, ready):
                sys.stderr.write(companion.attend())
                sys.stderr.flush()
            for number in signals.arrived() if signals.descriptor in ready else ():
                if number in _ENDING:
                    ending.add(number)
                elif number in (signal.SIGINT, signal.SIGQUIT) and not hears_keys:
                    started.send(number)
            for event in started.read_events() if started.events in ready else ():
                if event.kind == "exit":
                    return ending.code(event.value)
                if event.kind == "started":
                    attention.program.process = event.value
                _raise_if_not_started(event, command)
            attention.attend(ready)
    finally:
        started.close()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


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
    signals: Signals,
    terminal: tuple[int, int],
    patience: float,
    companion: Optional[Companion],
    watcher: Optional[Watcher],
) -> int:
    relay = Relay(*terminal, companion)
    try:
        started = job.start(
            job.Start(
                command.argv,
                command.env,
                command.inherit,
                job.Session.OWN_TERMINAL,
                relay.slave,
                patience,
                user_terminal=terminal[0],
                user_modes=relay.modes,
            )
        )
        relay.close_slave()
        try:
            with relay.raw():
                attention = _Attention(watcher, Foreground(started, signals, *terminal, relay))
                return _relay_until_exit(command, signals, relay, started, companion, attention)
        finally:
            started.close()
    finally:
        relay.close()


def _relay_until_exit(
    command: HostCommand,
    signals: Signals,
    relay: Relay,
    started: job.Job,
    companion: Optional[Companion],
    attention: _Attention,
) -> int:
    ending = _Ending(started)
    while True:
        waiting = [started.events, signals.descriptor, *(companion.descriptors if companion else ())]
        waiting += attention.descriptors
        ready = relay.step(waiting, until=companion.due if companion else None)
        if companion and _wants_attention(companion, ready):
            relay.show(companion.attend())
        for number in signals.arrived() if signals.descriptor in ready else ():
            _obey(number, ending, signals, relay, started)
        if relay.hung_up and not ending.number:
            ending.add(signal.SIGHUP)
        for event in started.read_events() if started.events in ready else ():
            if event.kind == "exit":
                relay.drain()
                return ending.code(event.value)
            if event.kind == "started":
                attention.program.process = event.value
            if event.kind == "stopped":
                _suspend(signals, relay, started)
            _raise_if_not_started(event, command)
        attention.attend(ready)
        if relay.foreground_stopped():
            _suspend(signals, relay, started)


def _obey(number: int, ending: _Ending, signals: Signals, relay: Relay, started: job.Job) -> None:
    """Do what a signal that agsekit was sent means for the job."""
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


def _suspend(signals: Signals, relay: Relay, started: job.Job) -> None:
    """Give the terminal back to the user's shell until it continues agsekit, then continue the job."""
    relay.flush()
    relay.leave_raw()
    try:
        signals.suspend()
    finally:
        relay.enter_raw()
    started.resume()
    relay.nudge()
