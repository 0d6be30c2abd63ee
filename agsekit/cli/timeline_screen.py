"""The browser of a timeline on a terminal: keys in, lines out. prompt_toolkit is there already, with questionary."""

from __future__ import annotations

import os
import shutil
from typing import Any, Optional

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
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
_AROUND = 2  # lines that are not of the list: the title and the help


def browse(browser: Browser) -> Optional[Wish]:
    """Let the user look around; return what is to be restored, None when the user has seen enough."""
    searching = False

    def is_searching() -> bool:
        return searching

    def height() -> int:
        return max(1, shutil.get_terminal_size().lines - _AROUND)

    def list_text() -> StyleAndTextTuples:
        width = shutil.get_terminal_size().columns
        lines = browser.lines(height(), width)
        return [(f"class:{style}" if style else "", f"{text}\n") for style, text in lines]

    def found(_buffer: Any) -> bool:
        nonlocal searching
        searching = False
        browser.find(field.text.strip())
        application.layout.focus(content)
        return False

    field = TextArea(height=1, multiline=False, prompt=_("search a path: "), accept_handler=found)
    content = Window(FormattedTextControl(list_text, focusable=True, show_cursor=False))
    layout = HSplit(
        [
            Window(FormattedTextControl(lambda: [("class:title", browser.title())]), height=1),
            content,
            ConditionalContainer(field, Condition(is_searching)),
            ConditionalContainer(
                Window(FormattedTextControl(lambda: [("class:help", browser.help())]), height=1),
                ~Condition(is_searching),
            ),
        ]
    )
    keys = KeyBindings()
    looking = ~Condition(is_searching)

    def step(by: int, *names: str) -> None:
        for name in names:
            keys.add(name, filter=looking)(lambda event: browser.move(by))

    step(1, "down", "j")
    step(-1, "up", "k")
    for name, sign in (("pagedown", 1), ("space", 1), ("pageup", -1), ("b", -1)):
        keys.add(name, filter=looking)(lambda event, sign=sign: browser.move(sign * height()))
    keys.add("home", filter=looking)(lambda event: browser.move(-(10**9)))
    keys.add("end", filter=looking)(lambda event: browser.move(10**9))
    keys.add("g", filter=looking)(lambda event: browser.move(-(10**9)))
    keys.add("G", filter=looking)(lambda event: browser.move(10**9))
    for name in ("enter", "right", "l"):
        keys.add(name, filter=looking)(lambda event: browser.enter())

    def back(event: Any) -> None:
        if not browser.leave():
            event.app.exit(result=None)

    for name in ("q", "escape", "left", "h"):
        keys.add(name, filter=looking, eager=name == "escape")(back)

    @keys.add("/", filter=looking)
    def search(event: Any) -> None:
        nonlocal searching
        searching = True
        field.text = browser.search
        event.app.layout.focus(field)

    @keys.add("escape", filter=Condition(is_searching), eager=True)
    def stop_searching(event: Any) -> None:
        nonlocal searching
        searching = False
        event.app.layout.focus(content)

    keys.add("r", filter=looking)(lambda event: event.app.exit(result=browser.wish()))

    @keys.add("R", filter=looking)
    def restore_all(event: Any) -> None:
        event.app.exit(result=Wish(browser.snapshot, None) if browser.snapshot else None)

    @keys.add("c-c")
    @keys.add("c-d")
    def interrupt(event: Any) -> None:
        event.app.exit(exception=KeyboardInterrupt())

    application: Application[Optional[Wish]] = Application(
        layout=Layout(layout, focused_element=content),
        key_bindings=keys,
        full_screen=True,
        style=_STYLE,
        color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
    )
    application.ttimeoutlen = 0.05
    return application.run()
