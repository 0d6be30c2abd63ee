"""What is wrong with a configuration: collected while it is read, reported all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from agsekit.errors import ConfigError
from agsekit.i18n import _

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_LONGEST_VALUE_SHOWN = 60


@dataclass(frozen=True)
class Finding:
    """Something about one place of a file: a problem, or with `is_warning` what matters only when it is used.

    `line` counts from 1; `key` is the path of the key, empty when none is concerned.
    """

    line: int
    key: str
    problem: str
    is_warning: bool = False

    def text(self, file: Path) -> str:
        """Return `file:line: key.path: problem`."""
        return f"{place(file, self.line, self.key)}: {self.problem}"


def place(file: Path, line: int, key: str) -> str:
    """Return where something is written: `file:line: key.path`."""
    return f"{file}:{line}: {key}" if key else f"{file}:{line}"


class Problems:
    """Collects problems and warnings of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: list[Finding] = []

    def add(self, line: int, path: str, problem: str) -> None:
        """Note a problem; `line` counts from 1, `path` may be empty when no key is concerned."""
        self._found.append(Finding(line, path, problem))

    def refuse(self, line: int, path: str, problem: str) -> NoReturn:
        """Note a problem that makes it pointless to read on, and raise."""
        self.add(line, path, problem)
        raise self._error() from None

    def warn(self, line: int, path: str, problem: str) -> None:
        """Note something that matters only when it is used."""
        self._found.append(Finding(line, path, problem, is_warning=True))

    @property
    def findings(self) -> Sequence[Finding]:
        """All problems and warnings in the order of the file."""
        return tuple(dict.fromkeys(sorted(self._found, key=lambda finding: finding.line)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings in the order of the file, as `file:line: key.path: problem`."""
        return tuple(finding.text(self.file) for finding in self.findings if finding.is_warning)

    def raise_if_any(self) -> None:
        """Raise one `ConfigError` with a line for every problem, in the order of the file."""
        if any(not finding.is_warning for finding in self._found):
            raise self._error()

    def _error(self) -> ConfigError:
        hint = _("`agsekit config-example FILE` writes an example that shows every key")
        problems = [finding.text(self.file) for finding in self.findings if not finding.is_warning]
        error = ConfigError("\n".join(problems), hint=hint)
        error.warnings = self.warnings
        return error

    def place(self, line: int, path: str) -> str:
        """Return where something is written: `file:line: key.path`."""
        return place(self.file, line, path)


def key_path(parent: str, key: str) -> str:
    """Return the path of a key below `parent`; odd keys are quoted so that they stay on one line."""
    shown = key if _PLAIN_KEY.fullmatch(key) else quoted(key)
    return f"{parent}.{shown}" if parent else shown


def quoted(value: str) -> str:
    """Return a value of the file for a message: in quotes, on one line, not too long."""
    if len(value) > _LONGEST_VALUE_SHOWN:
        value = value[:_LONGEST_VALUE_SHOWN] + "…"
    return repr(value)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a question that names the known word closest to `word`, or None when none is close."""
    import difflib

    closest = difflib.get_close_matches(word, list(known), n=1)
    return _("did you mean '{name}'?").format(name=closest[0]) if closest else None


def with_suggestion(problem: str, word: str, known: Iterable[str]) -> str:
    """Return the problem, followed by a "did you mean" when a known word is close."""
    suggestion = did_you_mean(word, known)
    return f"{problem}; {suggestion}" if suggestion else problem
