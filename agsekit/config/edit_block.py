"""A list in block style, one line a key: items put in and cut out.

What belongs to an item: the rest of its last line, the comments directly below that stand further to the right than
its dash, and the comments directly above it, with the blank lines above those.
"""

from __future__ import annotations

import re
from typing import Optional

from agsekit.config.entries import Entry, block
from agsekit.config.spans import (
    CannotEditError,
    Layout,
    Span,
    before_break,
    column,
    line_end,
    line_start,
    newline,
    starts_line,
    with_comments,
    with_lead,
)
from agsekit.i18n import _

MARK = "  # added by agsekit addmount"
"""Says that the key goes when the last item does: it was not there before the first."""

_INDENT = 2
_NOTHING = re.compile(r"([ \t]+)# (null|Null|NULL|~)(?![^ \t\r\n])")
_NO_VALUE = ("null", "Null", "NULL", "~")


def add_item(layout: Layout, items: Span, entry: Entry) -> str:
    """Put an item behind the last one."""
    text, last = layout.text, items.children[-1]
    dash = layout.dash_of(last)
    indent = column(text, layout.dash_of(items.children[0]))
    one_line = last.kind == "mapping" and not last.flow and line_start(text, dash) == line_start(text, last.start)
    place = with_comments(text, last.end, indent)
    return _put(text, place, entry, indent, gap=last.start - dash if one_line else _INDENT)


def add_first(layout: Layout, key: Span, value: Span, entry: Entry) -> str:
    """Put an item below a key that holds nothing; a `null` becomes a comment."""
    text = layout.text
    if value.start != value.end:
        if (
            not value.plain
            or value.value not in _NO_VALUE
            or line_start(text, key.start) != line_start(text, value.start)
        ):
            raise CannotEditError(_("what `mounts:` holds is written in an unusual way"))
        text = f"{text[: value.start]}# {text[value.start :]}"
    elif not value.plain:
        raise CannotEditError(_("`mounts:` has an anchor or a tag"))
    indent = column(text, key.start) + _INDENT
    return _put(text, with_comments(text, value.end, indent), entry, indent)


def add_key(layout: Layout, name: str, entry: Entry) -> str:
    """Put a key with one item behind everything."""
    text, indent = layout.text, column(layout.text, layout.root.children[0].start)
    line = newline(text, layout.end) + " " * indent + f"{name}:{MARK}"
    return _put(text[: layout.end] + line + text[layout.end :], layout.end + len(line), entry, indent + _INDENT)


def remove_item(layout: Layout, key: Span, items: Span, index: int) -> str:
    """Cut an item out, with what belongs to it."""
    text, item = layout.text, items.children[index]
    dash = layout.dash_of(item)
    if not starts_line(text, dash) or not starts_line(text, key.start):
        raise CannotEditError(_("the mount shares its line with something else"))
    indent = column(text, dash)
    end = with_comments(text, item.end, indent)
    whole = _whole_key(text, key) if len(items.children) == 1 else None
    if whole is not None:
        return text[:whole] + text[end:]
    before = items.children[index - 1].end if index else _colon(text, key)
    begin = with_lead(text, dash, with_comments(text, before, indent))
    rest = text[:begin] + text[end:]
    return _with_nothing(rest, key) if len(items.children) == 1 else rest


def _put(text: str, place: int, entry: Entry, indent: int, *, gap: int = _INDENT) -> str:
    line = newline(text, place)
    return text[:place] + line + block(entry, indent=" " * indent, gap=gap, newline=line) + text[place:]


def _colon(text: str, key: Span) -> int:
    return text.index(":", key.end) + 1


def _whole_key(text: str, key: Span) -> Optional[int]:
    """Return where to cut when the key was made for its first item, in front of its line break."""
    begin = line_start(text, key.start)
    made = text[_colon(text, key) : line_end(text, key.end)] == MARK
    return before_break(text, begin) if made and begin else None


def _with_nothing(text: str, key: Span) -> str:
    """Make a `null` that became a comment a value again."""
    colon = _colon(text, key)
    found = _NOTHING.match(text, colon)
    return text[: found.start(2) - 2] + text[found.start(2) :] if found else text
