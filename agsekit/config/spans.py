"""Where the values of a YAML text stand in it, to the character, so that one of them can be cut out or put in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from agsekit.errors import ConfigError
from agsekit.i18n import _

BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line for YAML."""


class CannotEditError(ConfigError):
    """The text is written in a way that cannot be edited without harm; nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            _("The configuration cannot be edited safely: {reason}").format(reason=reason),
            hint=_("nothing was changed; edit it by hand: agsekit config edit"),
        )


@dataclass
class Span:
    """A value: where it begins, and where the last thing that belongs to it ends.

    `children` are items, or keys and values in turns. `anchor` is the name that an anchor gives the value, or that an
    alias refers to. `plain` says that it has neither anchor nor tag.
    """

    kind: str
    start: int
    end: int
    flow: bool = False
    anchor: Optional[str] = None
    plain: bool = True
    value: str = ""
    children: list[Span] = field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[Span, Span]]:
        """Keys and values of a mapping."""
        return list(zip(self.children[::2], self.children[1::2]))

    def walk(self) -> Iterator[Span]:
        """Yield this value and everything in it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Layout:
    """A text, the mapping that is its root, and where dashes and commas stand.

    `end` is where something can be put behind everything: in front of the last line break, if there is one.
    """

    text: str
    root: Span
    dashes: Sequence[int]
    commas: Sequence[int]
    end: int

    def dash_of(self, item: Span) -> int:
        """Return where the dash of an item stands."""
        return max(dash for dash in self.dashes if dash < item.start)

    def comma_after(self, position: int, before: int) -> Optional[int]:
        """Return where the first comma between two positions stands."""
        return next((comma for comma in self.commas if position <= comma < before), None)


def layout_of(text: str) -> Layout:
    """Find out where everything stands in a text without byte order mark.

    Raises:
        CannotEditError: it is not one YAML document with a mapping as its root.
    """
    import yaml

    # The same that reads the configuration: they differ in what they make of tabs.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events: list[Any] = list(yaml.parse(text, Loader=loader))
        tokens: list[Any] = list(yaml.scan(text, Loader=loader))
    except yaml.YAMLError:
        raise CannotEditError(_("it is not valid YAML")) from None
    starts = [number for number, event in enumerate(events) if isinstance(event, yaml.DocumentStartEvent)]
    if len(starts) != 1:
        raise CannotEditError(_("it is not exactly one YAML document"))
    root, _next = _span(events, starts[0] + 1, text)
    if root.kind != "mapping":
        raise CannotEditError(_("it is no mapping"))
    return Layout(
        text,
        root,
        [token.start_mark.index for token in tokens if isinstance(token, yaml.BlockEntryToken)],
        [token.start_mark.index for token in tokens if isinstance(token, yaml.FlowEntryToken)],
        _end(events, text),
    )


def _end(events: Sequence[Any], text: str) -> int:
    import yaml

    for event in events:
        if isinstance(event, yaml.DocumentEndEvent) and event.explicit:
            mark: Any = event.start_mark
            return before_break(text, mark.index)
    return before_break(text, len(text))


def _span(events: Sequence[Any], number: int, text: str) -> tuple[Span, int]:
    """Return the value that begins with an event, and the number of the event after it."""
    import yaml

    event = events[number]
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, yaml.AliasEvent):
        return Span("alias", start, end, anchor=event.anchor, plain=False), number + 1
    plain = event.anchor is None and event.tag is None
    if isinstance(event, yaml.ScalarEvent):
        if event.style in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        return Span("scalar", start, end, anchor=event.anchor, plain=plain, value=event.value), number + 1
    kind = "sequence" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
    made = Span(kind, start, end, bool(event.flow_style), event.anchor, plain)
    number += 1
    while not isinstance(events[number], yaml.CollectionEndEvent):
        child, number = _span(events, number, text)
        made.children.append(child)
        made.end = max(made.end, child.end)
    if made.flow:
        made.end = events[number].end_mark.index
    return made, number + 1


def line_start(text: str, position: int) -> int:
    """Return where the line of a position begins."""
    while position and not BREAK.match(text[position - 1]):
        position -= 1
    return position


def line_end(text: str, position: int) -> int:
    """Return where the line of a position ends, in front of its line break."""
    found = BREAK.search(text, position)
    return found.start() if found else len(text)


def after_break(text: str, position: int) -> int:
    """Return the position after the line break that stands here, if one does."""
    found = BREAK.match(text, position)
    return found.end() if found else position


def before_break(text: str, position: int) -> int:
    """Return the position in front of the line break that ends here, if one does."""
    if text.endswith("\r\n", 0, position):
        return position - 2
    return position - 1 if position and BREAK.match(text[position - 1]) else position


def column(text: str, position: int) -> int:
    """Return how many characters stand before a position in its line."""
    return position - line_start(text, position)


def starts_line(text: str, position: int) -> bool:
    """Tell whether only blank space stands before a position in its line."""
    return not text[line_start(text, position) : position].strip(" \t")


def ends_line(text: str, position: int) -> bool:
    """Tell whether only blank space and a comment stand after a position in its line."""
    return re.fullmatch(r"[ \t]*|[ \t]+#.*", text[position : line_end(text, position)]) is not None


def newline(text: str, position: int) -> str:
    """Return the line break to use here: the one that ends the line before, or the first of the text."""
    breaks = [found.group() for found in BREAK.finditer(text, 0, position)] or BREAK.findall(text)[:1]
    return breaks[-1] if breaks and breaks[-1] in ("\n", "\r\n", "\r") else "\n"


def with_comments(text: str, position: int, beyond: int) -> int:
    """Return the end of what belongs to a line: its rest, and the comments below that stand beyond a column."""
    end = line_end(text, position)
    while end < len(text):
        begin = after_break(text, end)
        mark = begin + len(text[begin:]) - len(text[begin:].lstrip(" \t"))
        if text[mark : mark + 1] != "#" or mark - begin <= beyond:
            break
        end = line_end(text, begin)
    return end


def with_lead(text: str, position: int, floor: int) -> int:
    """Return the end of the line before what belongs to a line: the comments directly above it, and blank lines.

    Nothing that ends at `floor` or before is part of it, nor are comments that stand further to the right.
    """
    own = column(text, position)
    above = before_break(text, line_start(text, position))
    for is_part in (lambda line: line.lstrip(" \t")[:1] == "#", lambda line: not line.strip(" \t")):
        while above > floor:
            begin = line_start(text, above)
            line = text[begin:above]
            if not is_part(line) or len(line) - len(line.lstrip(" \t")) > own or not begin:
                break
            above = before_break(text, begin)
    return above
