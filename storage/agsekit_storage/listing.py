"""What is directly inside one open folder: names, rows, and the targets of links. A walk spends its time here."""

from __future__ import annotations

import gc
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from agsekit_storage.tree import MODE, WIDTH, Folder, clamp_row

KIND = 0o170000
"""What `stat.S_IFMT` keeps of a mode; the operator is cheaper than the call."""

_pack_row = struct.Struct(f"{WIDTH}q").pack


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Looking at a source makes millions of small objects and no cycles; collecting costs a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def listing(fd: int) -> dict[bytes, bool]:
    """Return the names in a folder, and whether each is a folder (a link to one is not)."""
    with os.scandir(fd) as entries:
        return {os.fsencode(entry.name): entry.is_dir(follow_symlinks=False) for entry in entries}


def pack(rows: Sequence[Sequence[int]]) -> bytes:
    """Return the bytes of an array of all numbers; several times as fast as the array itself would be made."""
    try:
        return b"".join([_pack_row(*row) for row in rows])
    except struct.error:
        return b"".join([_pack_row(*clamp_row(row)) for row in rows])


def read_links(fd: int, folder: Folder, previous: Optional[Folder]) -> dict[bytes, OSError]:
    """Read the targets of the links and return those that cannot be read, such as what is no link any more."""
    unknown = {}
    for position, mode in enumerate(folder.stats[MODE::WIDTH]):
        if mode & KIND == stat.S_IFLNK:
            name = folder.names[position]
            if previous and folder.row(position) == previous.row(position):
                continue
            try:
                folder.links[name] = os.readlink(name, dir_fd=fd)
            except OSError as error:
                unknown[name] = error
    return unknown
