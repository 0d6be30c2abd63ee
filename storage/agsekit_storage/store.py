"""A store: the folder that holds the snapshots of one source and their records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Optional

from agsekit_storage import lock, naming, settings, succession
from agsekit_storage.adoption import is_elsewhere, require_same_project
from agsekit_storage.backends.base import Backend
from agsekit_storage.errors import SnapshotNotFound, SourceUnavailable, StoreDamaged, StoreRefused, explained
from agsekit_storage.guards import check_apart
from agsekit_storage.headers import header_of, in_order, snapshot_of
from agsekit_storage.model import Snapshot
from agsekit_storage.pins import Pins
from agsekit_storage.records import Records
from agsekit_storage.registry import backend_factory
from agsekit_storage.settings import PRIVATE, Settings
from agsekit_storage.tree import Tree

_WAIT = 600.0
"""Seconds that a new store, or one whose source was moved, waits for another writer."""


class Store:
    """Opened by `Store.create` or `Store.existing`; see docs/storage.md for what is on the disk.

    Attributes:
        path: the folder.
        source: the folder whose snapshots these are, None for a store that only another tool has written to.
        backend: keeps the contents.
    """

    def __init__(self, path: Path, source: Optional[Path], settings: Settings) -> None:
        self.path = path
        self.source = source
        self._private = path / PRIVATE
        self._pins = Pins(self._private)
        self._known: dict[str, tuple[tuple[int, int], Snapshot]] = {}
        self._adopt(settings)

    def _adopt(self, settings: Settings) -> None:
        self._settings = settings
        self._known.clear()
        self.backend: Backend = backend_factory(settings.backend)(self.path)
        self._records = Records(self._private, settings.generation)

    @classmethod
    def create(cls, path: Path, source: Path, *, backend: Optional[str] = None, adopt: bool = False) -> Store:
        """Open the store of a source, making it where there is none.

        `backend` None means what the store has, and `rsync` for a new one. With `adopt` the source is taken for the
        one that the store knows at a place where nothing is now, whatever it looks like.

        Raises:
            StoreRefused: it lies inside the source or the other way round, holds something else, belongs to
                another source, or has another backend.
        """
        with explained(path):
            check_apart(source, path)
            present = settings.read(path)
            if present is None:
                settings.refuse_foreign_folder(path)
                wanted = Settings(backend or "rsync", str(source), identity=settings.identity_of(source))
            else:
                wanted = cls._checked(path, present, source, backend, adopt=adopt)
            settings.make_private(path)
            if wanted == present:
                store = cls(path, source, wanted)
                store._records.prepare()
                return store
        # Others may be about to make the same store, or write to it; what they have written counts.
        with lock.exclusive(path / PRIVATE / "lock", wait=_WAIT), explained(path):
            present = settings.read(path)
            if present is not None:
                wanted = cls._checked(path, present, source, backend, adopt=adopt)
            return cls._write_settings(path, source, wanted, new=present is None)

    @classmethod
    def _checked(
        cls, path: Path, present: Settings, source: Path, backend: Optional[str], *, adopt: bool
    ) -> Settings:
        wanted = settings.check(path, present, source, backend)
        if is_elsewhere(present, source) and not adopt:
            require_same_project(cls(path, None, present), present, source)
        return wanted

    @classmethod
    def _write_settings(cls, path: Path, source: Optional[Path], wanted: Settings, *, new: bool) -> Store:
        store = cls(path, source, wanted)
        if new:
            store.backend.check_folder()
        store._records.prepare()
        settings.write(path, wanted)
        return store

    @classmethod
    def existing(cls, path: Path, source: Optional[Path] = None) -> Store:
        """Open a store that exists, for reading or restoring; `source` says which folder it must belong to.

        Raises:
            StoreRefused: there is none, or it belongs to another folder that exists.
        """
        with explained(path):
            found = settings.read(path)
            entries = os.listdir(path) if found is None and path.is_dir() else []
        if found is None:
            if not any(map(naming.is_id, entries)):
                raise StoreRefused(
                    "{path} holds no snapshots",
                    hint="a store is made by the first snapshot: `agsekit backup-once`, or `agsekit run`",
                    path=path,
                )
            found = Settings("rsync")
        if source is not None:
            settings.refuse_other_source(path, found.source, source)
            # A place with nothing in it is where somebody restores a project that is lost.
            if is_elsewhere(found, source) and source.is_dir() and any(source.iterdir()):
                require_same_project(cls(path, None, found), found, source)
        known = source if source is not None else Path(found.source) if found.source else None
        return cls(path, known, found)

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest first. Only whole ones are listed."""
        with explained(self.path):
            pinned, held = self._pins.pinned(), self._pins.held()
            found = [
                replace(self._snapshot(each), pinned=each in pinned, held_until=held.get(each, 0.0))
                for each in self.backend.present()
            ]
        return in_order(found)

    def unreadable(self) -> frozenset[str]:
        """Return the ids of those whose record cannot be read: they are listed, but the rest of it is not known."""
        with explained(self.path):
            return self._records.unreadable()

    def get(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of exactly this id.

        Raises:
            SnapshotNotFound: there is none.
        """
        for snapshot in self.snapshots():
            if snapshot.id == snapshot_id:
                return snapshot
        raise SnapshotNotFound(
            "there is no snapshot {snapshot_id} in {path}",
            hint="`agsekit snapshots list` shows what there is",
            snapshot_id=snapshot_id,
            path=self.path,
        )

    def tree(self, snapshot: Snapshot) -> Tree:
        """Return the tree of a snapshot.

        Raises:
            StoreDamaged: its record is missing or cannot be read.
        """
        return self._read_foreign(snapshot) if snapshot.kind == "foreign" else self._records.tree(snapshot.id)

    def shared_tree(self, snapshot: Snapshot, bases: dict[str, Tree]) -> Tree:
        """Return the tree of a snapshot for looking only: it shares folders with those read with the same `bases`."""
        if snapshot.kind == "foreign":
            if snapshot.id not in bases:
                bases[snapshot.id] = self._read_foreign(snapshot)
            return bases[snapshot.id]
        return self._records.tree(snapshot.id, bases)

    def _read_foreign(self, snapshot: Snapshot) -> Tree:
        from agsekit_storage.foreign import read_tree

        return read_tree(self.path / snapshot.id, self.backend.digest)

    def source_folder(self) -> Path:
        """Return the folder whose snapshots these are.

        Raises:
            SourceUnavailable: the store does not know it.
        """
        if self.source is None:
            raise SourceUnavailable(
                "it is not known which folder {path} holds the snapshots of",
                hint="name it with --source-dir",
                path=self.path,
            )
        return self.source

    def pin(self, snapshot_id: str, *, pinned: bool) -> None:
        """Keep a snapshot for good, or no longer. Call it with the lock held."""
        self._pins.pin(snapshot_id, pinned=pinned)

    def hold(self, snapshot_id: str, *, now: float) -> None:
        """Keep a snapshot from pruning for a day from now. Call it with the lock held."""
        self._pins.hold(snapshot_id, now=now)

    def delete(self, snapshot_ids: Sequence[str], *, size: int = 0) -> None:
        """Delete snapshots and what only they needed, `size` bytes if known. Call it with the lock held."""
        self.backend.delete(snapshot_ids, size=size)
        for snapshot_id in snapshot_ids:
            self._records.forget(snapshot_id)
        self._records.clean(set(self.backend.present()))

    def rewrite_record(self, snapshot: Snapshot) -> None:
        """Replace what the record of a snapshot says beside the tree. Call it with the lock held."""
        self._records.rewrite_header(snapshot.id, header_of(snapshot))

    def latest_tree(self, snapshot: Snapshot) -> Tree:
        """Return the tree of the newest snapshot in its freshest form: with the stamps of the last walk."""
        return self._records.walked_tree(snapshot.id) or self.tree(snapshot)

    def save_walk(self, snapshot: Snapshot, tree: Tree) -> None:
        """Remember a walk that found nothing changed since the newest snapshot."""
        self._records.save_walk(snapshot.id, tree)

    def save_record(self, snapshot: Snapshot, tree: Tree) -> None:
        """Write the record of a snapshot that is about to be published, and bring it to the disk."""
        self._records.save(snapshot.id, header_of(snapshot), tree)

    def forget_record(self, snapshot_id: str) -> None:
        """Remove the record of a snapshot that was not or is no longer present."""
        self._records.forget(snapshot_id)

    @contextmanager
    def locked(self, *, wait: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Be the only writer for the length of a `with` block, in a store cleaned of what a crash left.

        Raises:
            StoreLocked: another process wrote for all of `wait` seconds.
        """
        if self.source is not None and not self._private.exists():
            # Only another tool has written here so far.
            Store.create(self.path, self.source)
        with lock.exclusive(self._private / "lock", wait=wait, on_wait=on_wait):
            with explained(self.path):
                self._recover()
            yield

    def _recover(self) -> None:
        self._follow_conversion()
        self.abandon_conversion()
        self._records.prepare()
        self.backend.recover()
        self._records.clean(set(self.backend.present()))

    def _follow_conversion(self) -> None:
        """Notice that another process has converted the store, and finish what it may have left."""
        found = settings.read(self.path)
        if found is None:
            return
        if (found.backend, found.generation) != (self._settings.backend, self._settings.generation):
            self._adopt(found)
        if found.retired:
            self._settings = succession.remove_retired(self.path, found)

    def begin_conversion(self, backend: str) -> Store:
        """Return the store as it will be with another backend, empty. Call it with the lock held.

        Raises:
            StoreRefused: the folder holds something that the other backend would take for a snapshot.
        """
        wanted = replace(self._settings, backend=backend, generation=self._settings.generation + 1)
        successor = Store(self.path, self.source, wanted)
        succession.refuse_strange(self.path, successor.backend)
        successor._records.prepare()
        return successor

    def abandon_conversion(self) -> None:
        """Remove what a conversion has left that did not come to its end. Call it with the lock held."""
        succession.abandon(self.path, self._settings)

    def finish_conversion(self, successor: Store) -> None:
        """Let another backend take over, in one step, and remove what this one kept. Call it with the lock held."""
        before = self._settings
        after = replace(successor._settings, retired=(before.backend, before.generation))
        settings.write(self.path, after)
        self._adopt(after)
        self._settings = succession.remove_retired(self.path, after)

    def _snapshot(self, snapshot_id: str) -> Snapshot:
        try:
            stamp = self._records.stamp(snapshot_id)
            known = self._known.get(snapshot_id)
            if known is None or known[0] != stamp:
                known = self._known[snapshot_id] = stamp, snapshot_of(self._records.header(snapshot_id))
            return known[1]
        except FileNotFoundError:
            kind = "foreign"
        except (StoreDamaged, OSError, KeyError, TypeError):
            # One record must not hide all the others; whoever needs this one is told.
            kind = "damaged"
        created = naming.created_by_name(snapshot_id)
        return Snapshot(snapshot_id, 0, created, self.backend.name, kind, complete=kind == "foreign")
