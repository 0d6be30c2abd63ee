"""How old snapshots are, for a clock that may have been wrong when some were taken, or may be wrong now.

Snapshots are in the order in which they were taken, whatever their times say. Times that do not fit that order, or
that lie ahead, are not believed. And time that passed while nobody looked counts only bit by bit: a clock that is set
ahead by years must not make a whole history old at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from agsekit_storage.model import Snapshot

LONGEST_UNSEEN = 86400.0
"""Seconds between two snapshots (or since the newest) that may pass unseen and count at once."""
CATCHING_UP = 7.0
"""A longer time counts for at most this many times what has been seen to pass after it."""


class Ages:
    """The ages of the snapshots of a store, which are given in the order in which they were taken."""

    def __init__(self, snapshots: Sequence[Snapshot], *, now: float) -> None:
        created = [snapshot.created for snapshot in snapshots]
        kept = _fitting(created, now)
        self._now = now
        self._unseen = _uncounted([created[position] for position in kept] + [now], now)
        self.moments = _believed(created, kept, now)

    def uncounted(self, position: int) -> float:
        """Return how many seconds since a snapshot do not count yet."""
        ends, lost = self._unseen
        place = bisect_left(ends, self.moments[position])
        return lost[place] if place < len(ends) else 0.0

    def age(self, position: int) -> float:
        """Return the age of a snapshot in seconds, as far as it counts; never negative."""
        return max(0.0, self._now - self.moments[position] - self.uncounted(position))


def _fitting(created: Sequence[float], now: float) -> list[int]:
    """Return the positions of the longest run of times that fit together and are not ahead of now."""
    ends: list[float] = []
    last: list[int] = []
    before: list[int] = []
    for position, moment in enumerate(created):
        length = bisect_right(ends, moment)
        before.append(last[length - 1] if length else -1)
        if moment > now:
            continue
        if length == len(ends):
            ends.append(moment)
            last.append(position)
        else:
            ends[length], last[length] = moment, position
    found = []
    position = last[-1] if last else -1
    while position >= 0:
        found.append(position)
        position = before[position]
    return found[::-1]


def _believed(created: Sequence[float], kept: Sequence[int], now: float) -> list[float]:
    """Return a time for each snapshot. Where its own cannot be right, it is taken to be younger rather than older."""
    trusted = frozenset(kept)
    moments: list[float] = []
    following = now
    for position in range(len(created) - 1, -1, -1):
        own = created[position]
        if position in trusted:
            following = own
        moments.append(max(own, following) if own <= now else following)
    return moments[::-1]


def _uncounted(moments: Sequence[float], now: float) -> tuple[list[float], list[float]]:
    """Return the beginnings of the times that passed unseen, and how many seconds since each do not count yet."""
    beginnings: list[float] = []
    lost: list[float] = []
    total = 0.0
    for begin, end in reversed(list(zip(moments, moments[1:]))):
        gap = end - begin
        if gap > LONGEST_UNSEEN:
            total += gap - min(gap, CATCHING_UP * (now - end))
            beginnings.append(begin)
            lost.append(total)
    return beginnings[::-1], lost[::-1]
