"""The output of one installation: kept in a private file, handed on line by line, asked why it failed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from agsekit.agents.scripts import masked
from agsekit.errors import AgsekitError
from agsekit.i18n import _

_LARGEST_LINE = 4000
_LONGEST_REASON = 300
_LARGEST_OUTPUT = 64 * 1024**2
_ENDS = re.compile(r"[\r\n]+")
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_PREFIX = "error: "


class InstallLog:
    """Writes what `read` is given to a file, 0600, in place of what was there.

    Attributes:
        last_line: the last line that was not empty.
        reason: what the last line that begins with `error: ` says, else the last line.

    Raises:
        AgsekitError: the file cannot be written.
    """

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self.last_line = ""
        self._error = ""
        self._on_line = on_line
        self._rest = ""
        self._taken = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise AgsekitError(
                _("The log {path} cannot be written: {reason}").format(path=path, reason=error.strerror)
            ) from None

    @property
    def reason(self) -> str:
        """Why it failed, as far as the output says it."""
        return (self._error or self.last_line)[:_LONGEST_REASON]

    def __enter__(self) -> InstallLog:
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the rest for a line and close the file."""
        try:
            self._take(masked(self._rest).strip())
        finally:
            self._file.close()

    def note(self, text: str) -> None:
        """Write a line of our own."""
        self._file.write(f"== {time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self._file.flush()

    def note_errors(self, text: str) -> None:
        """Write what the engine said beside the output."""
        if text:
            self._file.write(masked(text) + "\n")
            self.last_line = self.last_line or text.splitlines()[-1]

    def read(self, chunk: bytes) -> None:
        """Take in what was printed next.

        Raises:
            AgsekitError: it is more than an installation ever says; what talks is not trusted.
        """
        self._taken += len(chunk)
        if self._taken > _LARGEST_OUTPUT:
            raise AgsekitError(_("The installation was ended: it does not stop talking"))
        *lines, self._rest = _ENDS.split(self._rest + chunk.decode("utf-8", "backslashreplace"))
        if len(self._rest) > _LARGEST_LINE:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._take(masked(_SEQUENCES.sub("", line)).strip())
        self._file.flush()

    def _take(self, line: str) -> None:
        if not line:
            return
        self._file.write(line + "\n")
        self.last_line = line
        if line.startswith(_PREFIX):
            self._error = line[len(_PREFIX) :]
        self._on_line(line)
