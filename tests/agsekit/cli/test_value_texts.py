from __future__ import annotations

import pytest

from agsekit.cli import value_texts


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (10 * 1024, "10 KB"),
        (1536 * 1024, "1.5 MB"),
        (3 << 40, "3.0 TB"),
    ],
)
def test_a_size_is_written_the_way_people_read_it(count: int, expected: str) -> None:
    assert value_texts.size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_an_age_has_one_unit(seconds: float, expected: str) -> None:
    assert value_texts.age(seconds) == expected
