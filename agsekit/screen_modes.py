"""What a program has switched on at the terminal, so that it can be switched off for a moment and on again."""

from __future__ import annotations

import re

_PRIVATE = re.compile(rb"\033\[\?([0-9;]{1,40})([hl])")
_LONGEST = 48
_AFFECTING = (1049, 1047, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 2004, 1)
"""Another screen, reports of the mouse and of the focus, marked pastes, and other keys for the arrows."""
_HIDDEN_CURSOR = 25


class ScreenModes:
    """Follows what goes to a terminal. A sequence that is cut in two is put together again."""

    def __init__(self) -> None:
        self._on: dict[int, None] = {}
        self._cursor_hidden = False
        self._rest = b""

    def follow(self, output: bytes) -> None:
        """Take note of what a program writes to the terminal."""
        if b"\033" not in output and not self._rest:
            return
        text = self._rest + output
        for match in _PRIVATE.finditer(text):
            for number in filter(None, match[1].split(b";")):
                self._set(int(number), on=match[2] == b"h")
        start = text.rfind(b"\033", -_LONGEST)
        self._rest = text[start:] if start >= 0 and not _PRIVATE.match(text, start) else b""

    def _set(self, number: int, *, on: bool) -> None:
        if number == _HIDDEN_CURSOR:
            self._cursor_hidden = not on
        elif number in _AFFECTING and on:
            self._on[number] = None
        elif number in _AFFECTING:
            self._on.pop(number, None)

    def off(self) -> bytes:
        """Return what makes the terminal an ordinary one again, with the program's own screen put away."""
        ending = b"".join(b"\033[?%dl" % number for number in reversed(self._on))
        return ending + (b"\033[?25h" if self._cursor_hidden else b"") + b"\033[0m"

    def on(self) -> bytes:
        """Return what gives the program back what it had."""
        return b"".join(b"\033[?%dh" % number for number in self._on) + (b"\033[?25l" if self._cursor_hidden else b"")
