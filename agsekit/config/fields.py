"""From the text of one value to the value itself: names, words and plain text.

Here and in `number_fields`, `address_fields` and `folder_fields` every function raises `InvalidValueError` when the
text is no such value.

The text is what the file (or the command line) says, letter for letter: YAML's own ideas of `08`, `1:30`,
`1_000` or `on` never get a say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from agsekit.agent_types import agent_types, find_agent_type
from agsekit.config.problems import quoted, with_suggestion
from agsekit.i18n import _

ENGINES = ("multipass", "bubblewrap")
BACKENDS = ("rsync", "git")
WATCHING = ("auto", "true", "false")
GUARDS = ("pause", "quarantine")
OFF = "off"
RISKY_CHOICES = ("report", "quarantine", OFF)
LOSS_CHOICES = ("warn", "pause", OFF)
FORWARD_KINDS = ("local", "remote", "socks5")
HOMES = ("shared", "own")

VM_NAME = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
AGENT_NAME = r"[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
VERSION = r"latest|[0-9][0-9A-Za-z.+_-]{0,63}"


class InvalidValueError(ValueError):
    """The text is not a value of its kind; the message is a phrase that follows the name of the key."""


def parse_vm_name(text: str) -> str:
    """Return a name that every engine accepts."""
    if not re.fullmatch(VM_NAME, text):
        raise InvalidValueError(
            _("is no name of a VM: letters, digits and hyphens, a letter first, no hyphen last, at most 63")
        )
    return text


def parse_agent_name(text: str) -> str:
    """Return the name of an agent profile."""
    if not re.fullmatch(AGENT_NAME, text):
        raise InvalidValueError(
            _("is no name of an agent: letters, digits, hyphens and underscores, a letter first, at most 63")
        )
    return text


def parse_variable_name(text: str) -> str:
    """Return the name of an environment variable."""
    if not re.fullmatch(VARIABLE, text):
        raise InvalidValueError(_("is no name of an environment variable: letters, digits and underscores"))
    return text


def parse_variable_value(text: str) -> str:
    """Return the value of an environment variable. The message never repeats it."""
    if "\0" in text or not _is_encodable(text):
        raise InvalidValueError(_("holds a character that no environment variable can hold"))
    return text


def parse_argument(text: str) -> str:
    """Return one argument of a command. The message never repeats it: arguments may hold keys."""
    if "\0" in text or not _is_encodable(text):
        raise InvalidValueError(_("holds a character that no argument can hold"))
    return text


def parse_pattern(text: str) -> str:
    """Return one gitignore pattern."""
    if not text.strip() or not is_one_line(text):
        raise InvalidValueError(_("must be one gitignore pattern, such as 'node_modules/'"))
    return text


def parse_choice(text: str, known: Iterable[str]) -> str:
    """Return the text when it is one of the known words."""
    words = list(known)
    if text not in words:
        problem = _("must be one of {words}, not {value}").format(words=", ".join(words), value=quoted(text))
        raise InvalidValueError(with_suggestion(problem, text, words))
    return text


def parse_engine(text: str) -> str:
    """Return the name of an engine."""
    return parse_choice(text, ENGINES)


def parse_backend(text: str) -> str:
    """Return the name of a storage backend."""
    return parse_choice(text, BACKENDS)


def parse_guard(text: str) -> str:
    """Return one of the guards that change what a run does."""
    return parse_choice(text, GUARDS)


def parse_guard_or_off(text: str) -> str:
    """Return a guard, or the word for none."""
    return parse_choice(text, (*GUARDS, OFF))


def parse_risky(text: str) -> str:
    """Return what becomes of what the host would execute."""
    return parse_choice(text, RISKY_CHOICES)


def parse_loss(text: str) -> str:
    """Return what becomes of a run that destroys much."""
    return parse_choice(text, LOSS_CHOICES)


def parse_forward_kind(text: str) -> str:
    """Return the kind of a tunnel."""
    return parse_choice(text, FORWARD_KINDS)


def parse_home(text: str) -> str:
    """Return whose home an agent uses inside."""
    return parse_choice(text, HOMES)


def parse_agent_type(text: str) -> str:
    """Return the canonical name of an agent type."""
    found = find_agent_type(text)
    return found.name if found else parse_choice(text, agent_types())


def parse_version(text: str) -> str:
    """Return the version of an agent, or `latest`."""
    if not re.fullmatch(VERSION, text):
        raise InvalidValueError(
            _("must be a version such as 1.2.3, or latest, not {value}").format(value=quoted(text))
        )
    return text


def parse_watch(text: str) -> bool | None:
    """Return whether to watch a source for edits; None where that finds all of them."""
    return {"auto": None, "true": True, "false": False}[parse_choice(text, WATCHING)]


def is_one_line(text: str) -> bool:
    """Tell whether a text has no control character, and nothing that UTF-8 cannot say."""
    return not any(character < " " or character == "\x7f" for character in text) and _is_encodable(text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
