"""The difference between two states as text: what to show for each path that changed."""

from __future__ import annotations

import difflib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Optional

from agsekit_storage.blocks import ReadFailed
from agsekit_storage.content import NotARegularFile, open_regular
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.restore_plan import find
from agsekit_storage.store import Store
from agsekit_storage.tree import MODE, SIZE, Entry, Tree, split

_LARGEST_TEXT = 4 * 1024 * 1024
"""Bytes; nobody reads the diff of a larger file, and computing it can take minutes."""

ReadContent = Callable[[bytes], Optional[bytes]]
"""Returns the content of a regular file at a path, None when it cannot be had."""


@dataclass(frozen=True)
class FileDiff:
    """The difference of one path.

    `status` is A (added), M (modified), P (only permissions, owner or attributes) or D (deleted). `lines` is a
    unified diff without line ends, empty where there is nothing to show; `note` says why (binary, folder, …).
    """

    path: bytes
    status: str
    added: int
    removed: int
    lines: Sequence[str]
    note: str = ""


def diff_files(
    changes: Changes, before: Optional[Tree], after: Tree, old: ReadContent, new: ReadContent
) -> Iterator[FileDiff]:
    """Yield the difference of every path that changed, by path."""
    by_path = {
        **dict.fromkeys(changes.added, "A"),
        **dict.fromkeys(changes.metadata, "P"),
        **dict.fromkeys(changes.modified, "M"),
        **dict.fromkeys(changes.removed, "D"),
    }
    for path in sorted(by_path, key=lambda each: each.split(b"/")):
        yield _diff(path, by_path[path], _entry(before, path), _entry(after, path), old, new)


def stored_content(store: Store, snapshot: Snapshot) -> ReadContent:
    """Return what reads files of a snapshot; of large ones only enough to tell that they are."""

    def read(path: bytes) -> Optional[bytes]:
        with open_stored(store, snapshot, path) as file:
            return file.read(_LARGEST_TEXT + 1)

    return read


def open_stored(store: Store, snapshot: Snapshot, path: bytes) -> IO[bytes]:
    """Return the content of a regular file of a snapshot as an open file at its beginning.

    Raises:
        StoreDamaged: the store does not have it as its record says.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
    reader = store.backend.reader(snapshot.id)
    try:
        reader.copy_file(path, file.fileno())
    except BaseException:
        file.close()
        raise
    finally:
        reader.close()
    file.seek(0)
    return file


def source_content(source: bytes) -> ReadContent:
    """Return what reads files of the source as they are now, without following links."""

    def read(path: bytes) -> Optional[bytes]:
        parent, name = split(path)
        try:
            with FolderCursor(source) as cursor:
                fd, _ = open_regular(name, cursor.seek(parent))
        except (NotARegularFile, ReadFailed, OSError):
            return None
        with os.fdopen(fd, "rb") as file:
            return file.read(_LARGEST_TEXT + 1)

    return read


def _entry(tree: Optional[Tree], path: bytes) -> Optional[Entry]:
    if tree is None:
        return None
    try:
        return find(tree, path)
    except KeyError:
        return None


def _diff(
    path: bytes, status: str, before: Optional[Entry], after: Optional[Entry], old: ReadContent, new: ReadContent
) -> FileDiff:
    if status == "P":
        return FileDiff(path, status, 0, 0, (), _metadata_note(before, after))
    sides = (before, after)
    if any(entry is not None and stat.S_ISDIR(entry.row[MODE]) for entry in sides):
        return FileDiff(path, status, 0, 0, (), "folder")
    texts = []
    for entry, read in ((before, old), (after, new)):
        text, note = _text(entry, read)
        if note:
            return FileDiff(path, status, 0, 0, (), note)
        texts.append(text)
    label = os.fsdecode(path)
    names = (f"a/{label}" if before else "/dev/null", f"b/{label}" if after else "/dev/null")
    lines = list(difflib.unified_diff(texts[0], texts[1], *names, lineterm=""))
    added = sum(line.startswith("+") for line in lines[2:])
    removed = sum(line.startswith("-") for line in lines[2:])
    return FileDiff(path, status, added, removed, lines)


def _text(entry: Optional[Entry], read: ReadContent) -> tuple[list[str], str]:
    """Return the lines of one side, or why there are none to show."""
    if entry is None:
        return [], ""
    if stat.S_ISLNK(entry.row[MODE]):
        return [f"link to {os.fsdecode(entry.link or b'')}"], ""
    if not stat.S_ISREG(entry.row[MODE]):
        return [], "special file"
    if entry.row[SIZE] > _LARGEST_TEXT:
        return [], "too large to compare line by line"
    content = read(entry.path)
    if content is None:
        return [], "cannot be read"
    if b"\0" in content[:8192]:
        return [], "binary"
    return content.decode("utf-8", "backslashreplace").splitlines(), ""


def _metadata_note(before: Optional[Entry], after: Optional[Entry]) -> str:
    if before is None or after is None or before.row[MODE] == after.row[MODE]:
        return "owner, attributes or hard links"
    return f"mode {stat.S_IMODE(before.row[MODE]):o} to {stat.S_IMODE(after.row[MODE]):o}"
