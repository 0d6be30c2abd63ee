"""What a backend must do, and what holds after a crash at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Protocol

from agsekit_storage.changes import Comparison
from agsekit_storage.content_reader import Digest
from agsekit_storage.events import OnEvent
from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.tree import Tree


@dataclass(frozen=True)
class Capabilities:
    """What a backend keeps of a file beside its content, name and kind."""

    hard_links: bool
    extended_attributes: bool
    browsable: bool


@dataclass(frozen=True)
class Work:
    """What there is to write: the tree of the source now, and what differs from the previous snapshot.

    `previous` is None for a first snapshot. `differing` are the folders that the two trees do not
    share, None when nobody knows. `message` says for people what the snapshot is; a backend may keep it.
    """

    source: bytes
    tree: Tree
    comparison: Comparison
    previous: Optional[Snapshot]
    previous_tree: Optional[Tree]
    on_event: OnEvent
    differing: Optional[frozenset[bytes]] = None
    message: str = ""


class Reader(Protocol):
    """Reads the files of one snapshot."""

    def copy_file(self, path: bytes, destination: int) -> bytes:
        """Write the content of a regular file into an open, empty file and return its digest.

        Raises:
            StoreDamaged: the store does not have it as the record says.
        """
        ...

    def close(self) -> None:
        """Release what the reader holds open."""
        ...


class Backend(Protocol):
    """Keeps the contents of snapshots. Every method but `reader` and `present` needs the lock of the store."""

    name: str
    capabilities: Capabilities
    digest: Digest

    def check_folder(self) -> None:
        """See whether the folder of a new store will do.

        Raises:
            StoreRefused: its file system lacks something.
        """
        ...

    def present(self) -> Sequence[str]:
        """Return the ids of all snapshots whose contents are whole, in any order."""
        ...

    def recover(self) -> None:
        """Remove what a crashed writer left, and finish deletions that were begun."""
        ...

    def write(self, snapshot_id: str, work: Work) -> Sequence[Problem]:
        """Write the contents and bring them to the disk, still invisible under their id.

        The tree of `work` is brought in line with what was really saved: rows and digests of files that
        changed after the walk, names that vanished, `missing` for what could not be read.
        A crash leaves something that `recover` removes.

        Returns:
            The problems met on the way.
        """
        ...

    def publish(self, snapshot_id: str) -> None:
        """Make what `write` wrote present, in one atomic step that has reached the disk on return."""
        ...

    def reader(self, snapshot_id: str) -> Reader:
        """Return a reader for a snapshot that is present."""
        ...

    def checker(self, *, data: bool) -> Callable[[str, Tree], Iterator[Problem]]:
        """Return what checks snapshots, given their id and tree, and yields what is `lost` or `altered`.

        With `data` the contents are read too, each once however many snapshots of one checker share it. What is in a
        snapshot beyond its tree is `unexpected`. Nothing is changed, and no lock is needed.
        """
        ...

    def delete(self, snapshot_ids: Sequence[str], *, size: int = 0) -> None:
        """Make snapshots absent, each in one atomic step, then free their space, now or later.

        `size` is how many bytes of file content are in them alone, as far as that is known. A crash leaves
        something that `recover` finishes.
        """
        ...

    def reclaimable(self) -> int:
        """Return how many bytes of deleted snapshots still take space, which maintenance will free."""
        ...

    def clear(self, snapshot_ids: Sequence[str]) -> None:
        """Remove some snapshots, as far as they are present, and with the last one all that is kept beside them.

        A crash leaves something that `recover` and another call finish.
        """
        ...


class BackendFactory(Protocol):
    """Makes a backend for a store folder that exists."""

    def __call__(self, store: Path) -> Backend: ...
