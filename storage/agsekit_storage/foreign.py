"""Snapshots that another rsync --link-dest tool made: plain folders without a record, read as they lie there."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from agsekit_storage.content_reader import ContentReader, Digest
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.tree import INODE, MODE, NLINK, WIDTH, Tree
from agsekit_storage.walk import walk


def read_tree(snapshot: Path, digest: Digest) -> Tree:
    """Return the tree of a snapshot folder. Every file is read, since no record says what is in it.

    A `.backupignore` in it is content like any other.
    """
    source = os.fsencode(snapshot)
    tree = walk(source, IgnoreRules.compile([], {}), frozen={})
    reader = ContentReader(source, digest)
    try:
        for path, folder in tree.folders.items():
            for position, name in enumerate(folder.names):
                if stat.S_ISREG(folder.row(position)[MODE]):
                    read = reader.file(path, name)
                    if read is None:
                        folder.missing.add(name)
                        continue
                    folder.set_digest(position, read[0])
                    if read[1] is not None:
                        folder.xattrs[name] = read[1]
    finally:
        reader.close()
    _count_links_inside(tree)
    return tree


def _count_links_inside(tree: Tree) -> None:
    """Count only the hard links inside this snapshot: those to the snapshots beside it are not the project's."""
    names = Counter(
        folder.row(position)[INODE] for folder in tree.folders.values() for position in range(len(folder.names))
    )
    for folder in tree.folders.values():
        for position in range(len(folder.names)):
            if stat.S_ISREG(folder.row(position)[MODE]):
                folder.stats[position * WIDTH + NLINK] = names[folder.row(position)[INODE]]
