"""How far something has come: a bar where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Optional

from agsekit.cli import render
from agsekit.cli.snapshot_texts import describe_problem, describe_unmet_cap
from agsekit.i18n import _
from agsekit_storage.events import CapUnmet, Event, Met, OnEvent, Progress, Waiting

if TYPE_CHECKING:
    import rich.progress

_QUICK = 0.3
"""Seconds; what ends sooner shows no bar."""


class Bar:
    """A progress bar on standard error, which ends when all is through; the next update begins a new one.

    It draws no thread of its own, so a fork stays safe.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._began: Optional[float] = None
        self._progress: Optional[rich.progress.Progress] = None
        self._task: Optional[rich.progress.TaskID] = None

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` files are through."""
        if self._began is None:
            self._began = time.monotonic()
        if self._progress is None and time.monotonic() - self._began > _QUICK and done < total:
            self._open(total)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)
            self._progress.refresh()
        if done >= total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is and go on below it."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._began = None

    def _open(self, total: int) -> None:
        from rich import progress
        from rich.console import Console

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            auto_refresh=False,
        )
        self._progress.start()
        self._task = self._progress.add_task(self._label, total=total)


class Lines:
    """One line when it begins and one when it is done; with `small` also for what is done at once."""

    def __init__(self, label: str, *, small: bool) -> None:
        self._label = label
        self._small = small
        self._shown = False

    def update(self, done: int, total: int) -> None:
        """Say so once there is something to wait for, and when all is through."""
        if not self._shown and (done < total or self._small):
            self._shown = True
            render.say(f"{self._label} 0/{total}")
        if done >= total and self._shown:
            self.close()
            render.say(f"{self._label} {total}/{total}")

    def close(self) -> None:
        """Let the next update begin anew."""
        self._shown = False


@contextmanager
def snapshot_progress(label: str, *, shown: bool, small: bool = False) -> Iterator[OnEvent]:
    """Show how far a snapshot or restore has come: a bar on a terminal, a plain line otherwise.

    What takes no time needs neither; `small` has the lines for it all the same.
    """
    display: Bar | Lines | None = None
    if shown:
        display = Bar(label) if sys.stderr.isatty() else Lines(label, small=small)

    def on_event(event: Event) -> None:
        if isinstance(event, Waiting):
            render.say(_("Another process is writing to the store; waiting for it."))
        elif isinstance(event, Progress) and display:
            with suppress(OSError):  # the terminal is gone; the snapshot goes on
                display.update(event.done, event.total)
        elif isinstance(event, Met) and not event.problem.harmless:
            render.warn(describe_problem(event.problem))
        elif isinstance(event, CapUnmet):
            render.warn(describe_unmet_cap(event))

    try:
        yield on_event
    finally:
        if display:
            with suppress(OSError):
                display.close()
