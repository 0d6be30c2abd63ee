"""Which snapshots stay, decided on made-up histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agsekit_storage.model import Snapshot
from agsekit_storage.retention import Decision, Policy, decide, is_worth_a_pin

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

    since = [NOW - midnight + 12 * HOUR * number for number in range(9)]
    decisions = decide(_history(*ages, *since, 0), Policy(hourly=0), now=NOW)

    assert [age for age in _kept(decisions) if age in ages] == [min(ages)]


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


def test_what_must_stay_does_not_push_out_the_history_before_it() -> None:
    days = _history(*[DAY * number for number in range(2, 22)])
    losses = [replace(each, pinned=True) for each in _history(*[10.0 * number for number in range(200)])]

    decisions = decide([*days, *losses], Policy(max_backups=100), now=NOW)

    assert all(each.keep for each in decisions)


def test_of_one_day_only_so_many_are_worth_a_pin() -> None:
    yesterday = [replace(each, pinned=True) for each in _history(*[1.5 * DAY + number for number in range(30)])]
    today = [replace(each, pinned=True) for each in _history(*[10.0 * number for number in range(1, 20)])]
    newest = _history(0.0)

    worth = [is_worth_a_pin([*yesterday, *some, *newest], newest[0].id) for some in (today, [*today, today[0]])]

    assert worth == [True, False]


def test_what_is_held_stays_until_then() -> None:
    history = _history(*(DAY * number for number in range(401)))
    history[0] = replace(history[0], held_until=NOW + 1)

    now, later = (decide(history, Policy(), now=moment) for moment in (NOW, NOW + 2))

    assert now[0].reason == "held"
    assert later[0].reason == "too-old"


def _day_of_work(*, ending: float) -> list[Snapshot]:
    """Return a day of a snapshot every ten minutes, the last one at some time."""
    return [
        Snapshot(f"{number:03}", number, ending - 600.0 * (150 - number), "rsync", "interval")
        for number in range(151)
    ]


def _ids(decisions: Sequence[Decision]) -> list[str]:
    return [each.snapshot.id for each in decisions if each.keep]


def test_a_clock_that_jumps_ahead_by_years_makes_nothing_old_at_once() -> None:
    history = _day_of_work(ending=NOW)
    before = _ids(decide(history, Policy(), now=NOW))
    jumped = NOW + 10 * 365 * DAY

    first, later = (
        decide([*history, *_after(history, jumped, minutes)], Policy(), now=jumped + MINUTE * minutes)
        for minutes in (0, 60)
    )

    assert _ids(first)[:-1] == before
    assert {each.reason for each in first[:-1] if each.keep} == {"unseen"}
    assert len(set(_ids(later)) & set(before)) >= 15


def _after(history: Sequence[Snapshot], begin: float, minutes: int) -> list[Snapshot]:
    return [
        Snapshot(f"after-{minute:03}", len(history) + minute, begin + MINUTE * minute, "rsync", "interval")
        for minute in range(0, minutes + 1, 10)
    ]


def test_a_long_pause_counts_in_the_end() -> None:
    history = _day_of_work(ending=NOW)
    back = NOW + 60 * DAY
    since = [replace(history[0], id=f"s{day}", created=back + DAY / 2 * day) for day in range(40)]

    decisions = decide([*history, *since], Policy(), now=since[-1].created)

    assert 1 <= len([each for each in _ids(decisions) if not each.startswith("s")]) <= 2


def test_snapshots_from_a_clock_that_was_ahead_age_like_all_others_once_it_is_right() -> None:
    wrong = [replace(each, created=each.created + 10 * 365 * DAY) for each in _day_of_work(ending=NOW - DAY)]
    right = [
        Snapshot(f"right-{hour}", 1000 + hour, NOW - HOUR * (40 * 24 - hour), "rsync", "interval")
        for hour in range(40 * 24 + 1)
    ]

    decisions = decide([*_day_of_work(ending=NOW - 41 * DAY), *wrong, *right], Policy(), now=NOW)

    reasons = {each.reason for each in decisions[151:302]}
    assert "recent" not in reasons
    assert decisions[-1].reason == "newest"
    assert len([each for each in decisions[302:] if each.keep]) > 50


def test_a_clock_that_was_far_back_for_a_while_costs_nothing() -> None:
    history = _day_of_work(ending=NOW - 2 * HOUR)
    wrong = [replace(each, created=each.created - 30 * 365 * DAY) for each in history[:20]]
    last = replace(history[-1], created=NOW)
    expected = _ids(decide([*history, last], Policy(), now=NOW))

    decisions = decide([*history, *wrong, last], Policy(), now=NOW)

    kept = [each.keep for each in decisions]
    assert [each.snapshot.id for each in decisions[:151] if each.keep] + [last.id] == expected
    assert any(kept[151:-1])


def test_an_hour_of_work_under_a_clock_that_was_set_ahead_and_back_costs_nothing() -> None:
    history = _day_of_work(ending=NOW)
    ahead = _after(history, NOW + 5 * 365 * DAY, 60)
    now = NOW + 70 * MINUTE
    last = replace(history[-1], id="last", created=now)

    decisions = decide([*history, *ahead, last], Policy(), now=now)

    assert set(_ids(decide([*history, last], Policy(), now=now))) <= set(_ids(decisions))
    assert {each.id for each in ahead} <= set(_ids(decisions))
