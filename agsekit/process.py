"""Runner: the one place that starts other programs and waits for them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.errors import AgsekitError
from agsekit.i18n import _


@dataclass(frozen=True)
class Completed:
    """What a finished program left: its exit code (negative: the signal that killed it) and its output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are kept visible."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def error_text(self) -> str:
        """Standard error as text, without surrounding blank space."""
        return self.stderr.decode("utf-8", "backslashreplace").strip()


class ProgramMissing(AgsekitError):
    """The program is not on PATH."""

    def __init__(self, program: str) -> None:
        super().__init__(_("{program} is not installed, or not on PATH").format(program=program))
        self.program = program


class ProgramTimeout(AgsekitError):
    """The program did not finish in the time it was given."""


class Runner:
    """Starts programs from argv lists, never through a shell, with an explicit environment.

    Args:
        environment: the environment of every program.
        trace: called with one line per program started, for `--debug`; argv never holds a secret,
            so the line can be shown as it is.
    """

    def __init__(self, environment: Mapping[str, str], *, trace: Optional[Callable[[str], None]] = None) -> None:
        self.environment = dict(environment)
        self._trace = trace

    def trace(self, argv: Sequence[str]) -> None:
        """Report a program that is about to be started."""
        if self._trace:
            self._trace(shlex.join(argv))

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: Optional[float] = 60.0, cwd: str = "/"
    ) -> Completed:
        """Run a program to its end and capture what it prints.

        `cwd` is `/` unless told otherwise, so that nothing is ever looked up in a folder an agent writes.

        Raises:
            ProgramMissing: there is no such program.
            ProgramTimeout: it was still running after `timeout` seconds; it has been killed.
        """
        self.trace(argv)
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                env=self.environment,
                cwd=cwd,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise ProgramMissing(argv[0]) from None
        except subprocess.TimeoutExpired:
            raise ProgramTimeout(
                _("{command} did not answer within {seconds} s").format(
                    command=shlex.join(argv[:3]), seconds=int(timeout or 0)
                )
            ) from None
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)
