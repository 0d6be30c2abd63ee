"""Making a folder equal to a snapshot again, after saving the state it is in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit_storage.changes import compare
from agsekit_storage.errors import StorageError, StoreRefused, explained
from agsekit_storage.events import OnEvent, Waiting, ignore_events
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Problem, Snapshot, Tree
from agsekit_storage.restore_apply import Applier
from agsekit_storage.restore_plan import Plan, plan_everything, plan_restore
from agsekit_storage.snapshots import DEFAULT_WAIT, Request, snapshot_under_lock
from agsekit_storage.store import Store
from agsekit_storage.walk import walk


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore, and how.

    Attributes:
        snapshot: the state to go back to.
        paths: only these, relative to the source, and what is below them; everything when empty.
        exclude: the trusted patterns of the mount; what they hide is not touched.
        keep_new: keep what the snapshot does not have.
    """

    snapshot: Snapshot
    paths: Sequence[bytes] = ()
    exclude: Sequence[str] = ()
    keep_new: bool = False


@dataclass(frozen=True)
class Restored:
    """What a restore did. `before` is the snapshot that brings back the state before it."""

    plan: Plan
    before: Optional[Snapshot]
    problems: Sequence[Problem]


def preview_restore(store: Store, request: RestoreRequest, *, into_empty: bool = False) -> Plan:
    """Return what `restore` would do now (or, with `into_empty`, `restore_to`), without changing anything."""
    wanted = store.tree(request.snapshot)
    if into_empty:
        return plan_everything(wanted, paths=request.paths)
    source = _source(store)
    if not os.path.lexists(source):
        return plan_everything(wanted, paths=request.paths)
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in request.exclude], {})
    with explained(store.source):
        current = walk(source, rules, frozen=wanted.rule_files)
        return _plan(store, request, wanted, current)


def holds_state(store: Store, snapshot: Snapshot, exclude: Sequence[str] = ()) -> bool:
    """Tell whether the source is now exactly as it is in a snapshot, times included."""
    wanted = store.tree(snapshot)
    source = _source(store)
    if not os.path.lexists(source):
        return False
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
    current = walk(source, rules, previous=wanted, frozen=wanted.rule_files)
    comparison = compare(wanted, current, source, digest=store.backend.digest)
    return not comparison.changes and not comparison.changes.touched and not comparison.unsaved


def restore(
    store: Store,
    request: RestoreRequest,
    *,
    now: float,
    on_event: OnEvent = ignore_events,
    wait: float = DEFAULT_WAIT,
) -> Restored:
    """Bring the source of a store back to a snapshot.

    The state before is saved first, always: a restore can be undone by restoring `Restored.before`. Ignored files are
    not touched. Every file is replaced in one step, so an interrupted restore leaves each either as it
    was or as it is wanted, and can be repeated.

    Raises:
        StorageError: the state before could not be saved (then nothing was touched), or the disk is full.
    """
    with explained(store.source), store.locked(wait=wait, on_wait=lambda: on_event(Waiting())):
        wanted = store.tree(request.snapshot)
        source = _source(store)
        if not os.path.lexists(source):
            plan = plan_everything(wanted, paths=request.paths)
            os.makedirs(source, mode=0o700)
            return Restored(plan, None, _apply(store, request.snapshot, wanted, plan, source, on_event))
        safety = Request("safety", request.exclude, wanted.rule_files, times_count=True)
        saved = snapshot_under_lock(store, safety, now=now, on_event=on_event)
        plan = _plan(store, request, wanted, saved.tree)
        problems = _apply(store, request.snapshot, wanted, plan, source, on_event, saved=saved.tree)
        # What could not be looked at was left alone as well, whatever the plan says of it.
        told = {problem.path for problem in problems}
        problems += [each for each in saved.problems if each.reason == "unreadable" and each.path not in told]
        return Restored(plan, saved.snapshot, problems)


def restore_to(
    store: Store, request: RestoreRequest, destination: Path, *, on_event: OnEvent = ignore_events
) -> Restored:
    """Make a copy of a snapshot, or of parts of it, in a folder that is empty or does not exist yet.

    Raises:
        StoreRefused: the folder holds something, or lies inside the store.
    """
    real = os.path.realpath(destination)
    store_path = os.path.realpath(store.path)
    if real == store_path or real.startswith(store_path + "/"):
        raise StoreRefused(f"{destination} lies inside the store {store.path}", hint="choose another folder")
    with explained(destination):
        taken = os.path.lexists(real) and (not os.path.isdir(real) or os.listdir(real))
    if taken:
        raise StoreRefused(
            f"{destination} is not an empty folder",
            hint="name a folder that does not exist yet, or an empty one",
        )
    wanted = store.tree(request.snapshot)
    plan = plan_everything(wanted, paths=request.paths)
    with explained(destination):
        os.makedirs(real, mode=0o700, exist_ok=True)
    problems = _apply(store, request.snapshot, wanted, plan, os.fsencode(real), on_event)
    return Restored(plan, None, problems)


def _source(store: Store) -> bytes:
    return os.fsencode(store.source_folder())


def _plan(store: Store, request: RestoreRequest, wanted: Tree, current: Tree) -> Plan:
    comparison = compare(wanted, current, _source(store), digest=store.backend.digest)
    return plan_restore(
        wanted,
        current,
        comparison,
        paths=request.paths,
        keep_new=request.keep_new,
        protected=_Protection(_source(store), request.exclude, wanted.rule_files).covers,
    )


class _Protection:
    """Leaves alone what only the rules of now ignore: nobody expects a restore to delete ignored files."""

    def __init__(self, source: bytes, exclude: Sequence[str], rule_files: Mapping[bytes, bytes]) -> None:
        self._source = source
        self._exclude = [os.fsencode(pattern) for pattern in exclude]
        self._rule_files = rule_files
        self._visible: Optional[frozenset[bytes]] = None

    def covers(self, path: bytes) -> bool:
        """Tell whether the rules of now ignore a path that those of the snapshot did not."""
        if self._visible is None:
            tree = walk(self._source, IgnoreRules.compile(self._exclude, {}))
            self._same = tree.rule_files == self._rule_files
            self._visible = frozenset(() if self._same else (entry.path for entry in tree.entries()))
        return not self._same and path not in self._visible


def _apply(
    store: Store,
    snapshot: Snapshot,
    wanted: Tree,
    plan: Plan,
    destination: bytes,
    on_event: OnEvent,
    *,
    saved: Optional[Tree] = None,
) -> list[Problem]:
    with explained(store.path):
        reader = store.backend.reader(snapshot.id)
    try:
        return [*plan.problems, *Applier(wanted, plan, reader, destination, on_event, saved=saved).run()]
    except OSError as error:
        raise StorageError(
            f"the restore stopped half-way: {error.strerror or error}",
            hint="nothing is lost; put right what stopped it and run the same restore again",
        ) from error
    finally:
        reader.close()
