from __future__ import annotations

import pytest

from agsekit.engines.multipass_sizes import argument, parse

MIB = 1024**2


@pytest.mark.parametrize(
    ("size", "text"),
    [(4 * 1024 * MIB, "4G"), (1536 * MIB, "1536M"), (1000 * 1024, "1000K"), (134217729, "134217729B")],
)
def test_a_size_is_given_exactly(size: int, text: str) -> None:
    assert argument(size) == text


@pytest.mark.parametrize(
    ("text", "size", "half"),
    [("1.0GiB", 1024 * MIB, 1024 * MIB / 20), ("1000.0MiB", 1000 * MIB, MIB / 20), ("2", 2, 0.0), ("512B", 512, 0.0)],
)
def test_what_multipass_prints_is_read_with_its_precision(text: str, size: int, half: float) -> None:
    read, precision = parse(text + "\n")

    assert read == size
    assert precision == pytest.approx(half)


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        parse("many")
