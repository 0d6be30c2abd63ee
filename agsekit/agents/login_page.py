"""The page that a login sends people to: found in what a program prints, and judged before anything opens it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Optional
from urllib.parse import urlsplit

_KEPT = 64 * 1024
_LONGEST = 4096
_WORD = r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]"
_URL = re.compile(rf"https?://{_WORD}+")
_NOT_AT_THE_END = ".,;:!?'\")]}*"
# Colours take no room; what moves the cursor separates what stands before and behind it.
_COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_HIDDEN = re.compile(rb"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)")
_MOVE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|\r(?!\n)|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*)?\Z")
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  # compared, not bound


class PageFinder:
    """Finds the addresses of pages in what a terminal program prints; `columns` is the width of the terminal."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._printed = b""
        self._found: set[str] = set()

    @property
    def in_the_middle(self) -> bool:
        """Whether what was printed ends within a control sequence."""
        return _UNFINISHED.search(self._printed[-200:]) is not None

    def feed(self, data: bytes) -> None:
        """Take in what was printed."""
        self._printed = (self._printed + data)[-_KEPT:]

    def found(self) -> list[str]:
        """Return the pages that were named since the last call. Addresses of this machine itself are none."""
        pages = []
        for page in _pages(_lines(self._printed), self._columns):
            if page not in self._found:
                self._found.add(page)
                pages.append(page)
        return pages


def _lines(printed: bytes) -> list[str]:
    plain = _MOVE.sub(b"\n", _HIDDEN.sub(b"", _COLOUR.sub(b"", printed)))
    return [line.rstrip("\r") for line in plain.decode("utf-8", "replace").split("\n")]


def _pages(lines: Sequence[str], columns: int) -> list[str]:
    pages = []
    for number, line in enumerate(lines):
        for match in _URL.finditer(line):
            to_the_edge = match.end() == len(line) == columns
            page = match[0] + (_continued(lines[number + 1 :], columns) if to_the_edge else "")
            page = page.rstrip(_NOT_AT_THE_END)
            if len(page) <= _LONGEST and _host(page) not in (None, *_LOCAL):
                pages.append(page)
    return pages


def _continued(lines: Sequence[str], columns: int) -> str:
    """Return the rest of an address that a program broke into lines at the edge of the terminal."""
    rest = ""
    for line in lines:
        match = re.match(rf"{_WORD}+", line)
        rest += match[0] if match else ""
        if match is None or match.end() != len(line) or len(line) != columns:
            break
    return rest


def _host(page: str) -> Optional[str]:
    try:
        parts = urlsplit(page)
        return parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        return None


def is_known_page(page: str, hosts: Sequence[str]) -> bool:
    """Tell whether a page is one that may be opened unasked: https, at one of these hosts, at the usual port.

    What is printed inside a VM is hostile: it may name any page.
    """
    try:
        parts = urlsplit(page)
        usual = parts.port in (None, 443) and parts.username is None and parts.password is None
    except ValueError:
        return False
    return parts.scheme == "https" and usual and parts.hostname in hosts


def browser_command(page: str, environment: Mapping[str, str], system: str) -> Optional[Sequence[str]]:
    """Return what opens a page in the user's browser; None where there is none that has a window.

    `system` is `sys.platform`.
    """
    named = environment.get("BROWSER", "").split(os.pathsep)[0]
    if named and not re.search(r"[\s%]", named) and os.path.basename(named) not in _ON_THE_TERMINAL:
        return [named, page]
    if system == "darwin":
        return ["open", page]
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return ["xdg-open", page]
    return ["wslview", page] if environment.get("WSL_DISTRO_NAME") else None


_ON_THE_TERMINAL = ("www-browser", "lynx", "links", "links2", "elinks", "w3m")
