"""The records of a store: a small file per snapshot, and the whole trees that they build upon."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Optional

from agsekit_storage import durable, naming, record
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.overview import totals_of
from agsekit_storage.tree import Tree

_FEW = 32
"""So many changed folders never pay for a whole tree of their own."""
_SHARE = 8
"""Nor does less than this fraction of all folders (one eighth)."""


class Records:
    """Reads and writes `.agsekit/trees`, `.agsekit/bases` and `.agsekit/walk-cache`.

    A base is the whole tree as it was at some snapshot; it stays for as long as a record names it. After a conversion
    to another backend the names end in a number, the generation.
    """

    def __init__(self, private: Path, generation: int = 1) -> None:
        suffix = "" if generation == 1 else f"-{generation}"
        self._trees = private / f"trees{suffix}"
        self._bases = private / f"bases{suffix}"
        self._cache = private / f"walk-cache{suffix}"
        self._known_bases: dict[str, tuple[int, int, int]] = {}

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self._trees, self._bases):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def header(self, snapshot_id: str) -> record.Header:
        """Return what a record says beside the tree.

        Raises:
            FileNotFoundError: there is no record.
            StoreDamaged: it cannot be read.
        """
        with (self._trees / snapshot_id).open("rb") as file:
            return record.read_header(file)

    def stamp(self, snapshot_id: str) -> tuple[int, int]:
        """Return what is another one once the record was replaced.

        Raises:
            FileNotFoundError: there is no record.
        """
        status = (self._trees / snapshot_id).stat()
        return status.st_ino, status.st_mtime_ns

    def tree(self, snapshot_id: str, bases: Optional[dict[str, Tree]] = None) -> Tree:
        """Return the tree of a record.

        With `bases` a base is read once for many records; such trees share folders and must not be changed.

        Raises:
            StoreDamaged: the record or its base is missing or cannot be read.
        """
        return self._read(self._trees / snapshot_id, bases)[1]

    def walked_tree(self, snapshot_id: str) -> Optional[Tree]:
        """Return the tree of the last walk if that found the snapshot's state unchanged, else None."""
        try:
            with self._cache.open("rb") as file:
                if record.read_header(file).get("snapshot") != snapshot_id:
                    return None
            header, tree = self._read(self._cache, None)
            tree.touched = {os.fsencode(path): int(mtime) for path, mtime in header["touched"]}
        except (OSError, StoreDamaged, KeyError, TypeError, ValueError):
            return None
        return tree

    def save(self, snapshot_id: str, header: record.Header, tree: Tree) -> None:
        """Write the record of a snapshot, and the base that it needs, and bring both to the disk."""
        if not self._is_sound(tree.base) or len(tree.since_base) > max(_FEW, len(tree.folders) // _SHARE):
            durable.write_file(self._bases / snapshot_id, record.encode({"rules": tree.rules}, tree))
            tree.base, tree.since_base = snapshot_id, frozenset()
            self._note_base(snapshot_id, _stamp(self._bases / snapshot_id))
        durable.write_file(self._trees / snapshot_id, self._encode(header, tree))

    def _note_base(self, name: str, stamp: Optional[tuple[int, int, int]]) -> None:
        if stamp:
            self._known_bases[name] = stamp

    def _is_sound(self, base: str) -> bool:
        """Tell whether a base can be built upon. One that was read or written before is not read again."""
        path = self._bases / base
        stamp = _stamp(path) if base else None
        if stamp is None or (self._known_bases.get(base) != stamp and _whole_header(path) is None):
            return False
        self._known_bases[base] = stamp
        return True

    def unreadable(self) -> frozenset[str]:
        """Return the ids of the snapshots whose record, or whose base, is lost or damaged."""
        bases: dict[str, bool] = {}
        found = set()
        for snapshot_id in self.ids():
            header = _whole_header(self._trees / snapshot_id)
            base = str(header.get("base") or "") if header else ""
            if base and base not in bases:
                bases[base] = _whole_header(self._bases / base) is not None
            if header is None or not bases.get(base, True):
                found.add(snapshot_id)
        return frozenset(found)

    def save_walk(self, snapshot_id: str, tree: Tree) -> None:
        """Remember a walk. It can be made again, so a full disk is no failure."""
        touched = [[os.fsdecode(path), mtime] for path, mtime in tree.touched.items()]
        try:
            content = self._encode({"snapshot": snapshot_id, "touched": touched, **totals_of(tree)._asdict()}, tree)
            durable.write_file(self._cache, content, durable=False)
        except OSError:
            pass

    def rewrite_header(self, snapshot_id: str, header: record.Header) -> None:
        """Replace what a record says beside the tree; keys that are not given stay."""
        path = self._trees / snapshot_id
        with path.open("rb") as file:
            old = record.read_header(file)
            body = file.read()
        durable.write_file(path, record.join_header({**old, **header}, body))

    def ids(self) -> list[str]:
        """Return the ids of the snapshots that have a record."""
        try:
            return [name for name in os.listdir(self._trees) if naming.is_id(name)]
        except FileNotFoundError:
            return []

    def begun(self) -> bool:
        """Tell whether there are any records, or a folder for them."""
        return self._trees.exists()

    def remove(self) -> None:
        """Remove everything; the folder by which `begun` knows it comes last."""
        durable.remove_tree(self._bases)
        self._cache.unlink(missing_ok=True)
        durable.remove_tree(self._trees)

    def forget(self, snapshot_id: str) -> None:
        """Remove the record of a snapshot that is not, or no longer, present."""
        (self._trees / snapshot_id).unlink(missing_ok=True)

    def clean(self, present: Collection[str]) -> None:
        """Remove what a crash or a deletion left: records without a snapshot, bases without a record."""
        for name in os.listdir(self._trees):
            if name not in present:
                (self._trees / name).unlink(missing_ok=True)
        for folder in (self._trees.parent, self._bases):
            for name in os.listdir(folder):
                if name.endswith(durable.TEMPORARY):
                    (folder / name).unlink(missing_ok=True)
        self._remove_unused_bases(present)

    def _remove_unused_bases(self, present: Collection[str]) -> None:
        # A base carries the name of the first snapshot that needs it: while that one is there, so is the need.
        suspects = [name for name in os.listdir(self._bases) if name not in present and naming.is_id(name)]
        if not suspects:
            return
        try:
            used = {self.header(name).get("base") for name in os.listdir(self._trees)}
        except StoreDamaged:
            return
        for name in suspects:
            if name not in used:
                (self._bases / name).unlink()

    def _encode(self, header: record.Header, tree: Tree) -> bytes:
        complete = {**header, "rules": tree.rules, "base": tree.base}
        return record.encode(complete, tree, only=tree.since_base if tree.base else None)

    def _read(self, path: Path, bases: Optional[dict[str, Tree]]) -> tuple[record.Header, Tree]:
        def base(name: str) -> Tree:
            if bases is not None and name in bases:
                return bases[name]
            stamp = _stamp(self._bases / name)
            found = self._read(self._bases / name, None)[1]
            self._note_base(name, stamp)
            if bases is not None:
                bases[name] = found
            return found

        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise StoreDamaged("the record {path} is missing", path=path) from None
        except OSError as error:
            raise StoreDamaged(
                "the record {path} cannot be read: {reason}", path=path, reason=error.strerror
            ) from None
        try:
            return record.decode(io.BytesIO(content), base)
        except StoreDamaged as error:
            if str(self._bases) in error.message:
                raise
            raise StoreDamaged("the record {path} is damaged: {reason}", path=path, reason=error) from None


def _whole_header(path: Path) -> Optional[record.Header]:
    """Return the header of a record, None when it is damaged; what it builds upon is another matter."""
    try:
        with path.open("rb") as file:
            header = record.read_header(file)
            zlib.decompress(file.read())
    except (OSError, StoreDamaged, zlib.error):
        return None
    return header


def _stamp(path: Path) -> Optional[tuple[int, int, int]]:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
