"""What a process that takes many snapshots of one store remembers between them, so that it need not read it again."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Optional

from agsekit_storage.model import Snapshot
from agsekit_storage.tree import Tree

_PRUNE_EVERY = 300.0


class Memory:
    """The tree that the last snapshot of this process left, for as long as the store has no newer one.

    Give the same one to every `take_snapshot` of a store. Another process may write to the store meanwhile: what is
    remembered is used only where the newest snapshot is still the one it belongs to. It is not for two threads.

    Old snapshots are deleted every few minutes only, and not with every new one: to know what that frees, trees have
    to be read.
    """

    def __init__(self) -> None:
        self._tree: Optional[Tree] = None
        self._newest: tuple[str, int, float] = ("", 0, 0.0)
        self._pruned = float("-inf")

    def tree(self, newest: Snapshot) -> Optional[Tree]:
        """Return the tree of the newest snapshot in its freshest form; None when it has to be read."""
        return self._tree if self._newest == _key(newest) else None

    def keep(self, newest: Snapshot, tree: Tree) -> None:
        """Remember the state that the source had at the last look, which the newest snapshot holds."""
        self._newest, self._tree = _key(newest), tree

    def is_pruning_due(self, now: float) -> bool:
        """Tell, and note, whether it is time to delete what the policy lets go; `now` in seconds since the epoch."""
        if 0 <= now - self._pruned < _PRUNE_EVERY:
            return False
        self._pruned = now
        return True

    def forget(self) -> None:
        """Remember nothing: what was being written may have failed half-way."""
        self._newest, self._tree = ("", 0, 0.0), None


def give_back() -> None:
    """Return freed memory to the system: glibc keeps it, and after a walk of everything that is a third of all."""
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def _key(snapshot: Snapshot) -> tuple[str, int, float]:
    return snapshot.id, snapshot.sequence, snapshot.created
