"""When to save: as soon as a folder has come to rest, or at the latest after a while."""

from __future__ import annotations

from typing import Optional

QUIET_SECONDS = 0.5
LONGEST_SECONDS = 5.0
_REST_FACTOR = 4.0
_LONGEST_REST = 60.0


class Quiet:
    """Decides from the times of edits. All times are seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._first: Optional[float] = None
        self._last = 0.0
        self._resting_until = 0.0

    def edited(self, now: float) -> None:
        """Take note of an edit."""
        if self._first is None:
            self._first = now
        self._last = now

    def due_at(self) -> Optional[float]:
        """Return when to save if nothing happens until then; None when there is nothing to save."""
        if self._first is None:
            return None
        return max(min(self._last + QUIET_SECONDS, self._first + LONGEST_SECONDS), self._resting_until)

    def saving(self) -> None:
        """Forget the edits: they are being saved."""
        self._first = None

    def rest(self, now: float, spent: float) -> None:
        """Let time pass after a save that took `spent` processor seconds: most of them belong to others."""
        self.wait_until(now + min(spent * _REST_FACTOR, _LONGEST_REST))

    def wait_until(self, time: float) -> None:
        """Save nothing before `time`."""
        self._resting_until = time
