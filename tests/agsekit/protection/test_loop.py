from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from agsekit.protection.loop import repeat
from agsekit_storage.errors import StorageError
from agsekit_storage.snapshots import Result


def run(*outcomes: Any, skip_first: bool = False) -> list[Any]:
    """Let the loop take snapshots with these outcomes until they are used up; return what happened, in order."""
    happened: list[Any] = []
    left: Iterator[Any] = iter(outcomes)
    upcoming = list(outcomes)

    def take() -> Result:
        outcome = next(left)
        upcoming.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return cast("Result", outcome)

    def wait() -> bool:
        happened.append("wait")
        return bool(upcoming)

    repeat(take, wait=wait, skip_first=skip_first, on_result=happened.append, on_failure=happened.append)
    return happened


def test_a_snapshot_is_taken_before_each_wait() -> None:
    assert run("one", "two") == ["one", "wait", "two", "wait"]


def test_the_first_can_be_skipped() -> None:
    assert run("one", skip_first=True) == ["wait", "one", "wait"]


def test_an_end_during_the_first_wait_takes_no_snapshot() -> None:
    assert run(skip_first=True) == ["wait"]


@pytest.mark.parametrize("failure", [StorageError("the disk is full"), OSError(5, "Input/output error")])
def test_a_failure_does_not_end_the_loop(failure: Exception) -> None:
    assert run(failure, "two") == [failure, "wait", "two", "wait"]
