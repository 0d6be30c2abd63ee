"""Which snapshots to keep: everything for a while, then ever fewer, but never lose the last good one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from agsekit_storage.ages import Ages
from agsekit_storage.model import Snapshot

_HOUR = 3600.0
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY


@dataclass(frozen=True)
class Policy:
    """How long snapshots are kept, in seconds, and how many at most.

    Attributes:
        everything: every snapshot that is younger is kept.
        hourly, daily, weekly: the newest of each hour, day and week is kept until it is this old.
        max_backups: the most snapshots; above it the ones that stand closest together for their age go first.
        max_size: the most bytes on the disk, None for no limit.
        min_free: bytes to leave free on the disk, None for no limit.
    """

    everything: float = _HOUR
    hourly: float = _DAY
    daily: float = 30 * _DAY
    weekly: float = 365 * _DAY
    max_backups: int = 100
    max_size: Optional[int] = None
    min_free: Optional[int] = None


@dataclass(frozen=True)
class Decision:
    """What becomes of one snapshot, and why: a reason to keep it, or the rule that lets it go.

    `reason` is newest, pinned, held, before-loss, safety, foreign, damaged, recent, hourly, daily, weekly or unseen
    (so much time has passed since, by the clock, without a snapshot that it does not count yet) for what is kept, and
    thinned, too-old, max-backups, max-size or min-free for what goes. `age` is in seconds, as far as it counts.
    """

    snapshot: Snapshot
    keep: bool
    reason: str
    age: float = field(default=0.0, compare=False)


_SAFETY_FOR = _DAY
_MOST_PINS = 20
"""As many snapshots of a day are pinned for a loss after them."""


def decide(snapshots: Sequence[Snapshot], policy: Policy, *, now: float) -> list[Decision]:
    """Decide about every snapshot of a store, oldest first, by age and number; sizes are another matter."""
    ages = Ages(snapshots, now=now)
    counted = [ages.age(position) for position in range(len(snapshots))]
    uncounted = [ages.uncounted(position) for position in range(len(snapshots))]
    decisions = _thin_by_age(snapshots, policy, counted, now, uncounted)
    if any(uncounted):
        passed = [age + more for age, more in zip(counted, uncounted)]
        naive = _thin_by_age(snapshots, policy, passed, now, [0.0] * len(snapshots))
        decisions = [
            replace(each, reason="unseen") if each.keep and not other.keep else each
            for each, other in zip(decisions, naive)
        ]
    return _cap_number(decisions, policy.max_backups)


def _thin_by_age(
    snapshots: Sequence[Snapshot], policy: Policy, ages: Sequence[float], now: float, uncounted: Sequence[float]
) -> list[Decision]:
    decisions: list[Decision] = []
    periods = (("hourly", _HOUR, policy.hourly), ("daily", _DAY, policy.daily), ("weekly", _WEEK, policy.weekly))
    seen: set[tuple[str, int]] = set()
    for position, snapshot in reversed(list(enumerate(snapshots))):
        following = snapshots[position + 1] if position + 1 < len(snapshots) else None
        age = ages[position]
        reason = _protected(snapshot, following, age, now - uncounted[position])
        if reason is None and age <= policy.everything:
            reason = "recent"
        for name, length, until in periods:
            bucket = (name, int(snapshot.created // length))
            if age <= until and bucket not in seen:
                seen.add(bucket)
                reason = reason or name
        gone = "thinned" if age <= max(policy.hourly, policy.daily, policy.weekly) else "too-old"
        decisions.append(Decision(snapshot, reason is not None, reason or gone, age))
    decisions.reverse()
    return decisions


def _protected(snapshot: Snapshot, following: Optional[Snapshot], age: float, now: float) -> Optional[str]:
    """Return why a snapshot must never go by itself, None if it may."""
    if following is None:
        return "newest"
    if snapshot.pinned:
        return "pinned"
    if snapshot.held_until > now:
        # A run that is under way began with it, or it is the state before a restore.
        return "held"
    if following.mass_loss:
        return "before-loss"
    if snapshot.kind in ("foreign", "damaged"):
        # Nothing is known of it that could justify its deletion.
        return snapshot.kind
    if snapshot.kind == "safety" and age < _SAFETY_FOR:
        return "safety"
    return None


UNTOUCHABLE = ("newest", "pinned", "held", "before-loss", "foreign", "damaged", "safety")
"""The reasons for which a snapshot stays whatever the caps say."""


def is_worth_a_pin(snapshots: Sequence[Snapshot], snapshot_id: str) -> bool:
    """Tell whether a snapshot from before a loss is to be pinned: not if many of its day are.

    An agent that fills and empties the folder for hours must not make a store that nothing may leave any more.
    """
    created = next((each.created for each in snapshots if each.id == snapshot_id), None)
    if created is None:
        return False
    return sum(each.pinned and abs(created - each.created) < _DAY for each in snapshots) < _MOST_PINS


def _cap_number(decisions: list[Decision], most: int) -> list[Decision]:
    kept = sum(decision.keep for decision in decisions)
    untouchable = sum(decision.keep and decision.reason in UNTOUCHABLE for decision in decisions)
    # However many must stay, a run that makes those on purpose does not push out the history before it.
    most = max(most, untouchable + most // 2)
    while kept > most:
        position = most_crowded(decisions)
        if position is None:
            break
        decisions[position] = replace(decisions[position], keep=False, reason="max-backups")
        kept -= 1
    return decisions


def most_crowded(decisions: Sequence[Decision]) -> Optional[int]:
    """Return the position of the snapshot whose loss costs least: its neighbours stand closest for its age.

    None when nothing more may go.

    Dropping the oldest instead would let one busy hour wipe out a month of history.
    """
    kept = [position for position, decision in enumerate(decisions) if decision.keep]
    best: Optional[tuple[float, int]] = None
    for rank, position in enumerate(kept):
        decision = decisions[position]
        if decision.reason in UNTOUCHABLE:
            continue
        age = max(decision.age, 1.0)
        before = decisions[kept[rank - 1]].age if rank else decision.age + age
        after = decisions[kept[rank + 1]].age if rank + 1 < len(kept) else 0.0
        gap = max(before - after, 0.0) / age
        if best is None or gap < best[0]:
            best = (gap, position)
    return best[1] if best else None
