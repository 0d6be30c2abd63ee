"""Making a folder equal to a snapshot again, after saving the state it is in."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from agsekit_storage import journal
from agsekit_storage.changes import compare
from agsekit_storage.errors import StorageError, StoreRefused, explained
from agsekit_storage.events import OnEvent, Waiting, ignore_events
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.rebuilding import tree_to_restore
from agsekit_storage.restore_access import make_accessible
from agsekit_storage.restore_apply import Applier
from agsekit_storage.restore_hidden import excludes_for, with_rule
from agsekit_storage.restore_plan import Plan, find, plan_everything, plan_restore, selected
from agsekit_storage.rule_trust import rules_hold, rules_in_force
from agsekit_storage.snapshots import DEFAULT_WAIT, THIS, Request, Result, snapshot_under_lock
from agsekit_storage.store import Store
from agsekit_storage.tree import GID, MODE, MTIME, UID, Tree
from agsekit_storage.walk import walk


@dataclass(frozen=True)
class Narrowing:
    """Leaves a part of a plan: `plan` gets the whole one and the folder as it is now.

    `covers` tells which paths can be among what is left.
    """

    covers: Callable[[bytes], bool]
    plan: Callable[[Plan, Tree], Plan]


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore, and how.

    Attributes:
        snapshot: the state to go back to.
        paths: only these, relative to the source, and what is below them; everything when empty.
        exclude: the trusted patterns of the mount; what they hide is not touched, unless it is among `paths`.
        keep_new: keep what the snapshot does not have.
        narrowing: decides which steps to take when the folder has been looked at.
    """

    snapshot: Snapshot
    paths: Sequence[bytes] = ()
    exclude: Sequence[str] = ()
    keep_new: bool = False
    narrowing: Optional[Narrowing] = None

    def covers(self, path: bytes) -> bool:
        """Tell whether the restore is about a path."""
        return selected(self.paths)(path) and (self.narrowing is None or self.narrowing.covers(path))


@dataclass(frozen=True)
class Restored:
    """What a restore did. `before` is the snapshot that brings back the state before it."""

    plan: Plan
    before: Optional[Snapshot]
    problems: Sequence[Problem]


def preview_restore(store: Store, request: RestoreRequest, *, into_empty: bool = False) -> Plan:
    """Return what `restore` would do now (or, with `into_empty`, `restore_to`), without changing anything."""
    wanted, notes = tree_to_restore(store, request.snapshot)
    source = b"" if into_empty else _source(store)
    if into_empty or not os.path.lexists(source):
        plan = plan_everything(wanted, paths=request.paths)
        plan.problems += notes
        return plan
    request = _with_named_paths(request, wanted)
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in request.exclude], {})
    with explained(store.source):
        current = walk(source, rules, frozen=wanted.rule_files)
        plan = plan_from(store, request, wanted, current)
    plan.problems += notes
    return plan


def holds_state(store: Store, snapshot: Snapshot, exclude: Sequence[str] = ()) -> bool:
    """Tell whether the source is now exactly as it is in a snapshot, times included.

    What cannot be read, and looks the same as when the snapshot could not read it either, is no difference. Nor are
    the setuid and setgid bits of files, which no restore sets.
    """
    wanted = store.tree(snapshot)
    source = _source(store)
    if not os.path.lexists(source):
        return False
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
    current = walk(source, rules, previous=wanted, frozen=wanted.rule_files)
    changes = compare(wanted, current, source, digest=store.backend.digest).changes
    if changes.added or changes.modified or changes.removed or changes.touched:
        return False
    return all(path != b"." and only_privileges_differ(wanted, current, path) for path in changes.metadata)


def only_privileges_differ(wanted: Tree, current: Tree, path: bytes) -> bool:
    """Tell whether a path is a regular file that differs in nothing but its setuid and setgid bits."""
    one, other = find(wanted, path), find(current, path)
    bits = stat.S_ISUID | stat.S_ISGID
    return (
        stat.S_ISREG(one.row[MODE])
        and one.row[MODE] & ~bits == other.row[MODE] & ~bits
        and [one.row[column] for column in (UID, GID, MTIME)] == [other.row[column] for column in (UID, GID, MTIME)]
        and one.xattrs == other.xattrs
    )


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
    with explained(store.path), store.locked(wait=wait, on_wait=lambda: on_event(Waiting())):
        wanted, notes = tree_to_restore(store, request.snapshot, on_event)
        source = _source(store)
        if not os.path.lexists(source):
            plan = plan_everything(wanted, paths=request.paths)
            with explained(store.source):
                os.makedirs(source, mode=0o700)
            problems = [*notes, *_apply(store, request.snapshot, wanted, plan, source, on_event)]
            return _noted(store, request, Restored(plan, None, problems), now)
        request = _with_named_paths(request, wanted)
        safety = Request("safety", request.exclude, wanted.rule_files, times_count=True, hold=THIS)
        saved = snapshot_under_lock(store, safety, now=now, on_event=on_event)
        # What an agent has locked away could neither be saved nor replaced.
        if make_accessible(source, wanted, saved.problems, request.covers):
            saved = snapshot_under_lock(store, safety, now=now, on_event=on_event)
        return finish_restore(store, request, wanted, saved, now=now, notes=notes, on_event=on_event)


def finish_restore(
    store: Store,
    request: RestoreRequest,
    wanted: Tree,
    saved: Result,
    *,
    now: float,
    notes: Sequence[Problem] = (),
    on_event: OnEvent = ignore_events,
) -> Restored:
    """Do what is left of a restore for a caller that holds the lock and has just saved the state before.

    `wanted` is the tree of the snapshot to restore; `saved` was taken under the ignore rules of that snapshot.
    `notes` are problems that are known already.
    """
    plan = plan_from(store, request, wanted, saved.tree)
    problems = _apply(store, request.snapshot, wanted, plan, _source(store), on_event, saved=saved.tree)
    # What could not be looked at was left alone as well, whatever the plan says of it.
    told = {problem.path for problem in problems}
    problems += [
        each
        for each in saved.problems
        if each.reason == "unreadable" and each.path not in told and request.covers(each.path)
    ]
    return _noted(store, request, Restored(plan, saved.snapshot, [*notes, *problems]), now)


def _noted(store: Store, request: RestoreRequest, done: Restored, now: float) -> Restored:
    journal.note_restore(store.path, request.snapshot, done, now=now)
    return done


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
        raise StoreRefused(
            "{destination} lies inside the store {path}",
            hint="choose another folder",
            destination=destination,
            path=store.path,
        )
    with explained(destination):
        taken = os.path.lexists(real) and (not os.path.isdir(real) or os.listdir(real))
    if taken:
        raise StoreRefused(
            "{destination} is not an empty folder",
            hint="name a folder that does not exist yet, or an empty one",
            destination=destination,
        )
    wanted, notes = tree_to_restore(store, request.snapshot, on_event)
    plan = plan_everything(wanted, paths=request.paths)
    with explained(destination):
        os.makedirs(real, mode=0o700, exist_ok=True)
    problems = _apply(store, request.snapshot, wanted, plan, os.fsencode(real), on_event)
    return Restored(plan, None, [*notes, *problems])


def _source(store: Store) -> bytes:
    return os.fsencode(store.source_folder())


def plan_from(store: Store, request: RestoreRequest, wanted: Tree, current: Tree) -> Plan:
    """Return what a restore would do to the source, which is as the tree `current` says."""
    comparison = compare(wanted, current, _source(store), digest=store.backend.digest)
    plan = plan_restore(
        wanted,
        current,
        comparison,
        paths=request.paths,
        keep_new=request.keep_new,
        protected=_Protection(store, request.exclude, wanted.rule_files, current).covers,
    )
    plan.problems = [with_rule(problem, request.exclude, wanted) for problem in plan.problems]
    return request.narrowing.plan(plan, current) if request.narrowing else plan


def _with_named_paths(request: RestoreRequest, wanted: Tree) -> RestoreRequest:
    return replace(request, exclude=excludes_for(request.exclude, wanted, request.paths))


class _Protection:
    """Leaves alone what only the rules of now ignore: nobody expects a restore to delete ignored files."""

    def __init__(
        self, store: Store, exclude: Sequence[str], rule_files: Mapping[bytes, bytes], current: Tree
    ) -> None:
        self._store = store
        self._current = current
        self._exclude = [os.fsencode(pattern) for pattern in exclude]
        self._rule_files = rule_files
        self._visible: Optional[frozenset[bytes]] = None

    def covers(self, path: bytes) -> bool:
        """Tell whether the rules of now ignore a path that those of the snapshot did not."""
        if self._visible is None:
            source = _source(self._store)
            if rules_hold(self._store.path, source, self._current, self._rule_files):
                self._same, self._visible = True, frozenset()
                return False
            # What an agent wrote into the rules must not keep what it made.
            force = rules_in_force(self._store.path, source)
            rules = IgnoreRules.compile(self._exclude, {})
            tree = walk(source, rules, frozen=force.frozen, overrides=force.overrides)
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
            "the restore stopped half-way: {reason}",
            hint="nothing is lost; put right what stopped it and run the same restore again",
            reason=error.strerror or error,
        ) from error
    finally:
        reader.close()
