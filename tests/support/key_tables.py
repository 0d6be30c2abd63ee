"""The tables of docs/configuration.md, made from the tables of keys.

`python -m tests.support.key_tables` writes them; a test holds them fresh.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from agsekit.config.key import Key, Table
from agsekit.config.keys import AGENT, FORWARD, GUARD, KEEP, MOUNT, ROOT, VM

PAGE = Path(__file__).resolve().parents[2] / "docs/configuration.md"
TABLES = (ROOT, VM, FORWARD, MOUNT, KEEP, GUARD, AGENT)
_PLACE = re.compile(r"(<!-- keys: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fresh(page: str) -> str:
    """Return the page with its tables made anew."""
    by_name = {table.name: table for table in TABLES}
    return _PLACE.sub(lambda found: found[1] + "".join(_rows(by_name[found[2]])) + found[3], page)


def names(page: str) -> list[str]:
    """Return the names of the tables that the page has places for."""
    return [found[2] for found in _PLACE.finditer(page)]


def _rows(table: Table) -> Iterator[str]:
    yield "| key | meaning | default |\n|---|---|---|\n"
    for key in table.keys:
        yield f"| `{key.name}` | {_cell(key.description)} | {_cell(_default(key))} |\n"


def _default(key: Key) -> str:
    if key.required:
        return "needed"
    if key.otherwise:
        return key.otherwise
    return (
        f"`{json.dumps(key.default)}`" if not isinstance(key.default, str) or not key.default else f"`{key.default}`"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(fresh(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
