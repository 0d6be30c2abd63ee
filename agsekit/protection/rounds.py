"""Snapshots of several mounts at their intervals, by one process that does not give up.

One snapshot at a time: two would only compete for the disk. A store that somebody else writes to is not waited
for, but tried again, so that it does not hold up the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol

from agsekit.config.model import Config, Mount
from agsekit.config.watch import POLL_SECONDS, WatchedConfig
from agsekit.errors import AgsekitError
from agsekit.i18n import sentence_and_hint
from agsekit.protection.target import target_of
from agsekit_storage.errors import StorageError
from agsekit_storage.events import OnEvent
from agsekit_storage.snapshots import Request, Result, take_snapshot

_FIRST_RETRY = 5.0
_LOCK_SECONDS = 1.0
_BEAT_SECONDS = 60.0


@dataclass
class MountState:
    """How it stands with one mount. Times are seconds since the epoch; `failures` counts those in a row.

    `retry` is how long the wait after the last failure is, in seconds.
    """

    mount: Mount
    next: float
    last_success: Optional[float] = None
    last_snapshot: Optional[str] = None
    last_failure: Optional[float] = None
    problem: Optional[str] = None
    failures: int = 0
    retry: float = field(default=_FIRST_RETRY)

    def succeeded(self, result: Result, now: float) -> None:
        """Note a snapshot, or that nothing had changed."""
        self.last_success, self.last_snapshot = now, result.snapshot.id
        self.failures, self.problem = 0, None
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

    def result(self, state: MountState, result: Result) -> None:
        """A snapshot was taken, or nothing had changed."""

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
            time.sleep(max(0.0, min(soonest - now, POLL_SECONDS)))
            self._refresh()

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
            state.mount = mount
            self._states.append(state)
        self._beat()

    def _take_due(self) -> None:
        for state in self._states:
            now = time.time()
            overslept = state.next - now > max(state.mount.interval * 60, state.retry)  # the clock was set back
            if state.next <= now or overslept:
                self._take(state)
                self._beat()

    def _take(self, state: MountState) -> None:
        target = target_of(state.mount)
        request = Request("interval", target.exclude, keep=target.keep)
        try:
            store = target.create_store(home=self._home)
            result = take_snapshot(store, request, now=time.time(), on_event=self._on_event, wait=_LOCK_SECONDS)
        except (StorageError, AgsekitError, OSError) as error:
            if state.failed(error, time.time()):
                self._reporter.failure(state, error)
        else:
            state.succeeded(result, time.time())
            self._reporter.result(state, result)

    def _beat_if_late(self) -> None:
        if abs(time.time() - self._beaten) >= _BEAT_SECONDS:
            self._beat()

    def _beat(self) -> None:
        self._beaten = time.time()
        self._reporter.beat(self._states)
