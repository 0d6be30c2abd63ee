"""JSON Schema of single values, as far as it can say what `fields` accepts.

A scalar is read letter for letter, so most of them may stand in quotes as well: `cpu: 2` and `cpu: "2"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from agsekit.config import address_fields, fields, number_fields

Shape = Mapping[str, Any]

_PORT = r"[1-9][0-9]{0,4}"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|(?![0-9]+:)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?)"
_WORD = ["string", "number", "boolean"]


def text(pattern: str) -> Shape:
    """Text that matches a regular expression as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def one_of(words: Sequence[Optional[str]]) -> Shape:
    """One of these words."""
    return {"enum": list(words)}


def whole_number(smallest: int, largest: int, pattern: str) -> Shape:
    """A whole number, or text of one."""
    return {**text(pattern), "type": ["integer", "string"], "minimum": smallest, "maximum": largest}


def size(smallest: int) -> Shape:
    """Bytes, or text such as 4G."""
    return {**text(number_fields.SIZE), "type": ["integer", "string"], "minimum": smallest}


CPU = whole_number(1, 9999, r"[1-9][0-9]{0,3}")
AMOUNT = size(1024**2)
MAX_BACKUPS = whole_number(2, 999_999, r"(?=.{1,6}$)0*(?:[2-9]|[1-9][0-9]+)")
DURATION = whole_number(0, 0, r"0{1,6}|[0-9]{1,6}[mhdwy]")
INTERVAL: Shape = {
    **text(r"(?=.*[1-9])" + number_fields.INTERVAL),
    "type": ["number", "string"],
    "exclusiveMinimum": 0,
    "maximum": number_fields.LONGEST_INTERVAL,
}
WATCH: Shape = {**text("|".join(fields.WATCHING)), "type": ["string", "boolean"]}
PROXY = text(rf"|(?:{'|'.join(address_fields.PROXY_SCHEMES)})://{_HOST}:{_PORT}/?")
ADDRESS = whole_number(1, 65535, rf"{_PORT}|{_HOST}:{_PORT}")
HOST_FOLDER = text(r"(?!(?:.*/)?\.\.(?:/|$))(?:~|~/[^\x00-\x1f\x7f]*|/[^\x00-\x1f\x7f]*)")
TARGET = text(r"(?!(?:.*/)?\.\.(?:/|$))/[^\x00-\x1f\x7f]+")
VM_NAME: Shape = {"type": "string"}
PATTERNS: Shape = {"type": "array", "items": {"type": _WORD, "pattern": r"^(?=.*\S)[^\x00-\x1f\x7f]+$"}}
WORDS: Shape = {"type": ["array", *_WORD], "items": {"type": _WORD}}
ENVIRONMENT: Shape = {
    "type": "object",
    "propertyNames": text(fields.VARIABLE),
    "additionalProperties": {
        "type": [*_WORD, "null", "object"],
        "properties": {
            "env": text(fields.VARIABLE),
            "file": HOST_FOLDER,
            "command": {
                "type": ["array", *_WORD],
                "minItems": 1,
                "pattern": r"\S",
                "items": [{"type": _WORD, "minLength": 1}],
                "additionalItems": {"type": _WORD},
            },
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
}
AGENT_NAMES: Shape = {"type": ["array", "null"], "items": text(fields.AGENT_NAME)}
VERSION: Shape = {**text(fields.VERSION), "type": ["string", "number"], "minimum": 0}
SHARE: Shape = {
    **text(number_fields.SHARE),
    "type": ["number", "string"],
    "exclusiveMinimum": 0,
    "maximum": 1,
}
GUARD: Shape = {
    "if": {"type": "array"},
    "then": {"items": one_of(fields.GUARDS)},
    "else": one_of((*fields.GUARDS, fields.OFF, None)),
}
MAPPING: Shape = {"type": "object"}
