"""The file by which others see that a loop of snapshots is alive, and how it stands with each mount.

`<state folder>/heartbeats/<name>.json`, replaced whole after every snapshot and at least once a minute, removed
at a clean end. Times are seconds since the epoch, or null:

    {"version": 1, "command": "backup-repeated-all", "pid": 123, "time": 1.5, "config": "/…/config.yaml",
     "mounts": [{"source", "backup", "interval" (minutes), "watched", "unwatched" (why not although it should be,
                 or null), "last_success", "last_snapshot" (id or null), "last_failure", "problem" (text, null when
                 the last attempt succeeded), "failures" (in a row), "next"}]}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

from agsekit.protection.rounds import MountState

FRESH_SECONDS = 150.0
"""A heartbeat that is older comes from a loop that hangs, or was killed."""


class Heartbeat:
    """Writes the file of one loop; `source` is its only mount, or None for all."""

    def __init__(self, state_folder: Path, command: str, config: Path, *, source: Optional[Path] = None) -> None:
        mark = "" if source is None else "-" + hashlib.sha256(os.fsencode(source)).hexdigest()[:12]
        self.path = state_folder / "heartbeats" / f"{command}{mark}.json"
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self._about = {"version": 1, "command": command, "pid": os.getpid(), "config": str(config)}

    def write(self, states: Sequence[MountState], *, now: float) -> None:
        """Replace the file. A disk that is full does not end the protection."""
        document = {**self._about, "time": now, "mounts": [_mount(state) for state in states]}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._temporary.write_text(json.dumps(document, ensure_ascii=True) + "\n", encoding="ascii")
            os.replace(self._temporary, self.path)

    def remove(self) -> None:
        """Remove the file, unless another loop of the same name has replaced it; a write may have been cut short."""
        with contextlib.suppress(OSError):
            self._temporary.unlink()
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self.path.read_bytes())["pid"] == os.getpid():
                self.path.unlink()


def heartbeat_files(state_folder: Path) -> Iterable[tuple[Path, dict[str, Any]]]:
    """Return the files, and what they say, of all loops that still run or did not end cleanly; see FRESH_SECONDS."""
    found = []
    for path in sorted((state_folder / "heartbeats").glob("[!.]*.json")):
        with contextlib.suppress(OSError, ValueError):
            found.append((path, dict(json.loads(path.read_bytes()))))
    return found


def _mount(state: MountState) -> dict[str, Any]:
    return {
        "source": str(state.mount.source),
        "backup": str(state.mount.backup),
        "interval": state.mount.interval,
        "watched": state.edits is not None and state.edits.descriptor >= 0,
        "unwatched": state.unwatched,
        "last_success": state.last_success,
        "last_snapshot": state.last_snapshot,
        "last_failure": state.last_failure,
        "problem": state.problem,
        "failures": state.failures,
        "next": state.next,
    }
