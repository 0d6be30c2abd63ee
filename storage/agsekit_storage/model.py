"""What is said of snapshots: what a store knows of one, what changed since the one before, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass(frozen=True)
class Problem:
    """A path that a snapshot does not hold as it should.

    `reason` is `unreadable`, `vanished`, `unstable` (it kept changing while it was read; what was read is
    saved), `special` (a device, socket or FIFO: recorded, not saved), `other-filesystem` (a mount point:
    recorded, not entered) or `rules-unusable` (a `.backupignore` that cannot be read: nothing is ignored by it).
    """

    path: bytes
    reason: str
    detail: str = ""

    @property
    def harmless(self) -> bool:
        """True for what no snapshot ever holds, so that it does not make one incomplete."""
        return self.reason in ("special", "other-filesystem", "rules-unusable", "huge", "hidden")


@dataclass
class Changes:
    """What differs between two trees, as paths relative to the source, in tree order.

    `modified` is other content (or another kind of thing), `metadata` the same content under another
    mode, owner, attribute or hard link, `touched` nothing but another time. A folder counts as
    added or removed beside what is in it.
    """

    added: list[bytes] = field(default_factory=list)
    modified: list[bytes] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    touched: list[bytes] = field(default_factory=list)
    removed: list[bytes] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether anything changed that is worth a snapshot; a new time alone is not."""
        return bool(self.added or self.modified or self.metadata or self.removed)


SIGNS: Mapping[str, str] = {"added": "+", "modified": "~", "metadata": "=", "removed": "-"}
"""The ways in which a path changes that are worth a snapshot, each with the sign that lists show for it."""


@dataclass(frozen=True)
class Snapshot:
    """What a store says about one snapshot.

    `sequence` orders the snapshots of a store whatever the clock did; `created` is seconds since the
    epoch; `kind` is one of manual, interval, pre-run, post-run, watch, safety, or foreign for a folder that
    another tool made, or damaged where the record cannot be read. `files`, `bytes` and the counts are 0 for a
    foreign one. `stored_bytes` is the size of what it added to the store; `mass_loss` tells that it lost most
    of what the snapshot before it had; `partial` that only what was known to have changed was looked at. Until
    `held_until`, in seconds since the epoch, no policy lets it go. `run` is what was known of the run during which
    it was made: `id`, `agent`, `vm`, `arguments` (a list without secrets), `started` (seconds since the epoch); the
    last two are missing in old records.
    """

    id: str
    sequence: int
    created: float
    backend: str
    kind: str
    files: int = 0
    folders: int = 0
    bytes: int = 0
    added: int = 0
    modified: int = 0
    metadata: int = 0
    removed: int = 0
    stored_bytes: int = 0
    complete: bool = True
    mass_loss: bool = False
    partial: bool = False
    pinned: bool = False
    held_until: float = field(default=0.0, compare=False)
    problems: Sequence[Problem] = ()
    run: Optional[Mapping[str, Any]] = None
