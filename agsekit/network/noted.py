"""What the tunnels of this login are doing, noted for others: `<runtime folder>/tunnels/<pid>.json`.

Each process that keeps tunnels has one such file: `{"version": 1, "pid", "tunnels": [...]}` with the documents that
`agsekit portforward --json` prints, the newest of each rule. It is replaced whole, and removed at a clean end; that
of a process that is gone says nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = "tunnels"


class Noted:
    """Keeps the file of this process."""

    def __init__(self, runtime_folder: Path) -> None:
        self._path = runtime_folder / _FOLDER / f"{os.getpid()}.json"
        self._tunnels: dict[tuple[object, ...], Mapping[str, Any]] = {}

    def note(self, status: Mapping[str, Any]) -> None:
        """Note the newest status of a rule. A disk that is full does not end a tunnel."""
        rule = tuple(status[key] for key in ("vm", "type", "listens", "leads_to"))
        if status["state"] == "ended":
            self._tunnels.pop(rule, None)
        else:
            self._tunnels[rule] = status
        document = {"version": 1, "pid": os.getpid(), "tunnels": list(self._tunnels.values())}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._path.with_name(f".{self._path.name}")
            draft.write_text(json.dumps(document) + "\n", encoding="ascii")
            os.replace(draft, self._path)

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def noted_tunnels(runtime_folder: Path) -> list[dict[str, Any]]:
    """Return the statuses of all tunnels that processes of this user keep up now."""
    found: list[dict[str, Any]] = []
    for path in sorted((runtime_folder / _FOLDER).glob("[!.]*.json")):
        try:
            document = json.loads(path.read_bytes())
            os.kill(int(document["pid"]), 0)
            found += document["tunnels"]
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                path.unlink()
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
