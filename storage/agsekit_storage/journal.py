"""What was done in a store, for whoever has to find out later: `.agsekit/events.jsonl`, one JSON object a line.

It is written under the lock of the store and is a help, not a record: what it says may be missing after a crash or on
a full disk, and nothing depends on it. It holds counts, ids and paths, never contents, commands or variables.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from agsekit_storage.settings import PRIVATE

if TYPE_CHECKING:
    from agsekit_storage.model import Snapshot
    from agsekit_storage.restore import Restored
    from agsekit_storage.retention import Decision

LARGEST = 1024 * 1024
"""Bytes; a file that is larger becomes `events.jsonl.1`, in place of the one before."""
_MOST = 100
"""As many of the things of one event are named."""
_LONGEST = 1000
"""Characters of one of them."""
_CLOCK_BACK = 60.0
_CLOCK_AHEAD = 30 * 86400.0
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def append(store: Path, event: str, *, now: Optional[float] = None, **facts: Any) -> None:
    """Add one event. That it cannot be written, on a full disk for one, is no failure of what it tells of."""
    moment = time.time() if now is None else now
    line = json.dumps({"time": round(moment, 3), "event": event, **facts}, separators=(",", ":")).encode()
    path = store / PRIVATE / "events.jsonl"
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * torn + line + b"\n")
        finally:
            os.close(descriptor)
        if size > LARGEST:
            path.replace(path.with_name(path.name + ".1"))
    except OSError:
        return


def read(store: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the events that are still known, oldest first; lines that a crash has torn are left out."""
    for name in ("events.jsonl.1", "events.jsonl"):
        try:
            lines = (store / PRIVATE / name).read_bytes().splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def note_snapshot(store: Path, snapshot: Snapshot, previous: Optional[Snapshot], good: Optional[Snapshot]) -> None:
    """Note a new snapshot, what it lost, and whether the clock has jumped since the one before."""
    named = {"id": snapshot.id, "sequence": snapshot.sequence, **_run(snapshot)}
    counts = ("files", "bytes", "added", "modified", "metadata", "removed", "stored_bytes", "complete")
    facts = {name: getattr(snapshot, name) for name in counts}
    append(store, "snapshot", now=snapshot.created, **named, kind=snapshot.kind, **facts)
    if snapshot.mass_loss:
        pinned = good.id if good else None
        append(store, "mass-loss", now=snapshot.created, **named, removed=snapshot.removed, pinned=pinned)
    passed = snapshot.created - previous.created if previous else 0.0
    if previous and not -_CLOCK_BACK <= passed <= _CLOCK_AHEAD:
        append(store, "clock", now=snapshot.created, **named, seconds_since=round(passed, 3), previous=previous.id)


def note_restore(store: Path, wanted: Snapshot, done: Restored, *, now: float) -> None:
    """Note a restore into the source."""
    plan = done.plan
    append(
        store,
        "restore",
        now=now,
        id=wanted.id,
        sequence=wanted.sequence,
        before=done.before.id if done.before else None,
        created=len(plan.create),
        replaced=len(plan.replace),
        adjusted=len(plan.adjust),
        deleted=len(plan.delete) + len(plan.clear),
        problems=len(done.problems),
    )


def note_prune(store: Path, decisions: Sequence[Decision], *, now: float) -> None:
    """Note which snapshots a policy has let go, if any."""
    gone = [decision for decision in decisions if not decision.keep]
    if gone:
        ids = [decision.snapshot.id for decision in gone[:_MOST]]
        reasons = Counter(decision.reason for decision in gone)
        append(store, "prune", now=now, deleted=len(gone), kept=len(decisions) - len(gone), ids=ids, reasons=reasons)


def note_paths(store: Path, event: str, paths: Sequence[bytes]) -> None:
    """Note something about paths, if there are any: how many, and which the first ones are."""
    if paths:
        names = [os.fsencode(path).decode("utf-8", "backslashreplace")[:_LONGEST] for path in paths[:_MOST]]
        append(store, event, count=len(paths), paths=names)


def _run(snapshot: Snapshot) -> Mapping[str, str]:
    return {"run": str(snapshot.run["id"])} if snapshot.run and "id" in snapshot.run else {}
