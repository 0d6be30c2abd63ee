"""How text goes out: lines, colour, tables, errors, JSON, and no character of others that a terminal obeys."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from agsekit.i18n import _, sentence_and_hint

_STYLES = {
    "error": "1;31",
    "warning": "33",
    "hint": "36",
    "command": "32",
    "heading": "1",
    "good": "32",
    "added": "32",
    "removed": "31",
}
_GAP = "  "
_NARROWEST = 12
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def safe(text: str) -> str:
    """Make untrusted text printable: control, direction and undecodable characters become visible escapes."""
    return _UNSAFE.sub(_escape, text)


def safe_path(path: bytes) -> str:
    """Make a path of a tree printable."""
    return safe(os.fsdecode(path))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return the text in colour when the stream shows colour; it must read the same without."""
    return f"\033[{_STYLES[style]}m{text}\033[0m" if shows_colour(stream) else text


def shows_colour(stream: TextIO) -> bool:
    """Tell whether to colour what goes to a stream (NO_COLOR, FORCE_COLOR, TERM=dumb, a terminal or not)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


_margin = ""


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Show a title, and below it everything that is told in the `with` block, set in."""
    global _margin
    say(styled(title, "heading", sys.stderr))
    before, _margin = _margin, _margin + _GAP
    try:
        yield
    finally:
        _margin = before


def say(text: str = "") -> None:
    """Tell something on standard error: what is going on, not the result.

    That nobody listens any more, as after the terminal was closed, must not stop the work.
    """
    try:
        sys.stderr.write(_margin + text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def warn(text: str) -> None:
    """Warn on standard error."""
    say(styled(_("warning:"), "warning", sys.stderr) + " " + text)


def result(text: str) -> None:
    """Print a line of the result on standard output."""
    sys.stdout.write(_margin + text + "\n")


def heading(text: str) -> None:
    """Print the title of a part of the result."""
    result(styled(text, "heading", sys.stdout))


def clear_screen() -> None:
    """Begin at the top of an empty terminal; what is not a terminal gets an empty line instead."""
    sys.stdout.write("\033[H\033[2J\033[3J" if sys.stdout.isatty() else "\n")


def print_diff(status: str, path: bytes, lines: Sequence[str], note: str) -> None:
    """Print the difference of one file in the colours that people know from git."""
    heading = f"{status} {safe_path(path)}" + (f" ({safe(note)})" if note else "")
    result(styled(heading, "heading", sys.stdout))
    styles = {"+": "added", "-": "removed", "@": "hint"}
    for number, line in enumerate(lines):
        text = "\t".join(map(safe, line.split("\t")))
        style = "heading" if number < 2 else styles.get(line[:1], "")
        result(styled(text, style, sys.stdout) if style else text)


def flush() -> None:
    """Let the reader of standard output have what was printed so far."""
    sys.stdout.flush()


def shell_line(words: Sequence[str]) -> str:
    """Return a command line that can be copied into a shell, without a character that the terminal would obey."""
    return styled(" ".join(map(_shell_word, words)), "command", sys.stderr)


def _shell_word(word: str) -> str:
    import shlex

    if not _UNSAFE.search(word):
        return shlex.quote(word)
    # The one quoting of shells (bash, zsh, ksh, POSIX 2024) that can name such characters.
    octets = "".join(
        chr(octet) if 0x20 <= octet < 0x7F and octet not in b"\\'" else f"\\{octet:03o}"
        for octet in os.fsencode(word)
    )
    return f"$'{octets}'"


def print_json(document: object) -> None:
    """Print one JSON document on standard output."""
    import json

    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_json_line(document: object) -> None:
    """Print one JSON document of a stream of them: a line of its own on standard output."""
    import json

    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def print_error(message: str, hint: str | None, details: str | None = None) -> None:
    """Show an error: what, why, and what to do about it."""
    for number, line in enumerate(message.splitlines() or [""]):
        prefix = styled(_("error:"), "error", sys.stderr) + " " if number == 0 else "       "
        say(prefix + safe(line))
    if details:
        for line in details.splitlines()[-5:]:
            say("       " + safe(line))
    if hint:
        say(styled(_("hint:"), "hint", sys.stderr) + " " + safe(hint))


def print_failure(error: Exception) -> None:
    """Show an expected failure: one of ours, or something that the system refused."""
    for warning in getattr(error, "warnings", ()):
        warn(safe(warning))
    message, hint = sentence_and_hint(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror
    print_error(message, hint, getattr(error, "details", None))


def table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[str]],
    *,
    spare: Sequence[int] = (),
    wrapped: int | None = None,
) -> None:
    """Print a table on standard output; `columns` are (title, "left" or "right"). Cells must be safe already.

    On a terminal that is too narrow the columns in `spare` are left out, one after the other, and then the column
    `wrapped` goes over several lines. A column without a title and without anything in it is always left out.
    """
    cells = [[title for title, _side in columns], *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    shown = [number for number, width in enumerate(widths) if width]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for number in spare:
        if sum(widths[each] + len(_GAP) for each in shown) - len(_GAP) > room and number in shown:
            shown.remove(number)
    excess = sum(widths[each] + len(_GAP) for each in shown) - len(_GAP) - room
    if wrapped is not None and excess > 0:
        widths[wrapped] = max(widths[wrapped] - excess, _NARROWEST)
    for line_number, cell_line in enumerate(cells):
        for line in _wrapped(cell_line, wrapped, widths):
            padded = (
                line[each].rjust(widths[each]) if columns[each][1] == "right" else line[each].ljust(widths[each])
                for each in shown
            )
            text = _GAP.join(padded).rstrip()
            result(styled(text, "heading", sys.stdout) if line_number == 0 else text)


def _wrapped(line: list[str], column: int | None, widths: Sequence[int]) -> Iterator[list[str]]:
    """Return a line of cells, and where one of them is too wide further lines with the rest of it alone."""
    if column is None or len(line[column]) <= widths[column]:
        yield line
        return
    import textwrap

    first, *more = textwrap.wrap(line[column], widths[column])
    yield [*line[:column], first, *line[column + 1 :]]
    for rest in more:
        yield [rest if number == column else "" for number in range(len(line))]
