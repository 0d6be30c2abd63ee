"""Snapshots around one run: before, during, after, and what became of the folder in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from agsekit.i18n import sentence_and_hint
from agsekit.protection.aftermath import Aftermath, see_to_risks
from agsekit.protection.assignment import Assignment, Report
from agsekit.protection.endings import Ending, note_end, note_unsaved_end
from agsekit.protection.loss import Loss, LossWatch, bring_back
from agsekit.protection.protector import Protector, start_protector
from agsekit.protection.risky import Risk
from agsekit.protection.target import Target
from agsekit_storage import run_log, running
from agsekit_storage.changes import compare_stored
from agsekit_storage.errors import StorageError, explained
from agsekit_storage.events import OnEvent
from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.memory import Memory
from agsekit_storage.model import Changes, Problem, Snapshot
from agsekit_storage.rule_trust import UntrustedRule, settle, would_hide
from agsekit_storage.snapshots import DEFAULT_WAIT, THIS, Request, Result, take_snapshot
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree, split


@dataclass(frozen=True)
class Summary:
    """What a run did to its folder.

    `before` is the snapshot to go back to; `snapshots` counts those that were taken, this one included.
    `after` is None when the last snapshot failed (`failures` says why). `changed_rules` are the `.backupignore`
    files that the run changed, which have no effect until the user accepts them, and `would_hide` the paths
    that they would then leave out. `unwatched` says why edits were saved at the interval only. `risks` are what the
    host would execute of the changes, and `put_back` those of them that are as they were before the run again.
    `losses` are those that were noticed while the agent ran.
    """

    before: Snapshot
    after: Optional[Snapshot]
    changes: Changes
    snapshots: int
    problems: Sequence[Problem]
    failures: Sequence[str]
    changed_rules: Sequence[bytes] = ()
    would_hide: Sequence[bytes] = ()
    unwatched: Sequence[str] = ()
    risks: Sequence[Risk] = ()
    put_back: Sequence[bytes] = ()
    losses: Sequence[Loss] = ()


class ProtectedRun:
    """The protection of one run: `begin` before the agent starts, `end` when it has ended."""

    def __init__(self, store: Store, target: Target, run: Mapping[str, Any]) -> None:
        self._store = store
        self._target = target
        self._run = run
        self._protector: Optional[Protector] = None

    def begin(self, *, on_orphaned: Callable[[], None], on_event: OnEvent) -> Result:
        """Take the snapshot to go back to, then start the protector.

        Raises:
            StorageError: the snapshot could not be taken; the agent must not start.
        """
        request = Request("pre-run", self._target.exclude, run=self._run, keep=self._target.keep, hold=THIS)
        memory = Memory()  # a forked protector takes it along, and need not read it again
        self._first = take_snapshot(self._store, request, now=time.time(), on_event=on_event, memory=memory)
        before, rules = self._first.snapshot.id, self._first.tree.rule_files
        with explained(self._store.path):
            self._rules = running.begin(self._store.path, rules, self._run["id"])
            run_log.save(self._store, replace(run_log.run_of(self._run), before=before))
        guard = self._target.guard
        losses = None if guard.loss == "off" else LossWatch(self._first.snapshot, self._first.tree, guard.share)
        assignment = Assignment(
            self._store, self._target, rules, self._run, on_orphaned, before, self._rules, memory, losses
        )
        self._protector = start_protector(assignment)
        return self._first

    @property
    def descriptor(self) -> int:
        """What is readable when there may be a loss to `hear` of, -1 when there will be none any more."""
        return self._protector.descriptor if self._protector else -1

    def hear(self) -> Sequence[Loss]:
        """Return the losses that were noticed since the last call."""
        return self._protector.hear() if self._protector else ()

    def bring_back(self, loss: Loss, *, on_event: OnEvent) -> int:
        """Bring back the files of a loss, and nothing else, and return how many paths that were.

        Raises:
            StorageError: they could not be brought back.
        """
        return bring_back(self._store, self._target, loss, on_event=on_event)

    def end(self, *, on_event: OnEvent, exit_code: Optional[int] = None) -> Summary:
        """Take the last snapshot, stop the protector, and tell what changed. `exit_code` is that of the agent.

        In this order: should this process be ended meanwhile, the protector takes the last snapshot.
        """
        failures: list[str] = []
        before, rules = self._first.snapshot, self._first.tree.rule_files
        keep = self._target.keep
        share = self._target.guard.share
        request = Request(
            "post-run", self._target.exclude, rules, self._run, keep=keep, hold=before.id, loss_share=share
        )
        last: Optional[Result] = None
        if self._protector:
            self._protector.save_pending()
        try:
            last = take_snapshot(self._store, request, now=time.time(), on_event=on_event)
        except (StorageError, OSError) as error:
            failures.append(sentence_and_hint(error)[0])
        report = self._stop_protector()
        failures = [*report.failures, *failures]
        changes = self._changes(before, last) if last else Changes()
        aftermath = self._see_to_end(last, changes, exit_code, failures)
        untrusted = self._settle_rules(changes, failures, known=last is not None)
        return Summary(
            before,
            last.snapshot if last else None,
            changes,
            self._first.created + report.taken + (last.created if last else 0),
            last.problems if last else (),
            failures,
            [rule.path for rule in untrusted],
            self._would_hide(last.tree, untrusted) if last and untrusted else (),
            report.unwatched,
            aftermath.risks,
            aftermath.put_back,
            report.losses,
        )

    def _see_to_end(
        self, last: Optional[Result], changes: Changes, exit_code: Optional[int], failures: list[str]
    ) -> Aftermath:
        """See to what the host would execute, and note how the run ended."""
        before, aftermath = self._first.snapshot, Aftermath()
        if last:
            aftermath = see_to_risks(self._store, self._target, before, last.snapshot, last.tree, changes)
        failures += aftermath.failures
        try:
            if last is None:
                note_unsaved_end(self._store, self._run, before.id, exit_code)
                return aftermath
            ending = Ending(last.snapshot.id, time.time(), exit_code, changes, aftermath.put_back)
            note_end(self._store, self._run, before.id, ending)
        except (StorageError, OSError) as error:
            failures.append(sentence_and_hint(error)[0])
        return aftermath

    def _stop_protector(self) -> Report:
        if self._protector is None:
            return Report(0, ())
        protector, self._protector = self._protector, None
        return protector.stop()

    def _changes(self, before: Snapshot, last: Result) -> Changes:
        if last.snapshot.id == before.id:
            return Changes()
        return compare_stored(self._store.tree(before), last.tree)

    def _settle_rules(self, changes: Changes, failures: list[str], *, known: bool) -> Sequence[UntrustedRule]:
        """Keep the rules from before in force; what fails now, or is not known without a last snapshot, is left."""
        try:
            untrusted = settle_rules(self._store, self._first.tree.rule_files, changes)
            if known:
                self._rules.end()
            return untrusted
        except (StorageError, OSError) as error:
            failures.append(sentence_and_hint(error)[0])
            return ()
        finally:
            self._rules.abandon()

    def _would_hide(self, tree: Tree, untrusted: Sequence[UntrustedRule]) -> Sequence[bytes]:
        try:
            return would_hide(os.fsencode(self._store.source_folder()), self._target.exclude, tree, untrusted)
        except (StorageError, OSError):
            return ()


def settle_rules(store: Store, trusted: Mapping[bytes, bytes], changes: Changes) -> Sequence[UntrustedRule]:
    """Find the ignore rules that a run changed and keep those from before in force."""
    named = (*changes.added, *changes.modified, *changes.removed)
    folders = [split(path)[0] for path in named if split(path)[1] == IGNORE_FILE]
    return settle(store, trusted, folders, wait=DEFAULT_WAIT)
