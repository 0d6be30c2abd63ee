"""What is noted of a run when it has ended, by the run itself or by the protector that outlived it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from agsekit_storage import run_log
from agsekit_storage.model import Changes
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Ending:
    """How a run ended: the snapshot with its last state, when (seconds since the epoch), and what it changed."""

    after: str
    ended: float
    exit_code: Optional[int]
    changes: Changes


def note_end(store: Store, run: Mapping[str, Any], before: Optional[str], ending: Ending) -> None:
    """Write the end of a run into the log of the store, and hold its last state for as long as its first."""
    with store.locked(wait=DEFAULT_WAIT):
        store.hold(ending.after, now=ending.ended)
    ended = replace(
        run_log.run_of(run),
        before=before,
        after=ending.after,
        ended=ending.ended,
        exit_code=ending.exit_code,
        counts=run_log.counts_of(ending.changes),
    )
    run_log.save(store, ended)
