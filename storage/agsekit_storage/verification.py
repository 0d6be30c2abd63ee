"""Finding out whether a store still holds what its records say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agsekit_storage.errors import StoreDamaged
from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a snapshot.

    `problem.reason` is `lost`, `altered`, `unexpected` (in a snapshot folder, but not in its record), or `record`
    (the record itself cannot be read; then the path is empty).
    """

    snapshot: Snapshot
    problem: Problem


def verify(store: Store, snapshots: Sequence[Snapshot], *, data: bool) -> Iterator[Finding]:
    """Yield everything that is wrong with some snapshots.

    Without `data` names, kinds, sizes, times and modes are checked; with it the content of every file too, each
    only once however many snapshots share it. Snapshots of other tools have no record to be held against.
    """
    check = store.backend.checker(data=data)
    for snapshot in snapshots:
        if snapshot.kind == "foreign":
            continue
        try:
            tree = store.tree(snapshot)
        except StoreDamaged as error:
            yield Finding(snapshot, Problem(b"", "record", error.message))
            continue
        for problem in check(snapshot.id, tree):
            yield Finding(snapshot, problem)
