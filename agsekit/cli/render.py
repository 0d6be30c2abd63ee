"""Text for people: messages, tables, progress. The only module that imports rich."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from agsekit.i18n import _, sentence_and_hint
from agsekit_storage.events import CapUnmet, Event, Met, OnEvent, Progress, Waiting
from agsekit_storage.model import Problem, Snapshot

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


def size(count: int) -> str:
    """Return a number of bytes the way people read it."""
    amount = float(count)
    whole = _("B")
    for unit in (whole, _("KB"), _("MB"), _("GB")):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == whole or amount >= 10 else f"{_decimal(amount)} {unit}"
        amount /= 1024
    return f"{_decimal(amount)} {_('TB')}"


def _decimal(amount: float) -> str:
    return f"{amount:.1f}".replace(".", _("."))


def local_time(seconds: float) -> str:
    """Return a moment in local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def age(seconds: float) -> str:
    """Return how long ago something was."""
    for unit, length in ((_("d"), 86400), (_("h"), 3600), (_("min"), 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} {_('s')}"


def change_counts(snapshot: Snapshot) -> str:
    """Return the changes of a snapshot in short: `+3 ~2 -1`, with `=` for metadata only."""
    counts = (("+", snapshot.added), ("~", snapshot.modified), ("=", snapshot.metadata), ("-", snapshot.removed))
    return " ".join(f"{sign}{count}" for sign, count in counts if count)


def names_of(paths: Sequence[bytes], shown: int = 5) -> str:
    """Return the first few of some paths."""
    return ", ".join(map(safe_path, paths[:shown])) + (", …" if len(paths) > shown else "")


def hidden(paths: Sequence[bytes], sentence: str) -> str:
    """Return a sentence about paths that ignore rules leave out; its placeholders are count and names."""
    return sentence.format(count=len(paths), names=names_of(paths))


def mass_loss(snapshot: Snapshot) -> str:
    """Return the sentence about a snapshot that lost most of what was there."""
    return _(
        "most of the files are gone or empty since the snapshot before {id}, which is now kept from pruning; "
        "to see what is missing: agsekit snapshots show {id}"
    ).format(id=snapshot.id)


def describe_problem(problem: Problem) -> str:
    """Return a sentence about a path that a snapshot or a restore could not treat as it should."""
    sentences = {
        "unreadable": _("{path} could not be read, so it is not saved"),
        "vanished": _("{path} vanished while it was being saved"),
        "unstable": _("{path} kept changing while it was read; what was read is saved"),
        "special": _("{path} is a device, socket or FIFO: noted, not saved"),
        "other-filesystem": _("{path} is on another file system: not saved"),
        "rules-unusable": _("{path} has rules that cannot be used"),
        "huge": _("{path} is huge; if it can be made again, leave it out with the line /{path} in .backupignore"),
        "not-in-snapshot": _("{path} is not in the snapshot, because it could not be read then"),
        "damaged": _("{path} is damaged in the store; the file was left as it is"),
        "edited-meanwhile": _("{path} was edited while the restore began, so it was left as it is"),
        "not-restored": _("{path} could not be restored"),
        "not-deleted": _("{path} could not be deleted"),
        "rebuilt": _("the record of this snapshot cannot be read; its folder in the store is what is restored"),
        "hidden": _("{path} is left out by `exclude:` now, so it stays as it is; it is restored when you name it"),
        "in-the-way": _("{path} stands in the way and was left as it is"),
    }
    sentence = sentences.get(problem.reason, "{path}: " + problem.reason).format(path=safe_path(problem.path))
    return f"{sentence} ({safe(problem.detail)})" if problem.detail else sentence


def describe_unmet_cap(event: CapUnmet) -> str:
    """Return a sentence about a cap that no deletion could meet, and what to do about it."""
    if event.cap == "max-size":
        sentence = _(
            "what must stay is {size} more than max_size, so nothing was deleted for it: "
            "raise max_size, exclude what can be made again, or unpin snapshots"
        )
    else:
        sentence = _(
            "even without all that may go the disk would have {size} less free than min_free, "
            "so nothing was deleted for it: free some space there, or lower min_free"
        )
    return sentence.format(size=size(event.missing))


@contextmanager
def snapshot_progress(label: str, *, shown: bool, small: bool = False) -> Iterator[OnEvent]:
    """Show how far a snapshot or restore has come: a bar on a terminal, a plain line otherwise.

    What takes no time needs neither; `small` has the lines for it all the same.
    """
    from agsekit.cli.progress import Bar, Lines

    display: Bar | Lines | None = None
    if shown:
        display = Bar(label) if sys.stderr.isatty() else Lines(label, small=small)

    def on_event(event: Event) -> None:
        if isinstance(event, Waiting):
            say(_("Another process is writing to the store; waiting for it."))
        elif isinstance(event, Progress) and display:
            with suppress(OSError):  # the terminal is gone; the snapshot goes on
                display.update(event.done, event.total)
        elif isinstance(event, Met) and not event.problem.harmless:
            warn(describe_problem(event.problem))
        elif isinstance(event, CapUnmet):
            warn(describe_unmet_cap(event))

    try:
        yield on_event
    finally:
        if display:
            with suppress(OSError):
                display.close()
