"""What is wrong with a configuration: collected while it is read, reported all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from agsekit.errors import ConfigError
from agsekit.i18n import _

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_LONGEST_VALUE_SHOWN = 60


class Problems:
    """Collects problems and warnings of one file as `file:line: key.path: problem`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: list[tuple[int, str]] = []
        self._warnings: list[tuple[int, str]] = []

    def add(self, line: int, path: str, problem: str) -> None:
        """Note a problem; `line` counts from 1, `path` may be empty when no key is concerned."""
        self._found.append((line, self._at(line, path, problem)))

    def refuse(self, line: int, path: str, problem: str) -> NoReturn:
        """Note a problem that makes it pointless to read on, and raise."""
        self.add(line, path, problem)
        raise self._error() from None

    def warn(self, line: int, path: str, problem: str) -> None:
        """Note something that matters only when it is used."""
        self._warnings.append((line, self._at(line, path, problem)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings in the order of the file."""
        return _in_order(self._warnings)

    def raise_if_any(self) -> None:
        """Raise one `ConfigError` with a line for every problem, in the order of the file."""
        if self._found:
            raise self._error()

    def _error(self) -> ConfigError:
        hint = _("`agsekit config-example FILE` writes an example that shows every key")
        return ConfigError("\n".join(_in_order(self._found)), hint=hint)

    def place(self, line: int, path: str) -> str:
        """Return where something is written: `file:line: key.path`."""
        return f"{self.file}:{line}: {path}" if path else f"{self.file}:{line}"

    def _at(self, line: int, path: str, problem: str) -> str:
        return f"{self.place(line, path)}: {problem}"


def _in_order(noted: list[tuple[int, str]]) -> tuple[str, ...]:
    unique = dict.fromkeys(sorted(noted, key=lambda line_and_text: line_and_text[0]))
    return tuple(text for _line, text in unique)


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
