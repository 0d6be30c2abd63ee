"""As much of JSON Schema (draft 7) as the schema of the configuration uses; any other keyword is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TOLD = {"$schema", "title", "description", "default", "examples", "definitions"}
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
_NUMBER, _STRING, _ARRAY, _OBJECT = (_TYPES[name] for name in ("number", "string", "array", "object"))
_CHECKS: Mapping[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool]]] = {
    "minimum": (_NUMBER, lambda value, limit: value >= limit),
    "maximum": (_NUMBER, lambda value, limit: value <= limit),
    "exclusiveMinimum": (_NUMBER, lambda value, limit: value > limit),
    "pattern": (_STRING, lambda value, pattern: re.search(pattern, value) is not None),
    "minLength": (_STRING, lambda value, limit: len(value) >= limit),
    "minItems": (_ARRAY, lambda value, limit: len(value) >= limit),
    "minProperties": (_OBJECT, lambda value, limit: len(value) >= limit),
    "maxProperties": (_OBJECT, lambda value, limit: len(value) <= limit),
    "required": (_OBJECT, lambda value, names: all(name in value for name in names)),
    "enum": (lambda value: True, lambda value, words: value in words),
    "const": (lambda value: True, lambda value, word: value == word),
}


def problems(schema: Any, value: Any, *, root: Any = None, path: str = "$") -> list[str]:
    """Return what is wrong with a value, as `path: keyword`."""
    return list(_problems(schema, value, schema if root is None else root, path))


def _problems(schema: Any, value: Any, root: Any, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{path}: nothing is allowed here"
        return
    if "$ref" in schema:
        yield from _problems(root["definitions"][schema["$ref"].rpartition("/")[2]], value, root, path)
        return
    if "if" in schema:
        chosen = "else" if problems(schema["if"], value, root=root) else "then"
        yield from _problems(schema.get(chosen, True), value, root, path)
    for keyword, wanted in schema.items():
        if keyword == "type":
            types = wanted if isinstance(wanted, (list, tuple)) else [wanted]
            if not any(_TYPES[name](value) for name in types):
                yield f"{path}: type"
        elif keyword in _CHECKS:
            applies, holds = _CHECKS[keyword]
            if applies(value) and not holds(value, wanted):
                yield f"{path}: {keyword}"
        elif keyword == "allOf":
            for one in wanted:
                yield from _problems(one, value, root, path)
        elif keyword == "items" and _ARRAY(value):
            rest = schema.get("additionalItems", True)
            each = [*wanted, *[rest] * len(value)] if isinstance(wanted, list) else [wanted] * len(value)
            for number, (one, item) in enumerate(zip(each, value)):
                yield from _problems(one, item, root, f"{path}[{number}]")
        elif keyword == "not":
            if not problems(wanted, value, root=root):
                yield f"{path}: not"
        elif keyword == "propertyNames" and _OBJECT(value):
            for name in value:
                yield from _problems(wanted, name, root, f"{path}.{name}")
        elif keyword not in {
            *_TOLD,
            "if",
            "then",
            "else",
            "properties",
            "additionalProperties",
            "additionalItems",
            "items",
        }:
            assert keyword == "propertyNames", f"the schema uses {keyword}, which is not known here"
    if _OBJECT(value):
        known = schema.get("properties", {})
        for name, each in value.items():
            below = known.get(name, schema.get("additionalProperties", True))
            yield from _problems(below, each, root, f"{path}.{name}")
