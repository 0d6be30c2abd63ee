"""Whether a folder is the project whose snapshots a store holds, moved, or only one that names the same store.

Nobody can ask the old place: it is not there, perhaps because a disk is not mounted. A wrong guess would mix two
histories, and let a restore write one project over the other.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from agsekit_storage.cursor import FolderCursor
from agsekit_storage.errors import StoreDamaged, StoreRefused
from agsekit_storage.settings import Settings, identity_of
from agsekit_storage.tree import MODE, MTIME, SIZE, Tree, split

if TYPE_CHECKING:
    from agsekit_storage.store import Store

_LOOKED_AT = 500
"""Files of the newest snapshot that are looked for in the folder."""


def is_elsewhere(known: Settings, source: Path) -> bool:
    """Tell whether a folder is at another place than the source that a store knows."""
    return bool(known.source) and os.path.realpath(known.source or "") != os.path.realpath(source)


def require_same_project(store: Store, known: Settings, source: Path) -> None:
    """Refuse a folder that is not evidently the source of a store at another place.

    It is when it is the very same folder by device and inode, or when at least half of the files of the newest
    snapshot are there with their size and time, or when there are no snapshots yet.

    Raises:
        StoreRefused: it is not.
    """
    if known.identity is not None and known.identity == identity_of(source):
        return
    snapshots = store.snapshots()
    for snapshot in reversed(snapshots):
        try:
            tree = store.tree(snapshot)
        except StoreDamaged:
            continue
        if _overlaps(tree, source):
            return
        break
    if snapshots:
        raise StoreRefused(
            "the store {path} holds the snapshots of {recorded}, which is not there now, and {source} does not look "
            "like it",
            hint="choose another backup folder, or, if it is the same project, say so: "
            "agsekit snapshots adopt --source-dir {source} --dest-dir {path}",
            path=store.path,
            recorded=known.source,
            source=source,
        )


def _overlaps(tree: Tree, source: Path) -> bool:
    files = [entry for entry in tree.entries() if stat.S_ISREG(entry.row[MODE]) and entry.row[SIZE]]
    chosen = files[:: len(files) // _LOOKED_AT + 1]
    found = 0
    with FolderCursor(os.fsencode(source)) as cursor:
        for entry in chosen:
            folder, name = split(entry.path)
            try:
                status = os.stat(name, dir_fd=cursor.seek(folder), follow_symlinks=False)
            except OSError:
                continue
            same = status.st_size == entry.row[SIZE] and status.st_mtime_ns == entry.row[MTIME]
            found += same and stat.S_ISREG(status.st_mode)
    return found > 0 and found * 2 >= len(chosen)
