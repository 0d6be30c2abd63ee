from __future__ import annotations

import pytest

from agsekit.config import fields, number_fields


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4G", 4 * 1024**3),
        ("4096M", 4 * 1024**3),
        ("4GiB", 4 * 1024**3),
        ("4GB", 4 * 1024**3),
        ("4g", 4 * 1024**3),
        ("1.5G", 1536 * 1024**2),
        ("1T", 1024**4),
        ("131072K", 128 * 1024**2),
        ("134217728", 128 * 1024**2),
    ],
)
def test_ram_is_read_in_bytes_with_units_of_1024(text: str, size: int) -> None:
    assert number_fields.parse_ram(text) == size


@pytest.mark.parametrize(
    "text", ["", "4", "127M", "4X", "G", "-4G", "4GG", "1_000M", "0x10G", "4G\n", "\u0664G", "1e9", "inf"]
)
def test_ram_refuses_what_is_no_size_or_too_little(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        number_fields.parse_ram(text)


def test_disk_needs_more_room_than_ram() -> None:
    assert number_fields.parse_disk("512M") == 512 * 1024**2

    with pytest.raises(fields.InvalidValueError, match="at least 512M"):
        number_fields.parse_disk("511M")


@pytest.mark.parametrize("text", ["0", "08", "1:30", "1_000", "on", "2.0", "-1", "+1", "", " 2", "\u0662", "10000"])
def test_cpu_refuses_what_is_no_plain_whole_number(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        number_fields.parse_cpu(text)


@pytest.mark.parametrize(("text", "minutes"), [("5", 5.0), ("0.5", 0.5), ("1.10", 1.1)])
def test_an_interval_may_have_a_fraction(text: str, minutes: float) -> None:
    assert number_fields.parse_interval(text) == minutes


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1:30", "1_000", "5m", "nan", "inf", "1e3", "", "999999"])
def test_an_interval_refuses_what_is_no_time_to_wait(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        number_fields.parse_interval(text)
