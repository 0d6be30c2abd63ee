"""How long to wait before the next attempt."""

from __future__ import annotations


class Backoff:
    """Waits that double from `first` to `longest` seconds. No chance is involved: there is one client only."""

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def next(self) -> float:
        """Return how many seconds to wait after one more failure."""
        # The exponent is bounded: a float must not overflow after weeks of failures.
        wait = self._first * 2.0 ** min(self._failures, 32)
        self._failures += 1
        return min(wait, self._longest)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0
