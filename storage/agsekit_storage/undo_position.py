"""Where a series of undos stands, as it is kept in `.agsekit/position` of a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Optional

from agsekit_storage import durable
from agsekit_storage.settings import PRIVATE

_MOST_SERIES = 20
"""Series on top of each other that are remembered."""


@dataclass(frozen=True)
class Position:
    """Where a series of undos stands: the snapshot whose state the folder has, and the way forward, next one last.

    `paths` are what the series is about; everything when empty. `below` is the series that it began on top of.
    """

    at: str
    forward: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    below: Optional[Position] = None

    def chain(self) -> Iterator[Position]:
        """Yield this series and those below it, the one on top first."""
        each: Optional[Position] = self
        while each is not None:
            yield each
            each = each.below


def load_position(store: Path) -> Optional[Position]:
    """Return what was kept last, None when there is nothing, or nothing that can be read."""
    try:
        return _position_of(json.loads((store / PRIVATE / "position").read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def save_position(store: Path, position: Position) -> None:
    """Keep a position. Needs the lock of the store."""
    document: Optional[dict[str, object]] = None
    for each in reversed(list(islice(position.chain(), _MOST_SERIES))):
        paths = [os.fsdecode(path) for path in each.paths]
        document = {"at": each.at, "forward": list(each.forward), "paths": paths, "below": document}
    durable.write_file(store / PRIVATE / "position", json.dumps(document).encode())


def _position_of(document: Any) -> Position:
    """Return the position that a document tells of, or raise what a wrong document happens to raise."""
    below = document.get("below")
    return Position(
        str(document["at"]),
        tuple(map(str, document["forward"])),
        tuple(map(os.fsencode, document.get("paths", ()))),
        _position_of(below) if below else None,
    )
