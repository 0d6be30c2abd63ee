"""gitignore patterns on bytes: one pattern becomes steps, each of which matches one path component.

A path is matched one component at a time, so nothing here ever sees more than one name, and the time
for one match grows with the length of the name times the length of the pattern, never faster: every `*`
but the last is matched at the first place that fits and not tried again (within one component that
loses no match).
"""

from __future__ import annotations

import itertools
import math
import re
from typing import Union

_ANY = frozenset(range(256)) - {ord("/")}
_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[!-~]",
    b"lower": rb"[a-z]",
    b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    # The sane_ctype of git knows four kinds of white space less than C does.
    b"space": rb"[ \t\n\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}
_MAXIMUM_SPELLINGS = 32
_SLASH, _BACKSLASH, _STAR, _QUESTION, _OPEN, _CLOSE, _DASH, _COLON = b"/\\*?[]-:"


class _Star:
    """A token: any run of bytes without a slash, or (`deep`) any run of whole components."""

    __slots__ = ("deep",)

    def __init__(self, *, deep: bool) -> None:
        self.deep = deep


_SHALLOW, _DEEP = _Star(deep=False), _Star(deep=True)

_Byte = Union[int, "frozenset[int]"]
"""A token for one byte: this byte, or one of these."""
_Token = Union[int, "frozenset[int]", _Star]


class PatternError(ValueError):
    """The pattern is malformed, or is such that no path can match it."""


class NamePattern:
    """What one component of a path has to look like.

    Attributes:
        exact, starts, ends: the names, beginnings and endings that match; simple patterns are these.
        regex: source of an expression for the whole name, empty for simple patterns.
        joinable: whether `regex` can be one alternative among others.
        cost: how dear a comparison is; 1 is a look into a dictionary.
    """

    __slots__ = ("_compiled", "cost", "ends", "exact", "joinable", "regex", "starts")

    def __init__(self, tokens: list[_Token]) -> None:
        self.exact: tuple[bytes, ...] = ()
        self.starts: tuple[bytes, ...] = ()
        self.ends: tuple[bytes, ...] = ()
        self.regex = b""
        self._compiled: re.Pattern[bytes] | None = None
        fixed: list[_Byte] = [token for token in tokens if not isinstance(token, _Star)]
        spellings = _spellings(fixed)
        stars = len(tokens) - len(fixed)
        if spellings and stars == 0:
            self.exact = spellings
        elif spellings and stars == 1 and isinstance(tokens[-1], _Star):
            self.starts = spellings
        elif spellings and stars == 1 and isinstance(tokens[0], _Star):
            self.ends = spellings
        else:
            self.regex = _to_regex(tokens)
        self.joinable = b"(?P<" not in self.regex
        self.cost = _regex_cost(tokens, self.joinable) if self.regex else len(spellings)

    def matches(self, name: bytes) -> bool:
        """Tell whether `name` matches as a whole."""
        if self.regex:
            return self.compiled().match(name) is not None
        return name in self.exact or name.startswith(self.starts) or name.endswith(self.ends)

    def compiled(self) -> re.Pattern[bytes]:
        """Return `regex`, compiled on first use: most patterns never get that far."""
        if self._compiled is None:
            self._compiled = re.compile(self.regex, re.DOTALL)
        return self._compiled


class Step:
    """One component of a pattern; a `floating` one may be preceded by any number of components."""

    __slots__ = ("floating", "pattern")

    def __init__(self, pattern: NamePattern, *, floating: bool) -> None:
        self.pattern = pattern
        self.floating = floating


def parse_pattern(pattern: bytes) -> tuple[Step, ...]:
    """Turn a pattern without `!` and without the slash at its end into steps.

    Raises:
        PatternError: no path can match.
    """
    anchored = b"/" in pattern
    components = _split(_tokenize(pattern[1:] if pattern.startswith(b"/") else pattern, anchored=anchored))
    steps: list[Step] = []
    floating = not anchored
    for position, tokens in enumerate(components):
        if not tokens:
            raise PatternError("an empty path component matches nothing")
        if tokens == [_DEEP] and position < len(components) - 1:
            floating = True
            continue
        steps.append(Step(NamePattern(tokens), floating=floating or tokens == [_DEEP]))
        floating = False
    return tuple(steps)


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    components: list[list[_Token]] = [[]]
    for token in tokens:
        if token == _SLASH:
            components.append([])
        else:
            components[-1].append(token)
    return components


def _tokenize(pattern: bytes, *, anchored: bool) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(pattern)
    while position < end:
        byte = pattern[position]
        position += 1
        if byte == _STAR:
            while position < end and pattern[position] == _STAR:
                position += 1
            tokens += _star(pattern, position, tokens, anchored=anchored)
        elif byte == _QUESTION:
            tokens.append(_ANY)
        elif byte == _OPEN:
            members, position = _bracket(pattern, position)
            if not members:
                raise PatternError("a character class without members matches nothing")
            tokens.append(members)
        elif byte == _BACKSLASH:
            if position == end:
                raise PatternError("a backslash at the end matches nothing")
            tokens.append(pattern[position])
            position += 1
        else:
            tokens.append(byte)
    return tokens


def _star(pattern: bytes, end: int, before: list[_Token], *, anchored: bool) -> list[_Token]:
    """Return the tokens for a run of stars that ends before `end`."""
    is_run = pattern[end - 2 : end] == b"**"
    after = pattern[end : end + 2]
    if not anchored or not is_run or (before and before[-1] != _SLASH):
        return [_SHALLOW]
    if after == b"\\/":
        # Only an unescaped slash lets `**` stand for no component at all.
        return [_DEEP, _SLASH, _SHALLOW]
    return [_DEEP] if not after or after[0] == _SLASH else [_SHALLOW]


def _bracket(pattern: bytes, position: int) -> tuple[frozenset[int], int]:
    """Parse a character class from behind its `[`; return its members and the place behind its `]`."""
    negated = pattern[position : position + 1] in (b"!", b"^")
    start = position = position + negated
    members: set[int] = set()
    low: int | None = None  # what a dash that follows would begin its range with
    while position == start or pattern[position : position + 1] != b"]":
        byte = _at(pattern, position)
        following = pattern[position + 1 : position + 2]
        if byte == _DASH and low is not None and following not in (b"", b"]"):
            high, position = _literal(pattern, position + 1)
            members.update(range(low, high + 1))
            low = None
        elif byte == _OPEN and following == b":":
            close = pattern.find(b"]", position + 2)
            name = pattern[position + 2 : close]
            if close < 0:
                raise PatternError("a character class is not closed")
            if not name.endswith(b":"):
                members.add(byte)
                low, position = byte, position + 1
                continue
            if name[:-1] not in _CLASSES:
                raise PatternError("there is no such character class")
            members.update(b"".join(re.findall(_CLASSES[name[:-1]], bytes(range(256)))))
            low, position = None, close + 1
        else:
            low, position = _literal(pattern, position)
            members.add(low)
    return (_ANY - members if negated else _ANY & members), position + 1


def _at(pattern: bytes, position: int) -> int:
    if position >= len(pattern):
        raise PatternError("a character class is not closed")
    return pattern[position]


def _literal(pattern: bytes, position: int) -> tuple[int, int]:
    """Return the byte at `position`, escaped or not, and the place behind it."""
    byte = _at(pattern, position)
    if byte != _BACKSLASH:
        return byte, position + 1
    return _at(pattern, position + 1), position + 2


def _spellings(tokens: list[_Byte]) -> tuple[bytes, ...]:
    """Write out `[Dd]ebug` as `Debug`, `debug`; empty when there are too many ways to spell it."""
    choices = [sorted(token) if isinstance(token, frozenset) else [token] for token in tokens]
    if math.prod(map(len, choices)) > _MAXIMUM_SPELLINGS:
        return ()
    return tuple(map(bytes, itertools.product(*choices)))


def _to_regex(tokens: list[_Token]) -> bytes:
    """Write a regular expression that matches whole names, without catastrophic backtracking.

    A piece between two stars is found at its first place, by a lookahead (which is never entered again)
    whose group is then matched literally: what `fnmatch` does.
    """
    pieces: list[list[_Byte]] = [[]]
    for token in tokens:
        if isinstance(token, _Star):
            pieces.append([])
        else:
            pieces[-1].append(token)
    if len(pieces) == 1:
        return _piece(pieces[0]) + rb"\Z"
    open_end = not pieces[-1]
    middle = b"".join(
        b"(?=(?P<p%d>.*?%s))(?P=p%d)" % (number, _piece(piece), number)
        for number, piece in enumerate(pieces[1 : -2 if open_end else -1])
    )
    if open_end:
        # Whatever follows the last piece matches, so its first place is never tried again anyway.
        return _piece(pieces[0]) + middle + (b".*?" + _piece(pieces[-2]) if len(pieces) > 2 else b"")
    return _piece(pieces[0]) + middle + b".*" + _piece(pieces[-1]) + rb"\Z"


def _regex_cost(tokens: list[_Token], joinable: bool) -> int:
    """Weigh an expression by how long it takes in the worst case; the numbers come from measuring."""
    once = 10 + sum(10 if isinstance(token, frozenset) else 4 for token in tokens)
    return once if joinable else 3 * once


def _piece(tokens: list[_Byte]) -> bytes:
    written = []
    for token, run in itertools.groupby(tokens):
        count = len(list(run))
        written.append(_one(token) + (b"{%d}" % count if count > 1 else b""))
    return b"".join(written)


def _one(token: _Byte) -> bytes:
    if isinstance(token, int):
        return b"\\x%02x" % token
    if token == _ANY:
        return b"."
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(token)) + b"]"
