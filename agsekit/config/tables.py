"""A mapping of the file whose keys are known, read one key at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from agsekit.config.fields import InvalidValueError, parse_argument
from agsekit.config.problems import Problems, key_path, with_suggestion
from agsekit.config.yaml_nodes import Value
from agsekit.i18n import _

T = TypeVar("T")


class Table:
    """Reads the keys of one mapping. What is wrong goes to `problems`, and the default is returned.

    `wrong` holds the keys that were read and could not be understood.
    """

    def __init__(self, value: Value, keys: Sequence[str], problems: Problems) -> None:
        self.path = value.path
        self.wrong: set[str] = set()
        self._line = value.line
        self._problems = problems
        self._is_mapping = value.entries is not None or value.is_null
        self._values: dict[str, Value] = {}
        for key, entry in entries_of(value, problems):
            if key in keys:
                self._values[key] = entry
            else:
                problem = with_suggestion(_("is no known key here"), key, keys)
                problems.add(entry.line, entry.path, problem)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Value | None:
        """Return what the key holds; None when it is missing or holds nothing."""
        value = self._values.get(key)
        return None if value is None or value.is_null else value

    def line(self, key: str) -> int:
        """Return the line to name for a key: its own, or that of the whole table when it is missing."""
        return self._values[key].line if key in self._values else self._line

    def place(self, key: str) -> str:
        """Return where a key is written: `file:line: key.path`."""
        return self._problems.place(self.line(key), key_path(self.path, key))

    def problem(self, key: str, text: str) -> None:
        """Note a problem of a key, which may be missing."""
        self._problems.add(self.line(key), key_path(self.path, key), text)

    def warn(self, key: str, text: str) -> None:
        """Note a problem of a key that matters only when it is used."""
        self._problems.warn(self.line(key), key_path(self.path, key), text)

    def optional(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return the parsed value; None when the key is missing, holds nothing, or is wrong."""
        value = self.get(key)
        if value is None:
            return None
        result = parsed(value, parse, self._problems)
        if result is None:
            self.wrong.add(key)
        return result

    def parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed value, or the default."""
        result = self.optional(key, parse)
        return default if result is None else result

    def required(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return the parsed value; None with a problem noted when there is none."""
        if self.get(key) is None and self._is_mapping:
            self.problem(key, _("is missing"))
        return self.optional(key, parse)

    def texts(self, key: str, parse: Callable[[str], str]) -> tuple[str, ...]:
        """Return the parsed items of a list; empty when the key is missing or holds nothing."""
        value = self.get(key)
        if value is None:
            return ()
        items = items_of(value, self._problems)
        found = [parsed(item, parse, self._problems) for item in items]
        if value.items is None or None in found:
            self.wrong.add(key)
        return tuple(text for text in found if text is not None)

    def words(self, key: str) -> tuple[str, ...]:
        """Return the arguments that a list holds, or a string that is split as a POSIX shell would."""
        value = self.get(key)
        if value is None or value.text is None:
            return self.texts(key, parse_argument)
        import shlex

        try:
            return tuple(parse_argument(word) for word in shlex.split(value.text))
        except InvalidValueError as error:
            problem = str(error)
        except ValueError:
            problem = _("has a quote that is not closed")
        self.problem(key, problem)
        self.wrong.add(key)
        return ()


def parsed(value: Value, parse: Callable[[str], T], problems: Problems) -> T | None:
    """Return the parsed text of a value; None with a problem noted when it is wrong."""
    text = value.text
    if text is None:
        problems.add(value.line, value.path, _not_text(value))
        return None
    try:
        return parse(text)
    except InvalidValueError as error:
        problems.add(value.line, value.path, str(error))
        return None


def entries_of(value: Value, problems: Problems) -> list[tuple[str, Value]]:
    """Return the entries of a mapping, none when nothing stands there; anything else is a problem."""
    entries = value.entries
    if entries is None and not value.is_null:
        problems.add(value.line, value.path, _("must be a mapping, with lines such as `key: value`"))
    return entries or []


def items_of(value: Value, problems: Problems) -> list[Value]:
    """Return the items of a list, none when nothing stands there; anything else is a problem."""
    items = value.items
    if items is None and not value.is_null:
        problems.add(value.line, value.path, _("must be a list, with lines that start with `- `"))
    return items or []


def _not_text(value: Value) -> str:
    if value.node.tag.startswith("!"):
        return _("starts with !, which is YAML's sign for a type; put it in quotes")
    return _("must be a string")
