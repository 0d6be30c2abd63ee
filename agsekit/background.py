"""Programs that run beside agsekit and do not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Optional

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_CHUNK = 65536


class Background:
    """A running program. `output` and `errors` are descriptors to wait for and to read with `read`; they never block.

    Its standard input is a pipe that nothing is written to: it ends when agsekit does.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.output = _prepared(process.stdout)
        self.errors = _prepared(process.stderr)

    def read(self, descriptor: int) -> Optional[bytes]:
        """Return what `output` or `errors` has now: nothing at its end, None when there is nothing yet."""
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None

    def exit_code(self) -> Optional[int]:
        """Return the exit code, negative for a signal; None while the program runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, *, patience: float = 2.0) -> bytes:
        """Have the program end, by SIGKILL after `patience` seconds; return what it still had to complain of."""
        self.ask_to_end()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        left = (self.errors >= 0 and self.read(self.errors)) or b""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self.output = self.errors = -1
        return left


def _prepared(stream: Optional[IO[bytes]]) -> int:
    if stream is None:
        return -1
    os.set_blocking(stream.fileno(), False)
    return stream.fileno()


def start_background(
    argv: Sequence[str], environment: Mapping[str, str], *, output: Optional[IO[bytes]] = None
) -> Background:
    """Start a program from an argv list, without a terminal and in `/`.

    It gets SIGTERM when the thread that called this ends, however it does (Linux). With `output` both of its
    streams go there, else into pipes.

    Raises:
        FileNotFoundError: there is no such program.
    """
    process = subprocess.Popen(
        list(argv),
        env=dict(environment),
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if output is None else output,
        stderr=subprocess.PIPE if output is None else output,
        start_new_session=True,
        preexec_fn=_death_signal(os.getpid()),
    )
    return Background(process)


def _death_signal(parent: int) -> Optional[Callable[[], None]]:
    """Return what a child has to call to be ended together with `parent`."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    set_option = ctypes.CDLL(None, use_errno=True).prctl

    def follow() -> None:
        set_option(_SET_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it was faster
            os.kill(os.getpid(), signal.SIGTERM)

    return follow
