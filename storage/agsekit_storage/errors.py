"""What can go wrong in a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional


class StorageError(Exception):
    """An expected failure. `message` is a sentence without a final full stop; `hint` says what to do."""

    def __init__(self, message: str, *, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StoreRefused(StorageError):
    """The folder cannot be a store for this source: it is a matter of paths, not of luck."""


class StoreLocked(StorageError):
    """Another process is writing to the store, and went on for longer than we were willing to wait."""


class SnapshotNotFound(StorageError):
    """No snapshot of that name."""


class SourceUnavailable(StorageError):
    """The source folder does not exist, is not a folder, or cannot be read at all."""


class StoreDamaged(StorageError):
    """A file of the store does not say what it must."""

    def __init__(self, message: str, *, hint: Optional[str] = None) -> None:
        super().__init__(message, hint=hint or "`agsekit snapshots verify` tells which snapshots are whole")


@contextmanager
def explained(what: object) -> Iterator[None]:
    """Turn what the system refuses in a `with` block into a StorageError that names what could not be used."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what} cannot be used: {error.strerror or error}",
            hint="put that right and try again; no snapshot was lost",
        ) from error
