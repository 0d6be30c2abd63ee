"""What is noted of a run when it has ended, by the run itself or by the protector that outlived it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from agsekit_storage import run_log
from agsekit_storage.changes import compare_stored
from agsekit_storage.model import Changes
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.store import Store

_MOST_NAMED = 1000


@dataclass(frozen=True)
class Ending:
    """How a run ended: the snapshot with its last state, when (seconds since the epoch), and what it changed.

    `put_back` are the paths that were put back as they were before it. Where its last state could not be `saved`,
    `after` is the newest snapshot from before that.
    """

    after: str
    ended: float
    exit_code: Optional[int]
    changes: Changes
    put_back: Sequence[bytes] = ()
    saved: bool = True


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
        last_saved=ending.saved,
        quarantined=[path.decode("utf-8", "backslashreplace") for path in ending.put_back[:_MOST_NAMED]],
    )
    run_log.save(store, ended)


def note_unsaved_end(store: Store, run: Mapping[str, Any], before: str, exit_code: Optional[int] = None) -> None:
    """Write the end of a run whose last state could not be saved: what it changed is known up to its newest snapshot.

    Raises:
        StorageError, OSError: that cannot be written either.
    """
    snapshots = store.snapshots()
    made = [each.id for each in snapshots if each.run and each.run.get("id") == run["id"] and each.kind != "damaged"]
    after = made[-1] if made else before
    changes = Changes()
    if after != before:
        changes = compare_stored(store.tree(store.get(before)), store.tree(store.get(after)))
    note_end(store, run, before, Ending(after, time.time(), exit_code, changes, saved=False))
