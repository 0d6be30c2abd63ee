from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.terminals import Terminal

# Two snapshots that take a while, with something else on the terminal in between.
TWICE = """
import sys, time
from agsekit.cli.progress import Bar
bar = Bar("Saving")
for total in (10, 20):
    bar.update(1, total)
    time.sleep(0.4)
    bar.update(2, total)
    bar.update(total, total)
    sys.stderr.write("in between" + chr(10))
"""
AT_ONCE = """
import sys
from agsekit.cli.progress import Bar
bar = Bar("Saving")
bar.update(3, 3)
bar.close()
"""
HIDE, SHOW = "\033[?25l", "\033[?25h"


def shown_by(script: str) -> str:
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "HOME": "/"}
    window = Terminal([sys.executable, "-c", script], environment, Path("/"))
    assert window.finish() == 0, window.everything
    return window.everything


def test_a_bar_ends_with_the_last_file_and_gives_the_cursor_back() -> None:
    first, second, rest = shown_by(TWICE).split("in between")

    for part in (first, second):
        assert part.count(HIDE) == part.count(SHOW) == 1
        assert part.index(HIDE) < part.index(SHOW)
    assert " 2/10" in first
    assert "10/10" in first
    assert "20/20" in second
    assert "10" not in second.replace("20/20", "")
    assert HIDE not in rest


def test_what_is_done_at_once_draws_nothing() -> None:
    assert shown_by(AT_ONCE) == ""
