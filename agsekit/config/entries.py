"""The text of a mount in a configuration, in the style of what stands around it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Union

Entry = Mapping[str, Union[str, float]]
"""The keys of a mount and their values, in the order to write them in."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@%+=-]*(?: [A-Za-z0-9_./@%+=-]+)*|~/[A-Za-z0-9_./@%+=-]*|[0-9]+[KMGT]")
_NOT_TEXT = re.compile(r"null|true|false|yes|no|on|off|y|n", re.IGNORECASE)


def scalar(value: str | float, *, quote: bool = False) -> str:
    """Return a value as YAML that is read as the same text everywhere; JSON with `quote`."""
    if not isinstance(value, str):
        return f"{value:g}" if value == float(f"{value:g}") else repr(value)
    if not quote and _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def block(entry: Entry, *, indent: str, gap: int, newline: str) -> str:
    """Return a mount as an item in block style: lines, the last of them without its break."""
    first = "-" + " " * (gap - 1)
    lines = [f"{key}: {scalar(value)}" for key, value in entry.items()]
    return newline.join(indent + (" " * gap if number else first) + line for number, line in enumerate(lines))


def flow(entry: Entry, *, quote: bool) -> str:
    """Return a mount as a mapping in flow style, which is JSON with `quote`."""
    pairs = (f"{scalar(key, quote=quote)}: {scalar(value, quote=quote)}" for key, value in entry.items())
    return "{" + ", ".join(pairs) + "}"
