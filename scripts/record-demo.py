#!/usr/bin/env python3
"""Record the demo as a picture: run it in a terminal and draw what it shows.

Usage: scripts/record-demo.py [COMMAND ARGUMENT...]     (with a Python that has rich; default: scripts/demo.sh)
Writes docs/demo.svg by rich's own export.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

CHECKOUT = Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 110, 60
BEGINNING = "==> A rogue agent"
_TEMPORARY = re.compile(r"/tmp/agsekit-demo\.\w+")  # noqa: S108
# A picture in the documentation fetches nothing; without these faces it takes the monospaced font of the reader.
_FONT_FACES = re.compile(r"(?:<!--.*?-->\s*)?@font-face \{.*?\}\s*", re.DOTALL)


def record(argv: list[str]) -> str:
    """Run a program on a terminal of its own and return what it shows there, escape sequences included."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(argv[0], argv)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shown = b"".join(_chunks(terminal)).decode("utf-8", "replace").replace("\r\n", "\n")
    _pid, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{argv[0]} failed:\n{shown}")
    return shown


def _chunks(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # how Linux says that nobody has the other side open any more
                return
            raise
        if not chunk:
            return
        yield chunk


def scene(shown: str) -> str:
    """Return the part that is worth showing, without what differs from one run to the next."""
    here = re.compile(rf"(?<![\w/]){re.escape(str(Path.home()))}(?![\w/])")
    lines = here.sub("/home/you", _TEMPORARY.sub("/tmp/demo", shown)).splitlines()  # noqa: S108
    first = next(number for number, line in enumerate(lines) if BEGINNING in line)
    # A line that was drawn over is worth what it ended as.
    return "\n".join(line.rpartition("\r")[2] for line in lines[first:])


def main() -> None:
    """Record, and write what was recorded."""
    shown = scene(record(sys.argv[1:] or [str(CHECKOUT / "scripts/demo.sh")]))
    text = Text.from_ansi(shown)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(text)
    drawing = _FONT_FACES.sub("", console.export_svg(title="agsekit", theme=MONOKAI))
    (CHECKOUT / "docs/demo.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
