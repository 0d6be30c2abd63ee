"""Snapshots of several mounts, at their intervals and of edits as they happen, by one process that does not give up.

One snapshot at a time: two would only compete for the disk. A store that somebody else writes to is not waited
for, but tried again, so that it does not hold up the others.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol

from agsekit.config.model import Config, Mount
from agsekit.config.watch import POLL_SECONDS, WatchedConfig
from agsekit.errors import AgsekitError
from agsekit.i18n import sentence_and_hint
from agsekit.protection.target import Target, target_of
from agsekit.watching.edits import Edits
from agsekit.watching.watcher import CannotWatch
from agsekit_storage.errors import StorageError
from agsekit_storage.events import OnEvent
from agsekit_storage.memory import Memory
from agsekit_storage.snapshots import Request, Result, take_snapshot

_FIRST_RETRY = 5.0
_LOCK_SECONDS = 1.0
_BEAT_SECONDS = 60.0


@dataclass
class MountState:
    """How it stands with one mount. Times are seconds since the epoch; `failures` counts those in a row.

    `retry` is how long the wait after the last failure is, in seconds. `edits` are None until a first snapshot has
    found the rules in force; `unwatched` is why the mount is not watched although it should be.
    """

    mount: Mount
    next: float
    last_success: Optional[float] = None
    last_snapshot: Optional[str] = None
    last_failure: Optional[float] = None
    problem: Optional[str] = None
    failures: int = 0
    retry: float = field(default=_FIRST_RETRY)
    edits: Optional[Edits] = None
    unwatched: Optional[str] = None
    memory: Memory = field(default_factory=Memory)

    def succeeded(self, result: Result, now: float, *, full: bool) -> None:
        """Note a snapshot, or that nothing had changed; `full` tells that everything was looked at."""
        self.last_success, self.last_snapshot = now, result.snapshot.id
        self.failures, self.problem = 0, None
        if full:
            self.next = now + self.mount.interval * 60

    def failed(self, error: Exception, now: float) -> bool:
        """Note a failure, plan the next attempt, and tell whether this problem is another than before."""
        wait = _FIRST_RETRY * 2.0 ** min(self.failures, 32)
        self.retry = min(wait, self.mount.interval * 60)  # waiting is never longer than it would be without a failure
        self.failures += 1
        self.last_failure, self.next = now, now + self.retry
        problem = sentence_and_hint(error)[0]
        news, self.problem = problem != self.problem, problem
        return news


class Reporter(Protocol):
    """What a person, or another program, is told."""

    def result(self, state: MountState, result: Result, *, full: bool) -> None:
        """A snapshot was taken, or nothing had changed, in all of the source or (not `full`) where edits were."""

    def unwatched(self, state: MountState, problem: CannotWatch) -> None:
        """A mount cannot be watched; told of once for each reason."""

    def failure(self, state: MountState, error: Exception) -> None:
        """A snapshot failed; the same problem is told of once, until it is over."""

    def problem(self, error: AgsekitError) -> None:
        """The configuration changed, and cannot be used."""

    def beat(self, states: Sequence[MountState]) -> None:
        """Something changed, or a minute has passed."""


class Rounds:
    """Goes round the mounts until an exception ends it, which a handler of signals may raise at any point.

    Args:
        choose: returns the mounts of a configuration that count.
        home: the home folder, which is no source.
    """

    def __init__(
        self,
        watched: WatchedConfig,
        choose: Callable[[Config], Sequence[Mount]],
        reporter: Reporter,
        *,
        home: Path,
        on_event: OnEvent,
    ) -> None:
        self._watched = watched
        self._choose = choose
        self._reporter = reporter
        self._home = home
        self._on_event = on_event
        self._states: list[MountState] = []
        self._beaten = 0.0

    def run(self) -> None:
        """Take snapshots for good."""
        self._adopt(self._watched.config)
        while True:
            self._take_due()
            self._beat_if_late()
            now = time.time()
            # Short waits: the clock may be set, the machine may sleep, the configuration may change.
            soonest = min((state.next for state in self._states), default=now + POLL_SECONDS)
            self._wait(max(0.0, min(soonest - now, POLL_SECONDS)))
            self._refresh()

    def _wait(self, seconds: float) -> None:
        """Sleep until something may be due, and hear of edits."""
        now = time.monotonic()
        watched = [state.edits for state in self._states if state.edits]
        waits = [wait for wait in (edits.wait(now) for edits in watched) if wait is not None]
        poll = select.poll()
        for edits in watched:
            if edits.descriptor >= 0 and not edits.is_gathering(now):
                poll.register(edits.descriptor, select.POLLIN)
        poll.poll(1000 * min(seconds, *waits) if waits else 1000 * seconds)
        for edits in watched:
            edits.look(time.monotonic())

    def _refresh(self) -> None:
        changed, problem = self._watched.refresh()
        if problem:
            self._reporter.problem(problem)
        if changed:
            self._adopt(self._watched.config)

    def _adopt(self, config: Config) -> None:
        """Go on with the mounts of a configuration; what was known of one stays known."""
        now = time.time()
        known = {(state.mount.source, state.mount.backup): state for state in self._states}
        self._states = []
        for mount in self._choose(config):
            state = known.get((mount.source, mount.backup), MountState(mount, next=now))
            if state.mount.interval != mount.interval:
                state.next = min(state.next, now + mount.interval * 60)
            if (state.mount.watch, state.mount.exclude) != (mount.watch, mount.exclude):
                _unwatch(state)
                state.next = now
            state.mount = mount
            self._states.append(state)
        for key, state in known.items():
            if key not in {(each.mount.source, each.mount.backup) for each in self._states}:
                _unwatch(state)
        self._beat()

    def _take_due(self) -> None:
        for state in self._states:
            now = time.time()
            overslept = state.next - now > max(state.mount.interval * 60, state.retry)  # the clock was set back
            full = state.next <= now or overslept
            if full or (state.edits and state.edits.is_due(time.monotonic())):
                self._take(state, full=full)
                self._tell_if_unwatched(state)
                self._beat()

    def _take(self, state: MountState, *, full: bool) -> None:
        target = target_of(state.mount)
        worked = time.process_time()
        dirty = state.edits.take(time.monotonic()) if state.edits else None
        if full:
            dirty = None
        request = Request("interval" if full else "watch", target.exclude, keep=target.keep, dirty=dirty)
        try:
            result = self._save(state, target, request)
        except (StorageError, AgsekitError, OSError) as error:
            if state.edits:
                state.edits.failed(dirty, now=time.monotonic())
            if state.failed(error, time.time()):
                self._reporter.failure(state, error)
        else:
            state.succeeded(result, time.time(), full=full)
            _follow(state, result, time.process_time() - worked, full=full)
            self._reporter.result(state, result, full=full)

    def _save(self, state: MountState, target: Target, request: Request) -> Result:
        return take_snapshot(
            target.create_store(home=self._home),
            request,
            now=time.time(),
            on_event=self._on_event,
            wait=_LOCK_SECONDS,
            memory=state.memory,
        )

    def _tell_if_unwatched(self, state: MountState) -> None:
        problem = state.edits.problem if state.edits else None
        if problem and str(problem) != state.unwatched:
            self._reporter.unwatched(state, problem)
        state.unwatched = str(problem) if problem else None

    def _beat_if_late(self) -> None:
        if abs(time.time() - self._beaten) >= _BEAT_SECONDS:
            self._beat()

    def _beat(self) -> None:
        self._beaten = time.time()
        self._reporter.beat(self._states)


def _follow(state: MountState, result: Result, spent: float, *, full: bool) -> None:
    """Watch the source of a mount from here on, by the rules that a snapshot has found in force."""
    now = time.monotonic()
    rule_files = result.tree.rule_files
    if state.edits is None:
        source = Path(os.path.realpath(state.mount.source))
        state.edits = Edits(source, state.mount.exclude, rule_files, now=now, watch=state.mount.watch)
        return
    state.edits.saved(rule_files, now=now, spent=spent)
    if full:
        state.edits.retry(now)


def _unwatch(state: MountState) -> None:
    if state.edits:
        state.edits.close()
        state.edits = None
