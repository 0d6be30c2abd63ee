from __future__ import annotations

from agsekit.watching.quiet import LONGEST_SECONDS, QUIET_SECONDS, Quiet


def test_nothing_is_due_without_an_edit() -> None:
    assert Quiet().due_at() is None


def test_a_save_is_due_when_edits_have_come_to_rest() -> None:
    quiet = Quiet()
    quiet.edited(10.0)
    quiet.edited(10.3)

    assert quiet.due_at() == 10.3 + QUIET_SECONDS


def test_a_writer_that_never_stops_is_saved_all_the_same() -> None:
    quiet = Quiet()
    for tenth in range(100):
        quiet.edited(10.0 + tenth / 10)

    assert quiet.due_at() == 10.0 + LONGEST_SECONDS


def test_a_save_forgets_the_edits_before_it_and_not_those_after() -> None:
    quiet = Quiet()
    quiet.edited(10.0)
    quiet.saving()
    assert quiet.due_at() is None

    quiet.edited(12.0)
    assert quiet.due_at() == 12.0 + QUIET_SECONDS


def test_a_save_that_takes_long_is_followed_by_a_longer_rest() -> None:
    quiet = Quiet()
    quiet.edited(10.0)

    quiet.rest(10.0, spent=3.0)
    assert quiet.due_at() == 22.0
    quiet.rest(10.0, spent=0.01)
    assert quiet.due_at() == 10.0 + QUIET_SECONDS
