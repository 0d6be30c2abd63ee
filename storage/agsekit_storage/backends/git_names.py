"""Names of files as git accepts them.

git, and every tool built on it, gives a meaning to some names or refuses them: `.git` and what a file system of
macOS or Windows takes for it, the files that configure git, and backslashes. In the shadow repository

    %  is written  %25
    \\  is written  %5C
    and a name with a meaning gets one  %  in front: `.git` is `%.git`, `git~1` is `%git~1`.

No name with a meaning begins with two hexadecimal digits, so that every name can be read back, and no two become one.
"""

from __future__ import annotations

import re

_MEANINGFUL = frozenset((".git", "git~1", ".gitmodules", ".gitattributes", ".gitignore", ".mailmap"))
_SHORT = re.compile(r"[gm][a-z0-9]{0,6}~[0-9]+\Z", re.ASCII)
"""The names that Windows derives from those above, and some more: such names are rare."""
_SEEN_BY_NOBODY = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF],
)
"""The characters that HFS+ leaves out when it compares names."""
_SUSPICIOUS = re.compile(rb"[%\\\xe2\xef]|\A\.[gGmM]|\A[gGmM][^~]*~")


def escape(name: bytes) -> bytes:
    """Return the form of a name in the shadow repository."""
    if not _SUSPICIOUS.search(name):
        return name
    escaped = name.replace(b"%", b"%25").replace(b"\\", b"%5C")
    return b"%" + escaped if _has_meaning(name) else escaped


def unescape(name: bytes) -> bytes:
    """Return the name whose form in the shadow repository this is."""
    if name[:1] == b"%" and name[1:3] not in (b"25", b"5C"):
        name = name[1:]
    return name.replace(b"%5C", b"\\").replace(b"%25", b"%")


def _has_meaning(name: bytes) -> bool:
    text = name.decode("utf-8", "surrogateescape").translate(_SEEN_BY_NOBODY)
    # Windows ends a name at a colon and drops dots and spaces before it.
    base = text.partition(":")[0].rstrip(" .").lower()
    return base in _MEANINGFUL or _SHORT.match(base) is not None
