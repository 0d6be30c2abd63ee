"""What matters in git's own configuration: everything but what is known to run nothing.

A list of the dangerous keys could never be complete; that of the harmless ones may be short.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Optional

_HARMLESS = {
    b"core": frozenset(
        {
            b"repositoryformatversion",
            b"filemode",
            b"bare",
            b"logallrefupdates",
            b"ignorecase",
            b"precomposeunicode",
            b"symlinks",
            b"autocrlf",
            b"eol",
        }
    ),
    b"branch": frozenset({b"merge", b"rebase", b"description"}),
    b"remote": frozenset({b"fetch", b"tagopt", b"prune"}),
    b"submodule": frozenset({b"active"}),
    b"user": frozenset({b"name", b"email"}),
}
_URL = re.compile(rb"(?:https?|ssh|git)://[\w.@:/~+-]+|[\w.-]+@[\w.-]+:[\w./~+-]+|[\w./~][\w./~+-]*", re.ASCII)
"""Addresses that name no program: git runs what stands in front of `::`, and ssh takes `-` for an option."""

_SECTION = re.compile(rb"\[[ \t]*([A-Za-z0-9-]+)(?:[ \t]+\"(?:[^\"\\\n]|\\.)*\")?[ \t]*\](.*)", re.DOTALL)
_KEY = re.compile(rb"([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=[ \t]*(.*))?", re.DOTALL)


def differs(old: bytes, new: bytes) -> bool:
    """Tell whether a configuration has something that matters, and that the old one did not have."""
    before, now = _matters(old), _matters(new)
    if before is None or now is None:
        return old != new
    return bool(now - before)


def _matters(content: bytes) -> Optional[Counter[tuple[bytes, bytes]]]:
    """Return the lines that matter, each with its section; None where lines are joined, which only git reads well."""
    found: Counter[tuple[bytes, bytes]] = Counter()
    section, name = b"", b""
    for line in content.split(b"\n"):
        text = line.strip()
        if text.endswith(b"\\"):
            return None
        if text.startswith(b"["):
            match = _SECTION.fullmatch(text)
            section, name = (text[: match.start(2)], match[1].lower()) if match else (text, b"")
            text = match[2].strip() if match else text
        if text and not text.startswith((b"#", b";")) and not _is_harmless(name, text):
            found[section, text] += 1
    return found


def _is_harmless(section: bytes, text: bytes) -> bool:
    match = _KEY.fullmatch(text)
    if not match:
        return False
    key, value = match[1].lower(), (match[2] or b"").strip()
    if section in (b"remote", b"submodule") and key in (b"url", b"pushurl"):
        return _URL.fullmatch(value) is not None
    if section == b"branch" and key in (b"remote", b"pushremote"):
        return re.fullmatch(rb"[\w.][\w./-]*", value) is not None
    return key in _HARMLESS.get(section, ())
