"""Keeping a store small in the background: never in the way of a snapshot for longer than a few milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from agsekit_storage import lock
from agsekit_storage.errors import StoreLocked
from agsekit_storage.store import Store

_WAIT = 30.0


class Run(Protocol):
    """Starts a program; this library starts none itself."""

    def __call__(self, argv: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program and return its exit status.

        It sees this environment and `PATH`, nothing else; its working directory is `/`; it has no input, what it
        prints is dropped, and it runs at a low priority.

        Raises:
            OSError: there is no such program.
        """
        ...


def maintain(store: Store, run: Run) -> bool:
    """Compact a store where that pays, and tell whether anything was done.

    Snapshots can be taken, read and deleted all the while: the lock of the store is held only to swap files
    that are ready. A crash leaves a store that is whole. Two at once do not disturb each other. Without git
    installed, the space of deleted snapshots stays taken.

    Raises:
        StoreDamaged: objects are missing; nothing was removed.
    """
    if store.backend.name != "git" or not store.backend.present():
        return False
    from agsekit_storage.backends.git_maintenance import Compactor
    from agsekit_storage.backends.git_repository import MAINTENANCE_LOCK, Repository

    repository = Repository(store.path)
    compactor = Compactor(repository, lambda: store.locked(wait=_WAIT))
    try:
        with lock.exclusive(repository.path / MAINTENANCE_LOCK, wait=0):
            return compactor.repack(run) or compactor.merge()
    except StoreLocked:
        return False
