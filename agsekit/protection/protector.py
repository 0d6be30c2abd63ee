"""The protector: a background process that takes snapshots while an agent runs, and outlives nobody.

It holds one end of a pipe whose other end only the run holds. Whatever ends the run, SIGKILL included,
closes that end; the protector then saves the last state, has the rest of the run inside the VM ended, and exits.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Optional

from agsekit.i18n import _, sentence_and_hint
from agsekit.protection.aftermath import Aftermath, see_to_risks
from agsekit.protection.assignment import Assignment, Report
from agsekit.protection.endings import Ending, note_end, note_unsaved_end
from agsekit.protection.loop import Following
from agsekit.protection.loss import Loss, loss_of
from agsekit.watching.watcher import CannotWatch
from agsekit_storage.changes import compare_stored
from agsekit_storage.errors import StorageError
from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.model import Changes
from agsekit_storage.retention import is_worth_a_pin
from agsekit_storage.rule_trust import settle
from agsekit_storage.snapshots import DEFAULT_WAIT, Result, take_snapshot
from agsekit_storage.tree import split

_STOP, _SAVE = b"s", b"p"
_PATIENCE = 60.0
_LOOKS = 5
_BETWEEN_LOOKS = 0.5
_NICENESS = 10
_LONGEST_FAILURE = 600
"""Characters; JSON makes at most six bytes of each."""


class Protector:
    """A running protector, as the run sees it."""

    def __init__(self, pid: int, lifeline: int, reports: int) -> None:
        self.pid = pid
        self._lifeline = lifeline
        self._reports = reports
        self._entries: list[dict[str, Any]] = []
        self._rest = b""
        self.descriptor = reports
        """Readable when there may be something to `hear`; -1 when there will be nothing more."""

    def hear(self) -> Sequence[Loss]:
        """Return the losses that were reported since the last call."""
        received = os.read(self._reports, 65536)
        if not received:
            self.descriptor = -1
        *lines, self._rest = (self._rest + received).split(b"\n")
        fresh = _entries(lines)
        self._entries += fresh
        return [loss for loss in map(loss_of, fresh) if loss]

    def save_pending(self) -> None:
        """Have edits saved that have not come to rest, and wait until that is done, or for a minute.

        What is written through memory may move no clock, so that only who has heard of the write reads the file.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lifeline, _SAVE)
        deadline = time.monotonic() + _PATIENCE
        while self.descriptor >= 0 and not any("saved" in entry for entry in self._entries):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._reports], [], [], left)[0]:
                return
            self.hear()

    def stop(self) -> Report:
        """Tell the protector that the run is over, wait for it to finish what it is doing, and hear its report."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lifeline, _STOP)
        os.close(self._lifeline)
        entries = [*self._entries, *_entries((self._rest + _read_all(self._reports)).split(b"\n"))]
        os.close(self._reports)
        status = os.waitpid(self.pid, 0)[1]
        failures = [entry["failure"] for entry in entries if "failure" in entry]
        if status != 0:
            reason = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status >> 8}"
            failures.append(_("the protector ended early ({reason})").format(reason=reason))
        unwatched = tuple(entry["unwatched"] for entry in entries if "unwatched" in entry)
        losses = tuple(loss for loss in map(loss_of, entries) if loss)
        return Report(sum("snapshot" in entry for entry in entries), tuple(failures), unwatched, losses)


def start_protector(assignment: Assignment) -> Protector:
    """Fork a protector. Call it while no other thread runs."""
    lifeline_end, lifeline = os.pipe()
    reports, reports_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(lifeline_end)
        os.close(reports_end)
        return Protector(pid, lifeline, reports)
    status = 1
    try:
        os.close(lifeline)
        os.close(reports)
        kept = (assignment.running.descriptor,) if assignment.running else ()
        _detach(keep=(lifeline_end, reports_end, *kept))
        _protect(assignment, lifeline_end, reports_end)
        status = 0
    finally:
        # Nothing of the parent's may run here: no exit handlers, no buffered output.
        os._exit(status)


def _detach(keep: tuple[int, ...]) -> None:
    """Leave the terminal and everything else that the run has open."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    highest = os.sysconf("SC_OPEN_MAX") if "SC_OPEN_MAX" in os.sysconf_names else 1024
    first = 3
    for descriptor in sorted(keep):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, min(highest, 65536))


def _step_back() -> None:
    """Leave processor and disk to the agent: the kernel derives the priority at the disk from that at the processor.

    Not the idle class of the disk: an agent that keeps it busy would then hold back the lock of the store, and with
    it the snapshot after the run.
    """
    os.nice(_NICENESS)
    # Where the kernel shares out the processor by sessions, niceness counts within ours only, and we are alone in it.
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "wb", buffering=0) as group:
        group.write(b"%d" % _NICENESS)


def _protect(assignment: Assignment, lifeline: int, reports: int) -> None:
    os.set_blocking(reports, False)
    _step_back()
    stopped = False

    def wait(descriptor: int, seconds: float) -> bool:
        nonlocal stopped
        watched = [lifeline] if descriptor < 0 else [lifeline, descriptor]
        ready, _writable, _broken = select.select(watched, [], [], seconds)
        if lifeline not in ready:
            return True
        word = os.read(lifeline, 1)
        if word == _SAVE:
            following.save_pending()
            told.saved()
            return True
        stopped = word == _STOP
        return False

    told = _Reports(reports, assignment)
    following = _following(assignment, told, watch=assignment.target.watch)
    try:
        following.run(wait)
    except Exception as error:
        # Not even a mistake of ours in watching may end the protection of a run.
        told.failure(_as_failure(error))
        following = _following(assignment, told, watch=False)
        following.run(wait)
    if not stopped:
        _settle_orphan(assignment)


def _following(assignment: Assignment, reports: _Reports, *, watch: Optional[bool]) -> Following:
    def take(kind: str, dirty: Optional[AbstractSet[bytes]]) -> Result:
        try:
            request = assignment.request(kind, dirty)
            return take_snapshot(assignment.store, request, now=time.time(), memory=assignment.memory)
        except (StorageError, OSError):
            raise
        except Exception as error:
            raise _as_failure(error) from error

    return Following(
        assignment.edits(watch=watch),
        take,
        interval=assignment.target.interval * 60,
        on_result=reports.result,
        on_failure=reports.failure,
        on_problem=reports.unwatched,
    )


def _as_failure(error: Exception) -> StorageError:
    return StorageError("{kind}: {reason}", kind=type(error).__name__, reason=error)


class _Reports:
    """The way to the run, which hears of losses at once and reads the rest at the end."""

    def __init__(self, descriptor: int, assignment: Assignment) -> None:
        self._descriptor = descriptor
        self._store = assignment.store
        self._losses = assignment.losses

    def result(self, result: Result) -> None:
        if result.created:
            self._send({"snapshot": result.snapshot.id})
        self._loss(self._losses.result(result) if self._losses else None)

    def _loss(self, loss: Optional[Loss]) -> None:
        if loss:
            self._send(loss.entry())
            with contextlib.suppress(StorageError, OSError), self._store.locked(wait=DEFAULT_WAIT):
                if is_worth_a_pin(self._store.snapshots(), loss.good):
                    self._store.pin(loss.good, pinned=True)

    def failure(self, error: Exception) -> None:
        self._loss(self._losses.failure(error) if self._losses else None)
        # A pipe takes up to PIPE_BUF (4 KiB) whole or not at all; a longer line could arrive cut in half.
        self._send({"failure": sentence_and_hint(error)[0][:_LONGEST_FAILURE]})

    def saved(self) -> None:
        self._send({"saved": True})

    def unwatched(self, problem: CannotWatch) -> None:
        text = problem.message if problem.hint is None else f"{problem.message}; {problem.hint}"
        self._send({"unwatched": text[:_LONGEST_FAILURE]})

    def _send(self, entry: Mapping[str, Any]) -> None:
        # A full pipe means thousands of reports that nobody has read: the newest may be lost.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._descriptor, json.dumps(entry).encode() + b"\n")


def _settle_orphan(assignment: Assignment) -> None:
    """The run was killed: end what it left in the VM, save the state that it left, and do not trust its rules.

    The agent dies at about the same time, so one look could come too early.
    """
    with contextlib.suppress(Exception):
        assignment.on_orphaned()
    last: Optional[Result] = None
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS)
        try:
            last = take_snapshot(assignment.store, assignment.request("post-run"), now=time.time())
        except (StorageError, OSError):
            continue  # what was in the way may be gone by the next look
        if look and not last.created:
            break
    if last is None and assignment.before:
        with contextlib.suppress(StorageError, OSError):
            note_unsaved_end(assignment.store, assignment.run, assignment.before)
    if last:
        with contextlib.suppress(StorageError, OSError):
            _note_end(assignment, last)
        folders = [split(entry.path)[0] for entry in last.tree.entries() if split(entry.path)[1] == IGNORE_FILE]
        with contextlib.suppress(StorageError, OSError):
            settle(assignment.store, assignment.rule_files, folders, wait=DEFAULT_WAIT)
            if assignment.running:
                assignment.running.end()


def _note_end(assignment: Assignment, last: Result) -> None:
    store, changes, aftermath = assignment.store, Changes(), Aftermath()
    if assignment.before and assignment.before != last.snapshot.id:
        before = store.get(assignment.before)
        changes = compare_stored(store.tree(before), last.tree)
        aftermath = see_to_risks(store, assignment.target, before, last.snapshot, last.tree, changes)
    ending = Ending(last.snapshot.id, time.time(), None, changes, aftermath.put_back)
    note_end(store, assignment.run, assignment.before, ending)


def _entries(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line]


def _read_all(descriptor: int) -> bytes:
    parts: list[bytes] = []
    while True:
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
