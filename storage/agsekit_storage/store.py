"""A store: the folder that holds the snapshots of one source and their records."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from agsekit_storage import durable, lock, naming
from agsekit_storage.backends.base import Backend
from agsekit_storage.errors import SnapshotNotFound, SourceUnavailable, StoreDamaged, StoreRefused, explained
from agsekit_storage.guards import check_apart
from agsekit_storage.model import Problem, Snapshot, Tree
from agsekit_storage.records import Records
from agsekit_storage.registry import backend_factory

PRIVATE = ".agsekit"
_FORMAT = "agsekit store 1\n"


class Store:
    """Opened by `Store.create` or `Store.existing`; see docs/storage.md for what is on the disk.

    Attributes:
        path: the folder.
        source: the folder whose snapshots these are, None for a store that only another tool has written to.
        backend: keeps the contents.
    """

    def __init__(self, path: Path, source: Optional[Path], backend: Backend) -> None:
        self.path = path
        self.source = source
        self.backend = backend
        self._private = path / PRIVATE
        self._records = Records(self._private)
        self._pins = self._private / "pins"

    @classmethod
    def create(cls, path: Path, source: Path, *, backend: Optional[str] = None) -> Store:
        """Open the store of a source, making it where there is none.

        `backend` None means what the store has, and `rsync` for a new one.

        Raises:
            StoreRefused: it lies inside the source or the other way round, holds something else, belongs to
                another source, or has another backend.
        """
        with explained(path):
            check_apart(source, path)
            settings = _read_settings(path)
            if settings is None:
                _refuse_foreign_folder(path)
                settings = {"backend": backend or "rsync", "source": str(source)}
                factory = backend_factory(settings["backend"])
                _make_private(path)
                _write_settings(path, settings)
            else:
                factory = backend_factory(settings["backend"])
                _check_settings(path, settings, source, backend)
                _make_private(path)
            return cls(path, source, factory(path))

    @classmethod
    def existing(cls, path: Path, source: Optional[Path] = None) -> Store:
        """Open a store that exists, for reading or restoring; `source` says which folder it must belong to.

        Raises:
            StoreRefused: there is none, or it belongs to another folder that exists.
        """
        with explained(path):
            settings = _read_settings(path)
            entries = os.listdir(path) if settings is None and path.is_dir() else []
        if settings is None:
            if not any(map(naming.is_id, entries)):
                raise StoreRefused(
                    f"{path} holds no snapshots",
                    hint="a store is made by the first snapshot: `agsekit backup-once`, or `agsekit run`",
                )
            settings = {"backend": "rsync"}
        recorded = settings.get("source")
        if source is not None:
            _refuse_other_source(path, recorded, source)
        known = source if source is not None else Path(recorded) if recorded else None
        return cls(path, known, backend_factory(settings["backend"])(path))

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest first. Only whole ones are listed."""
        with explained(self.path):
            pins = self._read_pins()
            found = [self._snapshot(snapshot_id, snapshot_id in pins) for snapshot_id in self.backend.present()]
        return sorted(found, key=lambda snapshot: (snapshot.sequence, snapshot.id))

    def get(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of exactly this id.

        Raises:
            SnapshotNotFound: there is none.
        """
        for snapshot in self.snapshots():
            if snapshot.id == snapshot_id:
                return snapshot
        raise SnapshotNotFound(
            f"there is no snapshot {snapshot_id} in {self.path}",
            hint="`agsekit snapshots list` shows what there is",
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
                f"it is not known which folder {self.path} holds the snapshots of",
                hint="name it with --source-dir",
            )
        return self.source

    def pin(self, snapshot_id: str, *, pinned: bool) -> None:
        """Keep a snapshot for good, or no longer. Call it with the lock held."""
        pins = set(self._read_pins())
        (pins.add if pinned else pins.discard)(snapshot_id)
        durable.write_file(self._pins, "".join(f"{each}\n" for each in sorted(pins)).encode())

    def delete(self, snapshot_ids: Sequence[str]) -> None:
        """Delete snapshots and what only they needed. Call it with the lock held."""
        self.backend.delete(snapshot_ids)
        for snapshot_id in snapshot_ids:
            self._records.forget(snapshot_id)
        self._records.clean(set(self.backend.present()))

    def rewrite_record(self, snapshot: Snapshot) -> None:
        """Replace what the record of a snapshot says beside the tree. Call it with the lock held."""
        self._records.rewrite_header(snapshot.id, _header(snapshot))

    def latest_tree(self, snapshot: Snapshot) -> Tree:
        """Return the tree of the newest snapshot in its freshest form: with the stamps of the last walk."""
        return self._records.walked_tree(snapshot.id) or self.tree(snapshot)

    def save_walk(self, snapshot: Snapshot, tree: Tree) -> None:
        """Remember a walk that found nothing changed since the newest snapshot."""
        self._records.save_walk(snapshot.id, tree)

    def save_record(self, snapshot: Snapshot, tree: Tree) -> None:
        """Write the record of a snapshot that is about to be published, and bring it to the disk."""
        self._records.save(snapshot.id, _header(snapshot), tree)

    def forget_record(self, snapshot_id: str) -> None:
        """Remove the record of a snapshot that was not or is no longer present."""
        self._records.forget(snapshot_id)

    @contextmanager
    def locked(self, *, wait: float, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Be the only writer for the length of a `with` block, in a store cleaned of what a crash left.

        Raises:
            StoreLocked: another process wrote for all of `wait` seconds.
        """
        with lock.exclusive(self._private / "lock", wait=wait, on_wait=on_wait):
            with explained(self.path):
                self._recover()
            yield

    def _recover(self) -> None:
        self._records.prepare()
        self.backend.recover()
        self._records.clean(set(self.backend.present()))

    def _snapshot(self, snapshot_id: str, pinned: bool) -> Snapshot:
        try:
            header = self._records.header(snapshot_id)
            problems = [Problem(os.fsencode(p["path"]), p["reason"], p.get("detail", "")) for p in header["problems"]]
            known = {key: header[key] for key in Snapshot.__dataclass_fields__ if key in header}
            known.update(problems=problems, pinned=pinned)
            return Snapshot(**known)
        except FileNotFoundError:
            pass
        except (StoreDamaged, KeyError, TypeError) as error:
            raise StoreDamaged(
                f"the record of snapshot {snapshot_id} in {self.path} cannot be used: {error}",
                hint=f"its files in {self.path / snapshot_id} may be whole; copy what you need from there",
            ) from None
        created = naming.created_by_name(snapshot_id)
        return Snapshot(snapshot_id, 0, created, self.backend.name, "foreign", pinned=pinned)

    def _read_pins(self) -> frozenset[str]:
        try:
            return frozenset(self._pins.read_text().split())
        except FileNotFoundError:
            return frozenset()


def _header(snapshot: Snapshot) -> dict[str, Any]:
    header: dict[str, Any] = {
        key: value for key, value in vars(snapshot).items() if key not in ("pinned", "problems")
    }
    header["problems"] = [
        {"path": os.fsdecode(each.path), "reason": each.reason, "detail": each.detail} for each in snapshot.problems
    ]
    return header


def _read_settings(path: Path) -> Optional[Mapping[str, str]]:
    try:
        written = (path / PRIVATE / "format").read_text()
        settings = json.loads((path / PRIVATE / "config.json").read_text())
        if not isinstance(settings, dict) or "backend" not in settings:
            raise ValueError(settings)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise StoreDamaged(f"{path / PRIVATE / 'config.json'} cannot be read") from None
    if written != _FORMAT:
        raise StoreRefused(
            f"the store {path} has the format {written.strip()!r}, which this version does not know",
            hint="upgrade agsekit",
        )
    return {str(key): str(value) for key, value in settings.items()}


def _write_settings(path: Path, settings: Mapping[str, str]) -> None:
    private = path / PRIVATE
    durable.write_file(private / "config.json", json.dumps(settings, indent=1, sort_keys=True).encode())
    # Last: a folder with a format file is a store.
    durable.write_file(private / "format", _FORMAT.encode())


def _check_settings(path: Path, settings: Mapping[str, str], source: Path, backend: Optional[str]) -> None:
    if backend and backend != settings["backend"]:
        raise StoreRefused(
            f"the store {path} keeps its snapshots with the backend {settings['backend']}, not {backend}",
            hint="choose another backup folder, or keep the backend",
        )
    recorded = settings.get("source")
    _refuse_other_source(path, recorded, source)
    if recorded != str(source):
        # The project was moved or renamed; its history goes with it.
        _write_settings(path, {**settings, "source": str(source)})


def _refuse_other_source(path: Path, recorded: Optional[str], source: Path) -> None:
    if recorded and os.path.realpath(recorded) != os.path.realpath(source) and os.path.isdir(recorded):
        raise StoreRefused(
            f"the store {path} holds the snapshots of {recorded}, not of {source}",
            hint="choose another backup folder for this source",
        )


def _refuse_foreign_folder(path: Path) -> None:
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise StoreRefused(f"{path} is not a folder", hint="choose another backup folder") from None
    if any(name != PRIVATE for name in names) and not any(map(naming.is_id, names)):
        raise StoreRefused(
            f"{path} holds other things ({_examples(names)}), so it cannot become a store",
            hint="choose an empty or a new folder",
        )


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown + (", …" if len(names) > 3 else "")


def _make_private(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        try:
            path.chmod(0o700)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            raise StoreRefused(
                f"{path} can be read by others and belongs to somebody else",
                hint="choose another backup folder",
            ) from None
    Records(path / PRIVATE).prepare()
    (path / PRIVATE).chmod(0o700)
