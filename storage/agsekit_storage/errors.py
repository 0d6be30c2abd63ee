"""What can go wrong in a store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional


class StorageError(Exception):
    """An expected failure: `message` is a sentence without a final full stop, `hint` says what to do about it.

    `template` and `hint_template` are the same before `values` were filled in with `str.format`, so that whoever
    shows them can translate the whole sentence. A value may be another StorageError: the reason behind this one.
    """

    def __init__(self, template: str, *, hint: Optional[str] = None, **values: object) -> None:
        self.template = template
        self.hint_template = hint
        self.values = values
        self.message = template.format(**values) if values else template
        self.hint = hint.format(**values) if hint and values else hint
        super().__init__(self.message)


class StoreRefused(StorageError):
    """The folder cannot be a store for this source: it is a matter of paths, not of luck."""


class StoreLocked(StorageError):
    """Another process is writing to the store, and went on for longer than we were willing to wait."""


class SnapshotNotFound(StorageError):
    """No snapshot of that name."""


class SourceUnavailable(StorageError):
    """The source folder does not exist, is not a folder, or cannot be read at all."""


VERIFY_HINT = "`agsekit snapshots verify` tells which snapshots are whole"


class StoreDamaged(StorageError):
    """A file of the store does not say what it must."""

    def __init__(self, template: str, *, hint: Optional[str] = None, **values: object) -> None:
        super().__init__(template, hint=hint or VERIFY_HINT, **values)


@contextmanager
def explained(what: object) -> Iterator[None]:
    """Turn what the system refuses in a `with` block into a StorageError that names what could not be used."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            "{what} cannot be used: {reason}",
            hint="choose a folder that you may write to, or have that changed; no snapshot was lost"
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            else "put that right and try again; no snapshot was lost",
            what=what,
            reason=error.strerror or error,
        ) from error
