"""A terminal window: a pty, what it has shown, and the process that was started in it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_DEADLINE = 30.0


class Terminal:
    """Starts a program as the leader of the session of a new terminal."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, *, columns: int = 80, rows: int = 24
    ) -> None:
        self.shown = ""
        self.everything = ""
        self._status: int | None = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.chdir(cwd)
                os.execve(argv[0], list(argv), dict(environment))  # noqa: S606
            finally:
                os._exit(127)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def read(self) -> str:
        """Return what is shown next, nothing at the end."""
        assert select.select([self.master], [], [], _DEADLINE)[0], f"nothing after {self.everything[-2000:]!r}"
        try:
            text = os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            return ""
        self.shown += text
        self.everything += text
        return text

    def expect(self, text: str) -> None:
        """Wait until the text is shown, and forget what was shown up to its end."""
        while text not in self.shown:
            assert self.read(), f"the end came before {text!r}: {self.everything!r}"
        self.shown = self.shown.partition(text)[2]

    def resize(self, *, columns: int, rows: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        """Return the modes of the terminal."""
        return termios.tcgetattr(self.master)

    def finish(self) -> int:
        """Read to the end and return the exit code, negative for a signal."""
        while self.read():
            pass
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the program and return its exit code, negative for a signal."""
        if self._status is None:
            _, self._status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(self._status):
            return -os.WTERMSIG(self._status)
        return os.WEXITSTATUS(self._status)

    def close(self) -> None:
        """Close the window; the kernel hangs the terminal up."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def end(self) -> None:
        """End the program if it still runs."""
        self.close()
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
