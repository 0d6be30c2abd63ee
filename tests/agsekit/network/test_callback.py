from __future__ import annotations

import pytest

from agsekit.network.callback import parse_listening


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("0100007F:05AF\n", {(1455, "127.0.0.1")}),
        ("00000000:05AF\n", {(1455, "127.0.0.1")}),
        ("0200007F:05AF\n", {(1455, "127.0.0.2")}),
        ("0200A8C0:05AF\n", set()),
        ("00000000000000000000000001000000:05AF\n", {(1455, "::1")}),
        ("00000000000000000000000000000000:05AF\n", {(1455, "127.0.0.1")}),
        ("0000000000000000FFFF00000100007F:05AF\n", {(1455, "127.0.0.1")}),
        ("000080FE00000000000000000100000A:05AF\n", set()),
        (
            "00000000000000000000000001000000:05AF\n0100007F:05AF\n0100007F:0016",
            {(1455, "::1"), (1455, "127.0.0.1"), (22, "127.0.0.1")},
        ),
        ("nonsense\n:\nzz:05AF\n0100007F:\n", set()),
    ],
)
def test_the_ports_of_the_loopback_are_read_as_the_kernel_prints_them(
    lines: str, expected: set[tuple[int, str]]
) -> None:
    assert parse_listening(lines) == expected
