"""The browser of a timeline on a terminal: keys in, lines out. prompt_toolkit is there already, with questionary."""

from __future__ import annotations

import os
import shutil
from typing import Any, Optional

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
from prompt_toolkit.layout import ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import TextArea

from agsekit.i18n import _
from agsekit.timeline.browser import Browser, Wish

_STYLE = Style.from_dict(
    {
        "title": "bold",
        "help": "reverse",
        "selected": "reverse",
        "heading": "bold",
        "added": "ansigreen",
        "removed": "ansired",
        "hunk": "ansicyan",
    }
)
_FAR = 10**9  # lines: more than any list has
_AROUND = 2  # lines that are not of the list: the title and the help


def browse(browser: Browser) -> Optional[Wish]:
    """Let the user look around; return what is to be restored, None when the user has seen enough."""
    screen = _Screen(browser)
    application: Application[Optional[Wish]] = Application(
        layout=Layout(screen.layout(), focused_element=screen.content),
        key_bindings=merge_key_bindings([screen.moves(), screen.deeds(), screen.searches()]),
        full_screen=True,
        style=_STYLE,
        color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
    )
    application.ttimeoutlen = 0.05
    return application.run()


class _Screen:
    """A title, the list, and below it either the help or the path that is searched for."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._searching = False
        self._looking = Condition(lambda: not self._searching)
        self._field = TextArea(height=1, multiline=False, prompt=_("search a path: "), accept_handler=self._found)
        self.content = Window(FormattedTextControl(self._list, focusable=True, show_cursor=False))

    def layout(self) -> HSplit:
        """Return the parts from top to bottom."""
        browser = self._browser
        return HSplit(
            [
                Window(FormattedTextControl(lambda: [("class:title", browser.title())]), height=1),
                self.content,
                ConditionalContainer(self._field, ~self._looking),
                ConditionalContainer(
                    Window(FormattedTextControl(lambda: [("class:help", browser.help())]), height=1),
                    self._looking,
                ),
            ]
        )

    def moves(self) -> KeyBindings:
        """Return the keys that move within the list."""
        keys, browser = KeyBindings(), self._browser
        steps = {"down": 1, "j": 1, "up": -1, "k": -1, "home": -_FAR, "g": -_FAR, "end": _FAR, "G": _FAR}
        for name, by in steps.items():
            keys.add(name, filter=self._looking)(lambda event, by=by: browser.move(by))
        for name, sign in (("pagedown", 1), ("space", 1), ("pageup", -1), ("b", -1)):
            keys.add(name, filter=self._looking)(lambda event, sign=sign: browser.move(sign * _height()))
        return keys

    def deeds(self) -> KeyBindings:
        """Return the keys that open, go back, restore, and leave."""
        keys, browser = KeyBindings(), self._browser
        for name in ("enter", "right", "l"):
            keys.add(name, filter=self._looking)(lambda event: browser.enter())

        def back(event: Any) -> None:
            if not browser.leave():
                event.app.exit(result=None)

        for name in ("q", "escape", "left", "h"):
            keys.add(name, filter=self._looking, eager=name == "escape")(back)
        keys.add("r", filter=self._looking)(lambda event: event.app.exit(result=browser.wish()))

        @keys.add("R", filter=self._looking)
        def restore_all(event: Any) -> None:
            event.app.exit(result=Wish(browser.snapshot, None) if browser.snapshot else None)

        @keys.add("c-c")
        @keys.add("c-d")
        def interrupt(event: Any) -> None:
            event.app.exit(exception=KeyboardInterrupt())

        return keys

    def searches(self) -> KeyBindings:
        """Return the keys that begin and give up a search."""
        keys = KeyBindings()

        @keys.add("/", filter=self._looking)
        def search(event: Any) -> None:
            self._searching = True
            self._field.text = self._browser.search
            event.app.layout.focus(self._field)

        @keys.add("escape", filter=~self._looking, eager=True)
        def stop_searching(event: Any) -> None:
            self._searching = False
            event.app.layout.focus(self.content)

        return keys

    def _found(self, _buffer: Any) -> bool:
        self._searching = False
        self._browser.find(self._field.text.strip())
        get_app().layout.focus(self.content)
        return False

    def _list(self) -> StyleAndTextTuples:
        lines = self._browser.lines(_height(), shutil.get_terminal_size().columns)
        return [(f"class:{style}" if style else "", f"{text}\n") for style, text in lines]


def _height() -> int:
    return max(1, shutil.get_terminal_size().lines - _AROUND)
