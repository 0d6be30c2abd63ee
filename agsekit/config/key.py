"""What is known about one key of the configuration, and about the keys of one mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from agsekit.config.shapes import Shape


@dataclass(frozen=True)
class Key:
    """One key of a mapping of the file.

    Attributes:
        description: what it means, in one or two sentences.
        shape: the JSON Schema of its value; empty when `table` alone says what it holds.
        example: a value that differs from the default, as it comes out of YAML.
        default: the value that means the same as leaving the key out, as it is written; None when no value does.
        otherwise: in words, what holds without the key when `default` cannot say it.
        table: what the mapping below it, each item of the list, or each named entry holds.
        form: how `table` is meant: `one` mapping, `list` of them, `named` by patterns that `name` matches, or
            `either` one mapping or a value of `shape`.
    """

    name: str
    description: str
    shape: Shape = field(default_factory=dict)
    example: Any = None
    default: Any = None
    otherwise: str = ""
    required: bool = False
    table: Optional[Table] = None
    form: str = "one"
    names: str = ""


@dataclass(frozen=True)
class Table:
    """The keys of one mapping; `rules` is what JSON Schema can say of several keys together."""

    name: str
    keys: Sequence[Key]
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys in the order of the documentation."""
        return tuple(key.name for key in self.keys)
