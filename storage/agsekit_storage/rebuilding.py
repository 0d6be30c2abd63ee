"""Restoring from a snapshot whose record is lost: where its contents lie in plain sight, they tell most of it."""

from __future__ import annotations

import os
from pathlib import Path

from agsekit_storage.cursor import FolderCursor
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.events import Met, OnEvent, ignore_events
from agsekit_storage.foreign import read_tree
from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.ignore_file import read_ignore_file
from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree


def tree_to_restore(
    store: Store, snapshot: Snapshot, on_event: OnEvent = ignore_events
) -> tuple[Tree, list[Problem]]:
    """Return the tree of a snapshot, and the problem `rebuilt` when it had to be read from the snapshot's folder.

    `on_event` is told of the problem.

    Raises:
        StoreDamaged: its record cannot be read, and the backend keeps no folders.
    """
    try:
        return store.tree(snapshot), []
    except StoreDamaged:
        if not store.backend.capabilities.browsable:
            raise
        folder = store.path / snapshot.id
        tree = read_tree(folder, store.backend.digest)
        tree.rule_files = _rule_files(folder, tree)
        problem = Problem(b".", "rebuilt")
        on_event(Met(problem))
        return tree, [problem]


def _rule_files(folder: Path, tree: Tree) -> dict[bytes, bytes]:
    """Return the ignore rules that the snapshot was taken under: they are always part of it."""
    found = {}
    with FolderCursor(os.fsencode(folder), follow_root=False) as cursor:
        for path, each in tree.folders.items():
            if IGNORE_FILE in each.names:
                content = read_ignore_file(cursor.seek(path))[0]
                if content is not None:
                    found[path] = content
    return found
