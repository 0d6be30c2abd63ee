"""When another backend takes over a store: what to remove afterwards, and what when it did not come to that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from agsekit_storage import settings
from agsekit_storage.backends.base import Backend
from agsekit_storage.durable import remove_tree
from agsekit_storage.errors import StoreDamaged, StoreRefused
from agsekit_storage.records import Records
from agsekit_storage.registry import BACKENDS, backend_factory, is_available
from agsekit_storage.settings import PRIVATE, Settings


def stage_of(store: Path) -> Path:
    """Return the folder in which a conversion makes one snapshot after the other."""
    return store / PRIVATE / "converting"


def refuse_strange(store: Path, backend: Backend) -> None:
    """Make sure that a folder holds nothing that the other backend would take for a snapshot.

    Raises:
        StoreRefused: it does.
    """
    strange = backend.present()
    if strange:
        raise StoreRefused(
            "{path} also holds {name}, which is none of its snapshots",
            hint="move it to another folder first",
            path=store,
            name=min(strange),
        )


def abandon(store: Path, present: Settings) -> None:
    """Remove what a conversion has left that did not come to its end. Needs the lock of the store.

    It is known by its records, which are removed last. A snapshot that is not what its record says is not ours.
    """
    records = Records(store / PRIVATE, present.generation + 1)
    if not records.begun():
        return
    found = settings.read(store)
    if found is None or found.generation != present.generation:
        # It came to its end after all, though that could not be confirmed.
        return
    remove_tree(stage_of(store))
    for name in BACKENDS:
        if name != present.backend and is_available(name):
            backend = backend_factory(name)(store)
            backend.recover()
            backend.clear(_whole(backend, records))
    records.remove()


def remove_retired(store: Path, found: Settings) -> Settings:
    """Remove what a conversion has replaced, and return the settings without it. Needs the lock of the store."""
    if not found.retired:
        return found
    name, generation = found.retired
    backend, records = backend_factory(name)(store), Records(store / PRIVATE, generation)
    backend.recover()
    backend.clear(records.ids())
    records.remove()
    after = replace(found, retired=None)
    settings.write(store, after)
    return after


def _whole(backend: Backend, records: Records) -> list[str]:
    """Return the ids of the snapshots that are present and as their records say."""
    check = backend.checker(data=False)
    found = []
    for snapshot_id in sorted({*records.ids()} & {*backend.present()}):
        with suppress(StoreDamaged):
            if not any(check(snapshot_id, records.tree(snapshot_id))):
                found.append(snapshot_id)
    return found
