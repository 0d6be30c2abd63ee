"""Which snapshots stay, decided on made-up histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agsekit_storage.model import Snapshot
from agsekit_storage.retention import Decision, Policy, decide

NOW = 2_000_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def _history(*ages: float) -> list[Snapshot]:
    """Return snapshots of these ages in seconds, oldest first."""
    return [
        Snapshot(f"{NOW - age:.0f}", number, NOW - age, "rsync", "interval")
        for number, age in enumerate(sorted(ages, reverse=True), 1)
    ]


def _kept(decisions: Sequence[Decision]) -> list[float]:
    return [NOW - each.snapshot.created for each in decisions if each.keep]


def test_everything_of_the_last_hour_stays() -> None:
    ages = [MINUTE * number for number in range(60)]

    assert len(_kept(decide(_history(*ages), Policy(), now=NOW))) == 60


def test_older_ones_thin_out_to_one_an_hour_a_day_and_a_week() -> None:
    ages = [20 * MINUTE * number for number in range(3 * 24 * 400)]

    decisions = decide(_history(*ages), Policy(max_backups=10**6), now=NOW)

    kept = _kept(decisions)
    per_span = {
        "hours of the first day": len([age for age in kept if HOUR < age <= DAY]),
        "days of the first month": len([age for age in kept if DAY < age <= 30 * DAY]),
        "weeks of the first year": len([age for age in kept if 30 * DAY < age <= 365 * DAY]),
        "beyond": len([age for age in kept if age > 365 * DAY]),
    }
    assert 22 <= per_span["hours of the first day"] <= 24
    assert 28 <= per_span["days of the first month"] <= 31
    assert 46 <= per_span["weeks of the first year"] <= 49
    assert per_span["beyond"] == 0


def test_the_last_of_each_day_is_the_one_that_stays() -> None:
    midnight = NOW - NOW % DAY
    ages = [NOW - (midnight - 5 * DAY + hour * HOUR) for hour in range(24)]

    decisions = decide(_history(*ages, 0), Policy(hourly=0), now=NOW)

    assert _kept(decisions) == [min(ages), 0]


def test_what_might_be_the_last_good_one_is_never_let_go() -> None:
    history = _history(900 * DAY, 800 * DAY, 700 * DAY, 600 * DAY, 500 * DAY, HOUR * 23, HOUR * 22.9, 400 * DAY)
    history[0] = replace(history[0], pinned=True)
    history[2] = replace(history[2], mass_loss=True)
    history[3] = replace(history[3], kind="foreign")
    history[-1] = replace(history[-1], kind="interval")

    decisions = decide(history, Policy(hourly=0, daily=0, weekly=0, everything=0), now=NOW)

    reasons = {each.snapshot.sequence: each.reason for each in decisions if each.keep}
    assert reasons == {1: "pinned", 2: "before-loss", 4: "foreign", 8: "newest"}


def test_a_snapshot_from_before_a_restore_stays_for_a_day() -> None:
    history = [replace(each, kind="safety") for each in _history(25 * HOUR, 23 * HOUR)] + _history(0)

    decisions = decide(history, Policy(hourly=0, daily=0, weekly=0, everything=0), now=NOW)

    assert [each.reason for each in decisions] == ["too-old", "safety", "newest"]


def test_the_cap_does_not_let_a_busy_hour_push_out_the_month() -> None:
    days = [DAY * number for number in range(2, 30)]
    busy = [10.0 * number for number in range(300)]

    decisions = decide(_history(*days, *busy), Policy(max_backups=50), now=NOW)

    kept = _kept(decisions)
    assert len(kept) == 50
    assert len([age for age in kept if age > DAY]) >= 12


def test_the_cap_spares_what_must_stay_even_if_that_is_more() -> None:
    history = [replace(each, pinned=True) for each in _history(*range(10))]

    decisions = decide(history, Policy(max_backups=3), now=NOW)

    assert all(each.keep for each in decisions)


def test_what_is_held_stays_until_then() -> None:
    history = _history(400 * DAY, 300 * DAY, 0)
    history[0] = replace(history[0], held_until=NOW + 1)

    now, later = (decide(history, Policy(), now=moment) for moment in (NOW, NOW + 2))

    assert now[0].reason == "held"
    assert later[0].reason == "too-old"
