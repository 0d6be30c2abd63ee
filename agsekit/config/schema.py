"""The JSON Schema of a configuration (draft 7, which is what editors read), made from the tables of keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agsekit.config.key import Key, Table
from agsekit.config.keys import ROOT

_DRAFT = "http://json-schema.org/draft-07/schema#"
MARK = "# yaml-language-server: $schema="
"""How a YAML file tells editors where its schema is."""


def document() -> dict[str, Any]:
    """Return the schema as a JSON document."""
    return {
        "$schema": _DRAFT,
        "title": "The configuration of agsekit",
        **_mapping(ROOT),
        "definitions": {table.name: _mapping(table) for table in _tables_below(ROOT)},
    }


def text() -> str:
    """Return the schema as it is printed and shipped."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def schema_file() -> Path:
    """Return the path of the schema that comes with agsekit, for editors."""
    return Path(__file__).resolve().with_name("schema.json")


def modeline() -> str:
    """Return the comment that leads editors to the schema, for the first line of a configuration."""
    path = schema_file()
    spaced = any(character.isspace() for character in str(path))
    return MARK + (path.as_uri() if spaced else str(path))


def _tables_below(table: Table) -> Iterator[Table]:
    for key in table.keys:
        if key.table:
            yield key.table
            yield from _tables_below(key.table)


def _mapping(table: Table) -> dict[str, Any]:
    required = [key.name for key in table.keys if key.required]
    return {
        # Where nothing has to be said, nothing may be said: `box:` is a VM with all defaults.
        "type": "object" if required else ["object", "null"],
        **({"required": required} if required else {}),
        "additionalProperties": False,
        "properties": {key.name: _property(key) for key in table.keys},
        **table.rules,
    }


def _property(key: Key) -> dict[str, Any]:
    value = _value(key)
    if not key.required:
        value = _or_nothing(value)
    told = f"{key.description} Without it: {key.otherwise}." if key.otherwise else key.description
    default = {} if key.default is None else {"default": key.default}
    return {"description": told, **value, **default, "examples": [key.example]}


def _value(key: Key) -> Mapping[str, Any]:
    if key.table is None:
        return key.shape
    reference = {"$ref": f"#/definitions/{key.table.name}"}
    if key.form == "list":
        return {"type": "array", "items": reference}
    if key.form == "named":
        least = {"minProperties": 1} if key.required else {}
        names = {"pattern": f"^(?:{key.names})$"}
        return {"type": "object", "propertyNames": names, "additionalProperties": reference, **least}
    if key.form == "either":
        return {"if": {"type": "object"}, "then": reference, "else": key.shape}
    # In draft 7 a reference hides everything beside it.
    return {"allOf": [reference]}


def _or_nothing(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Allow null as well: a key that holds nothing is a key that was left out."""
    if "enum" in shape:
        return {**shape, "enum": [*shape["enum"], None]}
    if "type" in shape:
        types = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
        return {**shape, "type": [*types, "null"]}
    return dict(shape)
