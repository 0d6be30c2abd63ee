"""What several installations say at this moment: a line each, which changes, or plain lines where no terminal is."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Optional

from agsekit.cli import render, value_texts
from agsekit.i18n import _

if TYPE_CHECKING:
    import rich.console
    import rich.live

_PER_SECOND = 5


class Tails:
    """A line on standard error for each thing that goes on; all methods may be called from any thread.

    On a terminal a line shows how long its thing has taken and what was said last, and goes when that ends.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[str, float, str]] = {}
        self._live: Optional[rich.live.Live] = None

    def __enter__(self) -> Tails:
        """Begin to show them."""
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(file=sys.stderr, highlight=False),
                get_renderable=self._text,
                refresh_per_second=_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take them away."""
        if self._live:
            self._live.stop()

    def begin(self, key: str, title: str) -> None:
        """Something begins; `key` is where it happens."""
        with self._lock:
            self._rows[key] = (title, time.monotonic(), "")
        if not self._live and not self._quiet:
            render.say(render.safe(title))

    def say(self, key: str, line: str) -> None:
        """It has said something."""
        with self._lock:
            title, began, _last = self._rows.get(key, (key, time.monotonic(), ""))
            self._rows[key] = (title, began, line)

    def end(self, key: str, sentence: str) -> None:
        """It is over; the sentence stays on the screen."""
        with self._lock:
            self._rows.pop(key, None)
        if self._quiet or not sentence:
            return
        if self._live:
            from rich.text import Text

            self._live.console.print(Text(render.safe(sentence)))
        else:
            render.say(render.safe(sentence))

    def _text(self) -> rich.console.RenderableType:
        from rich.text import Text

        columns = shutil.get_terminal_size().columns
        with self._lock:
            rows = list(self._rows.values())
        now = time.monotonic()
        lines = (
            render.safe(f"{title} {value_texts.age(now - began)}{'  ' if last else ''}{last}")[: columns - 1]
            for title, began, last in rows
        )
        return Text("\n".join(lines) or _("Looking"), no_wrap=True)
