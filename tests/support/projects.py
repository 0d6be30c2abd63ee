"""A source folder with its store, and the short words for what tests do with them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from agsekit_storage.model import Snapshot
from agsekit_storage.restore import Restored, RestoreRequest, restore, restore_to
from agsekit_storage.snapshots import Request, Result, take_snapshot
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree
from tests.support.trees import Description, describe, saved_part


class Project:
    """A source and its store in one folder."""

    def __init__(self, home: Path, backend: str) -> None:
        self.home = home
        self.backend = backend
        self.source = home / "source"
        self.source.mkdir()
        self.path = home / "store"
        self._copies = 0

    @property
    def store(self) -> Store:
        """The store, opened anew as another process would."""
        return Store.create(self.path, self.source, backend=self.backend)

    def snapshot(
        self,
        *,
        kind: str = "manual",
        exclude: Sequence[str] = (),
        now: Optional[float] = None,
        wait: float = 600.0,
    ) -> Result:
        """Take a snapshot."""
        moment = time.time() if now is None else now
        return take_snapshot(self.store, Request(kind, exclude), now=moment, wait=wait)

    def restore(
        self,
        snapshot: Snapshot,
        *paths: bytes,
        exclude: Sequence[str] = (),
        keep_new: bool = False,
    ) -> Restored:
        """Restore the source."""
        request = RestoreRequest(snapshot, paths, exclude, keep_new)
        return restore(self.store, request, now=time.time())

    def snapshots(self) -> list[Snapshot]:
        """List the snapshots."""
        return Store.existing(self.path).snapshots()

    def tree(self, snapshot: Snapshot) -> Tree:
        """Read the record of a snapshot."""
        return self.store.tree(snapshot)

    def now(self) -> Description:
        """Describe what a snapshot of the source would keep."""
        return saved_part(describe(self.source))

    def saved(self, snapshot: Snapshot) -> Description:
        """Describe what a snapshot holds, by restoring it somewhere else."""
        self._copies += 1
        place = self.home / f"copy-{os.getpid()}-{self._copies}"
        restored = restore_to(Store.existing(self.path), RestoreRequest(snapshot), place)
        told = [problem for problem in restored.problems if not problem.harmless and problem.reason != "rebuilt"]
        assert not told, told
        return describe(place)

    def saved_as_far_as_it_goes(self, snapshot_id: str) -> Description:
        """Describe what an incomplete snapshot holds."""
        self._copies += 1
        place = self.home / f"copy-{os.getpid()}-{self._copies}"
        store = Store.existing(self.path)
        restore_to(store, RestoreRequest(store.get(snapshot_id)), place)
        return describe(place)

    def rests(self) -> list[str]:
        """Return what is in the store that should not be: leftovers of a crash."""
        ids = {snapshot.id for snapshot in self.snapshots()}
        known = {".agsekit", "shadow.git", *ids}
        left = [name for name in os.listdir(self.path) if name not in known]
        private = self.path / ".agsekit"
        known = {"format", "config.json", "lock", "trees", "bases", "walk-cache", "pins", "held", "runs", "run-log"}
        known |= {"events.jsonl", "events.jsonl.1", "audit"}
        left += [name for name in os.listdir(private) if name not in known]
        return left + [name for name in os.listdir(private / "trees") if name not in ids]
