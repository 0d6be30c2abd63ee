"""What a record says of a snapshot beside its tree: the header, and the order of snapshots that it tells."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from agsekit_storage.model import Problem, Snapshot

_ROOM_FOR_PROBLEMS = 1024 * 1024
"""Bytes of a header: how many problems there are, and how long their paths, is up to whoever writes to the source."""


def header_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the header of a snapshot. Problems that do not fit are left out, harmless ones first."""
    kept_elsewhere = ("pinned", "held_until", "problems")
    header: dict[str, Any] = {key: value for key, value in vars(snapshot).items() if key not in kept_elsewhere}
    header["problems"] = list(_problems(sorted(snapshot.problems, key=lambda problem: problem.harmless)))
    return header


def snapshot_of(header: dict[str, Any]) -> Snapshot:
    """Return the snapshot of a header.

    Raises:
        KeyError, TypeError: something is not there.
    """
    known = {key: header[key] for key in Snapshot.__dataclass_fields__ if key in header}
    known["problems"] = [
        Problem(os.fsencode(each["path"]), each["reason"], each.get("detail", "")) for each in header["problems"]
    ]
    return Snapshot(**known)


def in_order(found: Sequence[Snapshot]) -> list[Snapshot]:
    """Sort by sequence; a damaged record does not tell it, so there the id decides, which sorts the same way."""
    placed = []
    sequence = 0
    for snapshot in sorted(found, key=lambda each: each.id):
        if snapshot.kind == "damaged":
            snapshot = replace(snapshot, sequence=sequence)
        elif snapshot.kind != "foreign":
            sequence = snapshot.sequence
        placed.append(snapshot)
    return sorted(placed, key=lambda snapshot: (snapshot.sequence, snapshot.id))


def _problems(problems: Sequence[Problem]) -> Iterator[dict[str, str]]:
    room = _ROOM_FOR_PROBLEMS
    for problem in problems:
        entry = {"path": os.fsdecode(problem.path), "reason": problem.reason, "detail": problem.detail}
        room -= len(json.dumps(entry))
        if room >= 0:
            yield entry
