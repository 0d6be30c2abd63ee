"""A list in flow style, between brackets: items put in and cut out, on one line or each on its own."""

from __future__ import annotations

import re
from typing import Optional

from agsekit.config.entries import Entry, flow
from agsekit.config.spans import (
    CannotEditError,
    Layout,
    Span,
    ends_line,
    line_end,
    line_start,
    newline,
    starts_line,
    with_lead,
)
from agsekit.i18n import _


def add_item(layout: Layout, items: Span, entry: Entry) -> str:
    """Put an item behind the last one; a comma at the end of the list stays one."""
    text = layout.text
    if not items.children:
        made = flow(entry, quote=_is_quoted(layout, layout.root))
        return text[: items.start + 1] + made + text[items.start + 1 :]
    last = items.children[-1]
    made = flow(entry, quote=_is_quoted(layout, last))
    comma = layout.comma_after(last.end, items.end)
    place = last.end if comma is None else comma + 1
    if _has_own_lines(text, last, place):
        end = line_end(text, place)
        line = newline(text, place) + text[line_start(text, last.start) : last.start]
        if comma is None:
            return f"{text[:place]},{text[place:end]}{line}{made}{text[end:]}"
        return f"{text[:end]}{line}{made},{text[end:]}"
    return f"{text[:place]}, {made}{text[place:]}" if comma is None else f"{text[:place]} {made},{text[place:]}"


def add_key(layout: Layout, name: str, entry: Entry) -> str:
    """Put a key with a list of one item behind everything. The blank space in the brackets says that it was made."""
    text, root = layout.text, layout.root
    key, last = root.pairs[-1]
    quote = _is_quoted(layout, root)
    gap = (
        newline(text, last.end) + text[line_start(text, key.start) : key.start]
        if starts_line(text, key.start)
        else " "
    )
    made = f"{_quoted(name, quote=quote)}: [ {flow(entry, quote=quote)} ]"
    return f"{text[: last.end]},{gap}{made}{text[last.end :]}"


def remove_item(layout: Layout, key: Span, items: Span, index: int) -> str:
    """Cut an item out."""
    text, item = layout.text, items.children[index]
    if len(items.children) == 1:
        whole = _whole_key(layout, key, items)
        if whole is not None:
            return text[:whole] + text[items.end :]
    following = items.children[index + 1].start if index + 1 < len(items.children) else items.end
    comma = layout.comma_after(item.end, following)
    end = item.end if comma is None else comma + 1
    previous = items.children[index - 1] if index else None
    comma_before = layout.comma_after(previous.end, item.start) if previous else None
    if _has_own_lines(text, item, end):
        floor = line_end(text, items.start if comma_before is None else comma_before)
        begin, end = with_lead(text, item.start, floor), line_end(text, end)
    elif index + 1 == len(items.children):
        begin = len(text[: item.start].rstrip(" \t")) if previous else item.start
    else:
        begin, end = item.start, _over_blanks(text, end)
    rest = text[:begin] + text[end:]
    if comma is None and comma_before is not None:
        if comma_before >= begin:
            raise CannotEditError(_("the commas of the list stand in an unusual way"))
        rest = rest[:comma_before] + rest[comma_before + 1 :]
    return rest


def _over_blanks(text: str, position: int) -> int:
    blank = re.compile(r"[ \t]*").match(text, position)
    end = blank.end() if blank else position
    return position if text[end : end + 1] == "#" else end


def _has_own_lines(text: str, item: Span, end: int) -> bool:
    return starts_line(text, item.start) and ends_line(text, end)


def _is_quoted(layout: Layout, mapping: Span) -> bool:
    """Tell whether the keys of a mapping are written as in JSON."""
    return bool(mapping.children) and layout.text[mapping.children[0].start] == '"'


def _quoted(name: str, *, quote: bool) -> str:
    return f'"{name}"' if quote else name


def _whole_key(layout: Layout, key: Span, items: Span) -> Optional[int]:
    """Return where to cut when the key was made for its first item: behind the value before it."""
    text, root, item = layout.text, layout.root, items.children[0]
    if not root.flow or text[items.start : items.end] != f"[ {text[item.start : item.end]} ]":
        return None
    number = [each for each, _value in root.pairs].index(key)
    if not number or number + 1 < len(root.pairs):
        return None
    before = root.pairs[number - 1][1].end
    return before if re.fullmatch(r",\s*", text[before : key.start]) else None
