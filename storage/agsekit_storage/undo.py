"""Undo and redo: walking back and forth along the states of a folder, without ever losing one.

Undo restores the state before the newest snapshot that changed something; repeated, it goes further back. Where a
series of undos stands is kept in `.agsekit/position`, and holds for as long as nobody edits the folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Optional

from agsekit_storage import durable
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.events import OnEvent, ignore_events
from agsekit_storage.model import Snapshot
from agsekit_storage.restore import Restored, RestoreRequest, holds_state, restore
from agsekit_storage.settings import PRIVATE
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Position:
    """Where a series of undos stands: the snapshot whose state the folder has, and the way forward, next one last."""

    at: str
    forward: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One undo or redo that is possible now."""

    target: Snapshot
    then: Position


def undo_step(store: Store, exclude: tuple[str, ...]) -> Step:
    """Return what an undo would restore.

    Raises:
        SnapshotNotFound: there is no earlier state.
    """
    snapshots = store.snapshots()
    position = _valid_position(store, snapshots, exclude)
    if position is None:
        unsaved = not snapshots or not holds_state(store, snapshots[-1], exclude)
        if unsaved and snapshots:
            # The newest snapshot is the state before the latest edits, which the restore will save.
            return Step(snapshots[-1], Position(snapshots[-1].id, (_SAVED_FIRST,)))
        position = Position(snapshots[-1].id) if snapshots else Position("")
    earlier = [each for each in snapshots if each.id < position.at and each.kind not in ("safety", "damaged")]
    if not earlier:
        raise SnapshotNotFound("there is no earlier state to go back to", hint=_LIST)
    return Step(earlier[-1], Position(earlier[-1].id, (*position.forward, position.at)))


def redo_step(store: Store, exclude: tuple[str, ...]) -> Step:
    """Return what a redo would restore.

    Raises:
        SnapshotNotFound: nothing was undone, or the folder was edited since.
    """
    snapshots = store.snapshots()
    position = _valid_position(store, snapshots, exclude)
    known = {each.id: each for each in snapshots}
    if position is None or not position.forward or position.forward[-1] not in known:
        raise SnapshotNotFound("there is nothing to redo", hint="redo works right after an undo, before new edits")
    return Step(known[position.forward[-1]], Position(position.forward[-1], position.forward[:-1]))


def take_step(
    store: Store, step: Step, exclude: tuple[str, ...], *, now: float, on_event: OnEvent = ignore_events
) -> Restored:
    """Restore what a step leads to and remember where the series stands."""
    done = restore(store, RestoreRequest(step.target, exclude=exclude), now=now, on_event=on_event)
    saved = done.before.id if done.before else ""
    forward = tuple(saved if each == _SAVED_FIRST else each for each in step.then.forward)
    document = {"at": step.then.at, "forward": [each for each in forward if each]}
    with store.locked(wait=DEFAULT_WAIT):
        durable.write_file(store.path / PRIVATE / "position", json.dumps(document).encode())
    return done


_SAVED_FIRST = "saved-first"
"""Stands for the snapshot that the restore itself will take of the state before."""
_LIST = "`agsekit snapshots list` shows what there is"


def _valid_position(store: Store, snapshots: list[Snapshot], exclude: tuple[str, ...]) -> Optional[Position]:
    try:
        document = json.loads((store.path / PRIVATE / "position").read_text())
        position = Position(str(document["at"]), tuple(map(str, document["forward"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    at = next((each for each in snapshots if each.id == position.at), None)
    return position if at and holds_state(store, at, exclude) else None
