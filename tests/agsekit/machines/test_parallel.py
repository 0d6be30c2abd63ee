from __future__ import annotations

import threading

import pytest

from agsekit.errors import AgsekitError, EngineError
from agsekit.machines.parallel import for_each


def test_all_are_done_at_once_and_told_in_their_order() -> None:
    together = threading.Barrier(3, timeout=30)

    def work(number: int) -> int:
        together.wait()
        return number * 10

    assert for_each([1, 2, 3], work, AgsekitError) == [10, 20, 30]


def test_an_expected_error_is_an_outcome_like_any_other() -> None:
    error = EngineError("no")

    def work(number: int) -> int:
        if number == 1:
            raise error
        return number

    assert for_each([1, 2], work, AgsekitError) == [error, 2]


def test_any_other_error_is_raised() -> None:
    def work(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(KeyError):
        for_each([1, 2], work, AgsekitError)


def test_one_alone_needs_no_thread() -> None:
    assert for_each([1], lambda number: threading.current_thread(), AgsekitError) == [threading.main_thread()]
