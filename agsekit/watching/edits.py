"""The edits of one source: when there is something to save, and where; by walks alone where it cannot be watched."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Optional

from agsekit.i18n import _
from agsekit.watching.filesystems import shared_type
from agsekit.watching.quiet import Quiet
from agsekit.watching.watcher import MOST_WATCHES, CannotWatch, Watcher
from agsekit_storage.ignore import IgnoreRules

_LOOK_SECONDS = 1.0
"""How often to look whether a source that is gone is back."""
_GATHER_SECONDS = 0.1
_MANY_EVENTS = 1000
_FIRST_RETRY = 5.0
_LONGEST_RETRY = 300.0


class Edits:
    """Tells when a source has edits to save, and which. Times are seconds of one clock that never goes back.

    Wait until `descriptor` is readable or `wait` seconds have passed, call `look`, and when `is_due` says so, save
    what `take` returns; then call `saved` or `failed`.

    Args:
        source: a real path.
        rule_files: contents of the `.backupignore` files in force; None when that is not known before a first save,
            and then nothing is watched until it.
        watch: False for never, True also where others may write unseen.
        frozen: `rule_files` are in force whatever a snapshot finds.

    Attributes:
        problem: why the source is not watched; None while it is, is not there, or is not meant to be.
    """

    def __init__(
        self,
        source: Path,
        exclude: Sequence[str],
        rule_files: Optional[Mapping[bytes, bytes]],
        *,
        now: float,
        watch: Optional[bool] = None,
        frozen: bool = False,
        most: int = MOST_WATCHES,
    ) -> None:
        self.problem: Optional[CannotWatch] = None
        self._source = source
        self._exclude = [os.fsencode(pattern) for pattern in exclude]
        self._rule_files = None if rule_files is None else dict(rule_files)
        self._watch = watch
        self._frozen = frozen
        self._most = most
        self._watcher: Optional[Watcher] = None
        self._quiet = Quiet()
        self._look_again: Optional[float] = None
        self._gathering_until = 0.0
        self._failures = 0
        self._begin(now)

    @property
    def descriptor(self) -> int:
        """Readable when there is something to look at; -1 for none."""
        return self._watcher.descriptor if self._watcher else -1

    def is_gathering(self, now: float) -> bool:
        """Tell whether to leave `descriptor` alone for a moment, so that many events cost one look."""
        return now < self._gathering_until

    def wait(self, now: float) -> Optional[float]:
        """Return after how many seconds to look even if nothing is to be read, None for never."""
        times = [self._quiet.due_at(), self._look_again]
        if self.is_gathering(now):
            times.append(self._gathering_until)
        known = [time for time in times if time is not None]
        return max(0.0, min(known) - now) if known else None

    def look(self, now: float) -> None:
        """Take note of what has happened; see to it that a source that came back is watched."""
        if self._watcher is None:
            if self._look_again is not None and now >= self._look_again:
                self._begin(now)
            return
        try:
            events, counts = self._watcher.collect()
        except CannotWatch as problem:
            self._end(problem, now)
            return
        if counts:
            self._quiet.edited(now)
        if 0 < events < _MANY_EVENTS:
            self._gathering_until = now + _GATHER_SECONDS
        if self._watcher.gone:
            self._end(None, now)

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to save."""
        due = self._quiet.due_at()
        return due is not None and now >= due

    @property
    def has_some(self) -> bool:
        """Whether anything was edited since edits were last taken, quiet or not."""
        return self._quiet.due_at() is not None

    def take(self, now: float) -> Optional[AbstractSet[bytes]]:
        """Return the paths that may have changed since they were last taken, None for everything."""
        if self._watcher and not self._watcher.is_in_place():
            self._end(None, now)
        elif self._watcher and self._watcher.lost:
            self._begin(now)
        self._quiet.saving()
        return self._watcher.take() if self._watcher else None

    def saved(self, rule_files: Mapping[bytes, bytes], *, now: float, spent: float) -> None:
        """Go on after a save that took `spent` processor seconds and found these `.backupignore` files in force."""
        self._failures = 0
        self._quiet.rest(now, spent)
        if not self._frozen and dict(rule_files) != self._rule_files:
            self._rule_files = dict(rule_files)
            self._begin(now)

    def failed(self, taken: Optional[AbstractSet[bytes]], *, now: float) -> None:
        """Remember what could not be saved, for another attempt after a while."""
        if self._watcher:
            self._watcher.put_back(taken)
            self._quiet.edited(now)
        self._quiet.wait_until(now + min(_FIRST_RETRY * 2.0 ** min(self._failures, 16), _LONGEST_RETRY))
        self._failures += 1

    def retry(self, now: float) -> None:
        """Try again to watch what could not be watched; call it after each walk over everything."""
        if self.problem and self._watcher is None:
            self._begin(now)

    def close(self) -> None:
        """Watch no longer."""
        if self._watcher:
            self._watcher.close()
            self._watcher = None

    def _begin(self, now: float) -> None:
        """Watch from here on; everything may have changed until now."""
        if self._watch is False or self._rule_files is None:
            return
        watched = self._watcher is not None
        self.close()
        self.problem = self._look_again = None
        try:
            self._refuse()
            rules = IgnoreRules.compile(self._exclude, self._rule_files)
            self._watcher = Watcher(os.fsencode(self._source), rules, most=self._most)
        except CannotWatch as problem:
            self.problem = problem
        except OSError:
            self._look_again = now + _LOOK_SECONDS
        if watched or self._watcher:
            self._quiet.edited(now)

    def _refuse(self) -> None:
        if not sys.platform.startswith("linux"):
            raise CannotWatch(_("edits are seen as they happen on Linux only"))
        shared = None if self._watch else shared_type(self._source)
        if shared:
            raise CannotWatch(
                _("{folder} is on a file system ({type}) that others may write to unseen").format(
                    folder=self._source, type=shared
                ),
                hint=_("if only this machine writes to it, set `watch: true` for the mount"),
            )

    def _end(self, problem: Optional[CannotWatch], now: float) -> None:
        """Watch no longer, because of a problem or because the source is gone, and have all of it looked at."""
        self.close()
        self.problem = problem
        self._look_again = None if problem else now + _LOOK_SECONDS
        self._quiet.edited(now)
