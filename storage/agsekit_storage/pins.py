"""Which snapshots must stay: those that are pinned, for good, and those that are held, for a time.

`.agsekit/pins` has one id a line. `.agsekit/held` is JSON: by id the time until which no policy lets a snapshot go,
what a run began with, and the state before a restore, whatever kind of snapshot has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from agsekit_storage import durable

HOLD = 86400.0
"""Seconds for which a snapshot is held after the run, or the restore, that needs it."""


class Pins:
    """Reads and writes the two files; writing needs the lock of the store."""

    def __init__(self, private: Path) -> None:
        self._pins = private / "pins"
        self._held = private / "held"

    def pinned(self) -> frozenset[str]:
        """Return the ids of the pinned snapshots."""
        try:
            return frozenset(self._pins.read_text().split())
        except FileNotFoundError:
            return frozenset()

    def pin(self, snapshot_id: str, *, pinned: bool) -> None:
        """Keep a snapshot for good, or no longer."""
        pins = set(self.pinned())
        (pins.add if pinned else pins.discard)(snapshot_id)
        durable.write_file(self._pins, "".join(f"{each}\n" for each in sorted(pins)).encode())

    def held(self) -> Mapping[str, float]:
        """Return until when snapshots are held, in seconds since the epoch."""
        try:
            return {str(each): float(until) for each, until in json.loads(self._held.read_text()).items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}

    def hold(self, snapshot_id: str, *, now: float) -> None:
        """Hold a snapshot for `HOLD` seconds from now; what is held long enough already costs nothing."""
        held = self.held()
        if held.get(snapshot_id, 0.0) < now + HOLD / 2:
            # A time further ahead comes from a clock that was ahead.
            still = {each: min(until, now + HOLD) for each, until in held.items() if until > now}
            durable.write_file(self._held, json.dumps({**still, snapshot_id: now + HOLD}).encode())
