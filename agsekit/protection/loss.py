"""Noticing during a run that it destroys much, also when that takes several snapshots."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional

from agsekit.protection.target import Target
from agsekit_storage.changes import compare_stored
from agsekit_storage.errors import SourceUnavailable
from agsekit_storage.events import OnEvent
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.preflight import FEWEST, lost_files
from agsekit_storage.restore import Narrowing, RestoreRequest, restore
from agsekit_storage.restore_plan import Plan
from agsekit_storage.snapshots import Result
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree

_CALM = 0.1
"""While less than this part of what counts as a loss is gone, a snapshot is a good one to go back to."""


@dataclass(frozen=True)
class Loss:
    """A run has destroyed much: `lost` of the `had` files that it began with are gone or nearly empty.

    `vanished` tells that the folder itself is gone. `good` is the last snapshot from before.
    """

    lost: int
    had: int
    good: str
    vanished: bool = False

    def entry(self) -> Mapping[str, Any]:
        """Return what a protector reports."""
        return {"loss": asdict(self)}


def loss_of(entry: Mapping[str, Any]) -> Optional[Loss]:
    """Return the loss in an entry of a report, None when it is about something else."""
    return Loss(**entry["loss"]) if "loss" in entry else None


class LossWatch:
    """Holds what becomes of the files against those that a run began with.

    Args:
        before: the snapshot that it began with.
        tree: the tree of that.
        share: the share of the files that must not be lost.
    """

    def __init__(self, before: Snapshot, tree: Tree, share: float) -> None:
        self._tree = tree
        self._sequence = before.sequence
        self._had = tree.count_files()
        self._most = self._had * share
        self._good = before.id
        self._lost: set[bytes] = set()
        self._told = False

    def result(self, result: Result) -> Optional[Loss]:
        """Look at a new snapshot and return the loss that it shows, once until the files are back."""
        changes = result.changes
        if result.snapshot.sequence != self._sequence + result.created:
            # Somebody else has taken snapshots in between, and the changes are since theirs.
            changes = compare_stored(self._tree, result.tree)
            self._lost.clear()
        self._sequence = result.snapshot.sequence
        self._lost.difference_update(changes.added, changes.modified)
        self._lost.update(lost_files(self._tree, result.tree, changes))
        count = len(self._lost)
        everything = self._had > 0 and result.tree.count_files() == 0
        if (self._had >= FEWEST and count > self._most) or everything or result.snapshot.mass_loss:
            return self._tell(Loss(count, self._had, self._good))
        if count <= self._most * _CALM:
            self._good, self._told = result.snapshot.id, False
        return None

    def failure(self, error: Exception) -> Optional[Loss]:
        """Return the loss that a failed snapshot shows: the folder is gone."""
        if not isinstance(error, SourceUnavailable):
            return None
        return self._tell(Loss(self._had, self._had, self._good, vanished=True))

    def _tell(self, loss: Loss) -> Optional[Loss]:
        if self._told:
            return None
        self._told = True
        return loss


def bring_back(store: Store, target: Target, loss: Loss, *, on_event: OnEvent) -> int:
    """Restore what a loss took, and nothing else that was edited; return the number of paths.

    Raises:
        StorageError: it could not be restored.
    """
    snapshot = store.get(loss.good)

    def only_lost(plan: Plan, current: Tree) -> Plan:
        emptied = lost_files(store.tree(snapshot), current, Changes(modified=[*plan.replace]))
        lost = frozenset([*plan.create, *emptied]) - frozenset(plan.clear)
        return replace(
            plan,
            create=[path for path in plan.create if path in lost],
            replace=[path for path in plan.replace if path in lost],
            adjust=[],
            delete=[],
            clear=[],
            scope=lost.__contains__,
        )

    narrowing = Narrowing(lambda path: True, only_lost)
    request = RestoreRequest(snapshot, exclude=target.exclude, keep_new=True, narrowing=narrowing)
    done = restore(store, request, now=time.time(), on_event=on_event)
    return len(done.plan.create) + len(done.plan.replace)
