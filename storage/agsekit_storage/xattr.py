"""Extended attributes that belong to a project: those of the user, and POSIX access control lists.

What an attribute could turn into a privilege (`security.*`, `trusted.*`) is neither read nor written.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Optional

_KEPT = ("user.", "system.posix_acl_access", "system.posix_acl_default")
_SUPPORTED = sys.platform == "linux"
_HARMLESS = (
    errno.ENOTSUP,
    errno.EPERM,
    errno.EACCES,
    errno.ENODATA,
    errno.EINVAL,
    errno.ENOSPC,
    errno.ERANGE,
)


def read(fd: int) -> Optional[bytes]:
    """Return the attributes of an open file in one string, None when it has none.

    The form is `name NUL length-in-decimal NUL value`, repeated, sorted by name.
    """
    if not _SUPPORTED:
        return None
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno in _HARMLESS:
            return None
        raise
    parts = []
    for name in sorted(names):
        if name.startswith(_KEPT):
            try:
                value = os.getxattr(fd, name)
            except OSError as error:
                if error.errno in _HARMLESS:
                    continue
                raise
            parts.append(b"%s\0%d\0%s" % (os.fsencode(name), len(value), value))
    return b"".join(parts) or None


def write(fd: int, encoded: Optional[bytes]) -> None:
    """Make the attributes of an open file those that `read` returned, where the file system can."""
    if not _SUPPORTED:
        return
    wanted = decode(encoded)
    current = decode(read(fd))
    for name in current:
        if name not in wanted:
            os.removexattr(fd, name)
    for name, value in wanted.items():
        if current.get(name) != value:
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                if error.errno not in _HARMLESS:
                    raise


def decode(encoded: Optional[bytes]) -> dict[bytes, bytes]:
    """Return the attributes in the string that `read` made.

    Raises:
        ValueError: the string is damaged.
    """
    attributes = {}
    rest = encoded or b""
    while rest:
        name, length, rest = rest.split(b"\0", 2)
        size = int(length)
        if size > len(rest) or not name.startswith(tuple(map(os.fsencode, _KEPT))):
            raise ValueError("damaged extended attributes")
        attributes[name], rest = rest[:size], rest[size:]
    return attributes
