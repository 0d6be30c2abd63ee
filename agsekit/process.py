"""Runner: the one place that starts other programs and waits for them."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Optional

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.masking import masked


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
        trace: called with one line per program started, for `--debug`; secrets are masked in it.
    """

    def __init__(self, environment: Mapping[str, str], *, trace: Optional[Callable[[str], None]] = None) -> None:
        self.environment = dict(environment)
        self._trace = trace
        self._secrets: set[str] = set()
        self._let_go: list[subprocess.Popen[bytes]] = []

    def hide(self, secret: str) -> None:
        """Mask a value in all that is traced from now on."""
        if secret:
            self._secrets.add(secret)

    def with_environment(self, environment: Mapping[str, str]) -> Runner:
        """Return a runner with another environment that traces to the same place, and masks the same."""
        other = Runner(environment, trace=self._trace)
        other._secrets = self._secrets
        return other

    def trace(self, argv: Sequence[str]) -> None:
        """Report a program that is about to be started."""
        if self._trace:
            self._trace(shlex.join(masked(argv, self._secrets)))

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: Optional[float] = 60.0,
        cwd: str = "/",
        environment: Optional[Mapping[str, str]] = None,
        inherit: Sequence[int] = (),
    ) -> Completed:
        """Run a program to its end and capture what it prints.

        `cwd` is `/` unless told otherwise, so that nothing is ever looked up in a folder an agent writes.
        `environment` stands in for that of the runner; the descriptors in `inherit` are passed on.

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
                env=self.environment if environment is None else dict(environment),
                cwd=cwd,
                timeout=timeout,
                check=False,
                pass_fds=tuple(inherit),
            )
        except FileNotFoundError:
            raise ProgramMissing(argv[0]) from None
        except subprocess.TimeoutExpired:
            raise _timeout(argv, timeout) from None
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def watch(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes,
        timeout: float,
        on_output: Callable[[bytes], None],
        environment: Optional[Mapping[str, str]] = None,
        inherit: Sequence[int] = (),
    ) -> Completed:
        """Run a program like `run`, and hand on what it prints on standard output as soon as it does.

        Raises:
            ProgramMissing: there is no such program.
            ProgramTimeout: it was still running after `timeout` seconds; it has been killed.
        """
        self.trace(argv)
        printed = []
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
            given.write(stdin)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self.environment if environment is None else dict(environment),
                    cwd="/",
                    pass_fds=tuple(inherit),
                )
            except FileNotFoundError:
                raise ProgramMissing(argv[0]) from None
            with process:
                try:
                    for chunk in _chunks(process, time.monotonic() + timeout):
                        printed.append(chunk)
                        on_output(chunk)
                    process.wait(timeout=_AFTER_THE_LAST_WORD)
                except subprocess.TimeoutExpired:
                    raise _timeout(argv, timeout) from None
                finally:
                    process.kill()
            errors.seek(0)
            return Completed(tuple(argv), process.returncode, b"".join(printed), errors.read())

    def show(self, argv: Sequence[str]) -> int:
        """Run a program where the user sees it and can answer it, and return its exit code.

        All it prints goes to standard error: it is not the result of the command that the user gave.

        Raises:
            ProgramMissing: there is no such program.
        """
        self.trace(argv)
        try:
            return subprocess.run(list(argv), stdout=2, env=self.environment, cwd="/", check=False).returncode
        except FileNotFoundError:
            raise ProgramMissing(argv[0]) from None

    def find(self, program: str) -> str:
        """Return the path of a program; only absolute folders of PATH are searched.

        Raises:
            ProgramMissing: there is no such program.
        """
        folders = [folder for folder in self.environment.get("PATH", os.defpath).split(":") if folder.startswith("/")]
        found = shutil.which(program, path=":".join(folders))
        if found is None:
            raise ProgramMissing(program)
        return found

    def let_go(self, argv: Sequence[str]) -> None:
        """Start a program of the user's that is none of agsekit's business any more, such as a browser.

        It has no terminal, and whatever becomes of agsekit or of the terminal does not touch it.

        Raises:
            ProgramMissing: there is no such program.
        """
        program = self.find(argv[0])
        self.trace(argv)
        # Nobody waits for it: should it end while agsekit goes on, it stays a zombie for so long.
        self._let_go.append(
            subprocess.Popen(
                [program, *argv[1:]],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    def become(self, argv: Sequence[str]) -> NoReturn:
        """Turn this process into a program, in the folder and on the terminal of the user.

        Raises:
            ProgramMissing: there is no such program; only absolute folders of PATH are searched, since the
                user may be in a folder that an agent writes.
        """
        program = self.find(argv[0])
        self.trace(argv)
        # Python ignores these, and a program inherits that.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execve(program, list(argv), self.environment)  # noqa: S606


_AFTER_THE_LAST_WORD = 60.0


def _chunks(process: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    output = process.stdout
    while output is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired(process.args, 0)
        if select.select([output], [], [], left)[0]:
            chunk = os.read(output.fileno(), 65536)
            if not chunk:
                return
            yield chunk


def _timeout(argv: Sequence[str], timeout: Optional[float]) -> ProgramTimeout:
    return ProgramTimeout(
        _("{command} did not answer within {seconds} s").format(
            command=shlex.join(argv[:3]), seconds=int(timeout or 0)
        )
    )
