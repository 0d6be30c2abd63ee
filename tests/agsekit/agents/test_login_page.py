from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from agsekit.agents.login_page import PageFinder, browser_command, is_known_page

LONG = "https://auth.example/authorize?client=a&scope=" + "%20".join(["openid"] * 20)


def pages(*printed: bytes, columns: int = 80) -> list[str]:
    finder = PageFinder(columns)
    for data in printed:
        finder.feed(data)
    return finder.found()


def broken(text: str, columns: int) -> bytes:
    """Break text at the edge of a terminal, as programs do that draw themselves."""
    return "\r\n".join(text[start : start + columns] for start in range(0, len(text), columns)).encode()


@pytest.mark.parametrize(
    ("printed", "page"),
    [
        (b"Open https://a.example/x?y=1&z=%20 now", "https://a.example/x?y=1&z=%20"),
        (b"(see https://a.example/x).\n", "https://a.example/x"),
        (b"\x1b[1;4mhttps://a.exa\x1b[0mmple/x\x1b[0m\n", "https://a.example/x"),
        (b"https://a.example/x\x1b[2;1HPress enter", "https://a.example/x"),
        (b"\x1b]8;;https://hidden.example/\x07https://a.example/x\x1b]8;;\x07", "https://a.example/x"),
        ("│ https://a.example/x │".encode(), "https://a.example/x"),
        (LONG.encode() + b"\r\nPaste the code", LONG),
        (broken(LONG, 80) + b"\r\n\r\nPaste the code", LONG),
    ],
)
def test_a_page_is_found_however_a_program_prints_it(printed: bytes, page: str) -> None:
    assert pages(printed) == [page]


def test_a_page_that_is_printed_in_pieces_or_again_and_again_is_found_once() -> None:
    finder = PageFinder(80)
    for _number in range(3):
        finder.feed(b"\x1b[2J\x1b[Hgo to https://a.exam")
        finder.feed(b"ple/x \x1b[32m*\x1b[0m")

    assert finder.found() == ["https://a.example/x"]
    finder.feed(b"https://b.example/y\n")
    assert finder.found() == ["https://b.example/y"]


@pytest.mark.parametrize(
    "printed",
    [
        b"http://localhost:1455/auth/callback",
        b"http://127.0.0.1:1455",
        b"http://[::1]:1455/",
        b"ftp://a.example file:///etc/passwd javascript:alert(1)",
        b"https://",
        b"https://a.example:x/",
        b"https://a.example/" + b"x" * 5000,
    ],
)
def test_what_no_browser_should_open_is_no_page(printed: bytes) -> None:
    assert pages(printed) == []


def test_a_control_sequence_ends_where_the_next_begins_however_many_begin() -> None:
    finder = PageFinder(80)

    finder.feed(b"\x1b]" * 30_000 + b"https://a.example/login \x1b[2K \x07")

    assert finder.found() == ["https://a.example/login"]


def test_the_middle_of_a_control_sequence_is_noticed() -> None:
    finder = PageFinder(80)
    finder.feed(b"text \x1b[38;5")

    assert finder.in_the_middle
    finder.feed(b"m more")
    assert not finder.in_the_middle


@pytest.mark.parametrize(
    ("page", "known"),
    [
        ("https://a.example/x", True),
        ("https://A.example:443/x", True),
        ("http://a.example/x", False),
        ("https://b.example/https://a.example/", False),
        ("https://a.example.b.example/", False),
        ("https://a.example@b.example/", False),
        ("https://b.example@a.example/", False),
        ("https://a.example:8443/", False),
        ("https://a.example:99999/", False),
    ],
)
def test_only_a_page_of_the_agents_own_may_be_opened_unasked(page: str, known: bool) -> None:
    assert is_known_page(page, ["a.example"]) is known


@pytest.mark.parametrize(
    ("environment", "system", "command"),
    [
        ({}, "linux", None),
        ({"DISPLAY": ":0"}, "linux", ["xdg-open", "P"]),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ["xdg-open", "P"]),
        ({}, "darwin", ["open", "P"]),
        ({"WSL_DISTRO_NAME": "Ubuntu"}, "linux", ["wslview", "P"]),
        ({"BROWSER": "/opt/show:other"}, "linux", ["/opt/show", "P"]),
        ({"BROWSER": "/usr/bin/w3m", "DISPLAY": ":0"}, "linux", ["xdg-open", "P"]),
        ({"BROWSER": "sh -c %s"}, "linux", None),
    ],
)
def test_a_page_is_opened_where_there_is_a_window_for_it_and_never_by_a_shell(
    environment: Mapping[str, str], system: str, command: Sequence[str] | None
) -> None:
    assert browser_command("P", environment, system) == command
