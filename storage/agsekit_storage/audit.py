"""Looking again at what seems unchanged: memory-mapped writes move no clock on some file systems.

With every snapshot at an interval a slice of the files is read and held against the digests that the store knows.
The slices go round the whole source; where the next begins is kept in `.agsekit/audit`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agsekit_storage import durable, journal
from agsekit_storage.content_reader import ContentReader, Digest
from agsekit_storage.overview import mark_racy
from agsekit_storage.settings import PRIVATE
from agsekit_storage.tree import CTIME, MODE, NO_DIGEST, SIZE, Folder, Tree, in_walk_order, join

FILES = 500
"""As many are read for one snapshot."""
BYTES = 8 * 1024 * 1024
"""And so much of them. A larger file waits until so many snapshots have left it their share."""
_LARGEST = 1024 * 1024 * 1024
"""Larger files are not read: they would cost more than it is worth."""

_Place = tuple[bytes, bytes, int]
"""Folder and name of the last file that was looked at, and the bytes that were saved up for the next one."""


def look_again(store: Path, source: bytes, before: Tree, tree: Tree, digest: Digest) -> list[bytes]:
    """Read a slice of the files that look as they did before, and return those whose content is another.

    In `tree` these get a ctime of 0, so that `compare` reads them, too. Needs the lock of the store.
    """
    folder, name, saved = _place(store)
    left_bytes, left_files = saved + BYTES, FILES
    place: _Place = (folder, name, 0)
    found: list[tuple[bytes, int]] = []
    reader = ContentReader(source, digest)
    try:
        for path, position in _candidates(before, tree, folder, name):
            entry = tree.folders[path]
            size = entry.row(position)[SIZE]
            if size > left_bytes or not left_files:
                place = (*place[:2], left_bytes if left_files else 0)
                break
            left_bytes, left_files = left_bytes - size, left_files - 1
            place = (path, entry.names[position], 0)
            read = reader.file(path, entry.names[position])
            if read is not None and read[0] != _known(before, path, entry.names[position]):
                found.append((path, position))
    finally:
        reader.close()
    if place != (folder, name, saved):
        _keep(store, place)
    return _mark(store, before, tree, found)


def _candidates(before: Tree, tree: Tree, folder: bytes, name: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the files that look unchanged, from a place on and once around."""
    paths = list(tree.folders)
    begin = in_walk_order(folder)
    start = next((number for number, path in enumerate(paths) if in_walk_order(path) >= begin), 0)
    for path in [*paths[start:], *paths[:start]]:
        for position, each in enumerate(tree.folders[path].names):
            if (path != folder or each > name) and _looks_unchanged(before, path, tree.folders[path], position):
                yield path, position
    for position, each in enumerate(tree.folders[folder].names if folder in tree.folders else ()):
        if each <= name and _looks_unchanged(before, folder, tree.folders[folder], position):
            yield folder, position


def _looks_unchanged(before: Tree, path: bytes, folder: Folder, position: int) -> bool:
    row = folder.row(position)
    if not stat.S_ISREG(row[MODE]) or not 0 < row[SIZE] <= _LARGEST or not row[CTIME]:
        return False
    old = before.folders.get(path)
    try:
        same = old is folder or (old is not None and old.row(old.position(folder.names[position])) == row)
    except KeyError:
        return False
    return same and _known(before, path, folder.names[position]) != NO_DIGEST


def _known(before: Tree, path: bytes, name: bytes) -> bytes:
    folder = before.folders[path]
    return NO_DIGEST if name in folder.missing else folder.digest(folder.position(name))


def _mark(store: Path, before: Tree, tree: Tree, found: list[tuple[bytes, int]]) -> list[bytes]:
    paths = []
    for path, position in found:
        name = tree.folders[path].names[position]
        mark_racy(tree, before, path, name)
        paths.append(join(path, name))
    journal.note_paths(store, "silent-change", paths)
    return paths


def _place(store: Path) -> _Place:
    try:
        document = json.loads((store / PRIVATE / "audit").read_text())
        saved = min(max(int(document["saved"]), 0), _LARGEST)
        return os.fsencode(document["folder"]), os.fsencode(document["name"]), saved
    except (OSError, ValueError, KeyError, TypeError):
        return b"", b"", 0


def _keep(store: Path, place: _Place) -> None:
    document = {"folder": os.fsdecode(place[0]), "name": os.fsdecode(place[1]), "saved": place[2]}
    with suppress(OSError):
        durable.write_file(store / PRIVATE / "audit", json.dumps(document).encode(), durable=False)
