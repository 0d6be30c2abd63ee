"""Snapshots of one source for as long as nobody says stop: at an interval, and of its edits as they happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Optional

from agsekit.watching.edits import Edits
from agsekit.watching.watcher import CannotWatch
from agsekit_storage.errors import StorageError
from agsekit_storage.snapshots import Result

Take = Callable[[str, Optional[AbstractSet[bytes]]], Result]
"""Takes a snapshot of a kind, `interval` or `watch`, of paths that may have changed, or of everything."""


def repeat(
    take: Callable[[], Result],
    *,
    wait: Callable[[], bool],
    skip_first: bool,
    on_result: Callable[[Result], None],
    on_failure: Callable[[Exception], None],
) -> None:
    """Take snapshots until `wait` says that it is over.

    A failure of one snapshot is reported and does not end the loop: the disk may have room again next time, the
    folder may be back.

    Args:
        take: takes one snapshot.
        wait: sleeps for the interval and returns False when it is time to stop.
    """
    if skip_first and not wait():
        return
    while True:
        try:
            on_result(take())
        except (StorageError, OSError) as error:
            on_failure(error)
        if not wait():
            return


class Following:
    """Follows the edits of one source, with a look at everything at every interval as a net.

    Args:
        interval: seconds.
        at_once: begin with a look at everything, whatever the edits say.
        on_result: also called when nothing had changed.
        on_problem: called when the source cannot be watched, once for each reason.
    """

    def __init__(
        self,
        edits: Edits,
        take: Take,
        *,
        interval: float,
        at_once: bool = False,
        on_result: Callable[[Result], None],
        on_failure: Callable[[Exception], None],
        on_problem: Callable[[CannotWatch], None],
    ) -> None:
        self._edits = edits
        self._take = take
        self._interval = interval
        self._on_result = on_result
        self._on_failure = on_failure
        self._on_problem = on_problem
        self._told = ""
        self._next = time.monotonic() + (0.0 if at_once else interval)

    def run(self, wait: Callable[[int, float], bool]) -> None:
        """Take snapshots until `wait` says that it is over.

        Args:
            wait: sleeps until a descriptor (-1 for none) is readable or some seconds have passed; returns False
                when it is time to stop.
        """
        while True:
            self._tell()
            now = time.monotonic()
            seconds = min(each for each in (self._next - now, self._edits.wait(now)) if each is not None)
            descriptor = -1 if self._edits.is_gathering(now) else self._edits.descriptor
            if not wait(descriptor, max(0.0, seconds)):
                return
            now = time.monotonic()
            self._edits.look(now)
            if now >= self._next or self._edits.is_due(now):
                self._save(now)

    def save_pending(self) -> None:
        """Save the edits that there are without waiting until they have come to rest."""
        now = time.monotonic()
        self._edits.look(now)
        if self._edits.has_some:
            self._save(now)

    def _save(self, begun: float) -> None:
        edits = self._edits
        full = begun >= self._next
        taken = edits.take(begun)
        if full or taken is None:
            taken = None
            self._next = begun + self._interval
        worked = time.process_time()
        try:
            result = self._take("interval" if full else "watch", taken)
        except (StorageError, OSError) as error:
            edits.failed(taken, now=time.monotonic())
            self._on_failure(error)
        else:
            spent = time.process_time() - worked
            edits.saved(result.tree.rule_files, now=time.monotonic(), spent=spent)
            self._on_result(result)
        if full:
            edits.retry(time.monotonic())

    def _tell(self) -> None:
        problem = self._edits.problem
        if problem is not None and str(problem) != self._told:
            self._told = str(problem)
            self._on_problem(problem)
