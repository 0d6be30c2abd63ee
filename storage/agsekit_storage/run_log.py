"""What is known of the runs of a store: who ran, when, and which snapshots have the state before and after.

`.agsekit/run-log/<id>` is JSON, one file per run, written when it begins and again when it ends. Snapshots carry what
was known at the beginning, so that a run can also be told from them alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Optional

from agsekit_storage import durable, running
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.reference import steps_back
from agsekit_storage.settings import PRIVATE
from agsekit_storage.store import Store

_FOLDER = "run-log"
_MOST = 1000
"""Runs that are remembered; what is before them has no snapshots any more, or is told by those."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}\Z", re.ASCII)
_LIST = "`agsekit runs list` shows what there is"


@dataclass(frozen=True)
class Run:
    """One run. Times are seconds since the epoch; `ended` is None while it is under way or when nobody saw its end.

    `arguments` hold no secrets. `before` and `after` are the ids of the snapshots that have the state before it and
    at its end (of a run under way: so far); they need not be kept any more. `counts` are the numbers of paths that it
    added, modified, changed the metadata of, and removed, None when they are not known. `quarantined` are the paths
    that were put back after it because the host would have executed them. `snapshots` counts those made during it.
    Where its last state could not be saved (not `last_saved`), `after` and `counts` tell of its newest snapshot.
    """

    id: str
    agent: str = ""
    vm: str = ""
    arguments: Sequence[str] = ()
    started: float = 0.0
    ended: Optional[float] = None
    exit_code: Optional[int] = None
    before: Optional[str] = None
    after: Optional[str] = None
    counts: Optional[Mapping[str, int]] = None
    quarantined: Sequence[str] = ()
    last_saved: bool = True
    snapshots: int = 0
    under_way: bool = False

    def details(self) -> Mapping[str, Any]:
        """Return what every snapshot that is made during the run carries."""
        return {
            "id": self.id,
            "agent": self.agent,
            "vm": self.vm,
            "arguments": list(self.arguments),
            "started": self.started,
        }


def run_of(details: Mapping[str, Any]) -> Run:
    """Return the run that a snapshot, or a file of the log, tells of. Anything may be missing."""
    known = {key: value for key, value in details.items() if key in Run.__dataclass_fields__}
    known["arguments"] = tuple(map(str, known.get("arguments", ())))
    known["quarantined"] = tuple(map(str, known.get("quarantined", ())))
    return Run(**known)


def counts_of(changes: Changes) -> Mapping[str, int]:
    """Return how many paths changed in which way."""
    return {
        "added": len(changes.added),
        "modified": len(changes.modified),
        "metadata": len(changes.metadata),
        "removed": len(changes.removed),
    }


def save(store: Store, run: Run) -> None:
    """Write what is known of a run. The lock of the store is not needed: only the run itself writes its file."""
    if not _ID.match(run.id):
        raise ValueError("a run id consists of letters, digits and hyphens")
    folder = store.path / PRIVATE / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    document = asdict(run)
    for known_otherwise in ("snapshots", "under_way"):
        del document[known_otherwise]
    durable.write_file(folder / run.id, json.dumps(document).encode())
    names = sorted(each.name for each in folder.iterdir() if _ID.match(each.name))
    for name in names[:-_MOST]:
        (folder / name).unlink(missing_ok=True)


def current(store: Store) -> Optional[Mapping[str, Any]]:
    """Return what a snapshot carries of the run that is under way, None without one; with several, of the first."""
    return next((run.details() for run in runs_under_way(store)), None)


def runs_under_way(store: Store) -> Iterator[Run]:
    """Yield what is known of the runs that are under way, in the order in which they began."""
    for run_id in running.under_way(store.path):
        found = _read(store, run_id)
        if found:
            yield replace(found, under_way=True)


def all_runs(store: Store, snapshots: Optional[Sequence[Snapshot]] = None) -> list[Run]:
    """Return the runs of a store, oldest first: those of the log, and those that only snapshots tell of.

    `snapshots` are those of the store, oldest first, where they are known already.
    """
    found = {run.id: run for run in _logged(store)}
    present = store.snapshots() if snapshots is None else snapshots
    made: dict[str, list[int]] = {}
    for position, snapshot in enumerate(present):
        if snapshot.run and snapshot.run.get("id"):
            made.setdefault(str(snapshot.run["id"]), []).append(position)
    busy = frozenset(running.under_way(store.path))
    for run_id, positions in made.items():
        run = found.get(run_id) or _from_snapshots(present, positions)
        # Until a run has ended, or when nobody saw that, the newest of its snapshots is as near to its end as any.
        run = run if run.after else replace(run, after=present[positions[-1]].id)
        found[run_id] = replace(run, snapshots=len(positions))
    runs = [replace(run, under_way=run.ended is None and run.id in busy) for run in found.values()]
    runs = [replace(run, after=run.before) if run.after is None else run for run in runs]
    return sorted(runs, key=lambda run: (run.started, run.id))


def find_run(runs: Sequence[Run], reference: str) -> Run:
    """Return the run that is meant by an id, a unique beginning or ending of one, `latest`, or `latest~1`.

    Raises:
        SnapshotNotFound: nothing fits, or several do.
    """
    if not runs:
        raise SnapshotNotFound("no run is known here", hint="`agsekit run` makes the first one")
    back = steps_back(reference)
    if back is not None:
        if back >= len(runs):
            raise SnapshotNotFound("there are only {count} runs", hint=_LIST, count=len(runs))
        return runs[-1 - back]
    fitting = [run for run in runs if run.id == reference] or [
        run for run in runs if reference and (run.id.startswith(reference) or run.id.endswith("-" + reference))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(run.id for run in fitting[:3])
        raise SnapshotNotFound(
            "{reference} stands for several runs: {names}",
            hint="add more of the id",
            reference=reference,
            names=names,
        )
    raise SnapshotNotFound("there is no run {reference}", hint=_LIST, reference=repr(reference))


def ends_of(store: Store, run: Run) -> tuple[Snapshot, Snapshot]:
    """Return the snapshots with the state before a run and at its end.

    Raises:
        SnapshotNotFound: one of them is not kept any more.
    """
    known = {snapshot.id: snapshot for snapshot in store.snapshots()}
    for snapshot_id in (run.before, run.after):
        if snapshot_id not in known:
            raise SnapshotNotFound(
                "the snapshot {id} with an end of run {run} is not kept any more",
                hint="`agsekit snapshots list` shows those that are; `snapshots pin` keeps one for good",
                id=snapshot_id or "?",
                run=run.id,
            )
    return known[run.before or ""], known[run.after or ""]


def _from_snapshots(present: Sequence[Snapshot], positions: Sequence[int]) -> Run:
    first = present[positions[0]]
    details = dict(first.run or {})
    details.setdefault("started", first.created)
    # Where nothing had changed since the snapshot before, a run began with that one.
    begins = first if first.kind == "pre-run" or not positions[0] else present[positions[0] - 1]
    return replace(run_of(details), before=begins.id)


def _logged(store: Store) -> Iterator[Run]:
    try:
        names = sorted(each.name for each in (store.path / PRIVATE / _FOLDER).iterdir())
    except FileNotFoundError:
        return
    for name in names:
        run = _read(store, name)
        if run:
            yield run


def _read(store: Store, run_id: str) -> Optional[Run]:
    if not _ID.match(run_id):
        return None
    try:
        return run_of(json.loads((store.path / PRIVATE / _FOLDER / run_id).read_text()))
    except (OSError, ValueError, TypeError, AttributeError):
        return None  # damaged by hand, or forgotten: its snapshots still tell of it
