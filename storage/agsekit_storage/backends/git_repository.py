"""The folder of the shadow repository: its layout, and how packs get into it whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from pathlib import Path

from agsekit_storage import lock, naming
from agsekit_storage.backends.git_pack import ID_SIZE, PackWriter
from agsekit_storage.durable import TEMPORARY, remove_tree, sync_folder, write_file
from agsekit_storage.errors import StoreLocked

FOLDER = "shadow.git"
MAINTENANCE_LOCK = "agsekit-maintenance"
WORTH_REPACKING = 8 * 1024 * 1024
"""So many bytes of file content in deleted snapshots make a repacking pay."""
_DELETED = "agsekit-deleted"

_CONFIG = b"""\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
\tbigFileThreshold = 4m
[gc]
\tauto = 0
\tpackRefs = false
[maintenance]
\tauto = false
"""
_NEW_PACK = "tmp_agsekit-pack-"
_NEW_INDEX = "tmp_agsekit-index-"
_SPOOL = "tmp_agsekit-spool"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Repository:
    """A bare repository of git in a store.

    Attributes:
        path: its folder, which need not exist before the first write.
        packs: the folder of the packs.
        spool: a path for a temporary file.
    """

    def __init__(self, store: Path) -> None:
        self.path = store / FOLDER
        self._trash = store / (naming.TRASH + FOLDER)
        self.packs = self.path / "objects" / "pack"
        self.spool = self.packs / _SPOOL

    def create(self) -> None:
        """Make the repository where there is none. A crash leaves what the next call completes."""
        if (self.path / "HEAD").exists():
            return
        for folder in ("", "objects", "objects/pack", "objects/info", "refs", "refs/heads", "refs/snapshots"):
            (self.path / folder).mkdir(mode=0o700, exist_ok=True)
        write_file(self.path / "config", _CONFIG)
        write_file(self.path / "description", b"The snapshots of agsekit; see `git log`.\n")
        # Last: git knows a repository by it.
        write_file(self.path / "HEAD", b"ref: refs/heads/main\n")
        sync_folder(self.path.parent)

    def start_pack(self, label: str) -> PackWriter:
        """Begin a pack under a name that git does not look at; `label` tells it from others."""
        return PackWriter(self.packs / (_NEW_PACK + label))

    def finish_pack(self, label: str, pack: PackWriter) -> None:
        """Complete a pack and bring it to the disk, still unseen."""
        pack.finish(self.packs / (_NEW_INDEX + label))

    def show_pack(self, label: str) -> None:
        """Let a finished pack be seen; the names it was written under stay until `forget_pack`, as a note."""
        new_pack, new_index = self.packs / (_NEW_PACK + label), self.packs / (_NEW_INDEX + label)
        name = _checksum(new_pack)
        _link(new_pack, self.packs / f"pack-{name}.pack")
        # Second: git looks for the pack of each index.
        _link(new_index, self.packs / f"pack-{name}.idx")
        sync_folder(self.packs)

    def forget_pack(self, label: str) -> None:
        """Remove the note about a pack that is in use now."""
        for prefix in (_NEW_INDEX, _NEW_PACK):
            (self.packs / (prefix + label)).unlink(missing_ok=True)

    def recover(self, present: Collection[str]) -> None:
        """Remove what a crash left: packs of snapshots that are not present, and what git itself leaves."""
        remove_tree(self._trash)
        try:
            names = os.listdir(self.packs)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(_NEW_PACK):
                label = name[len(_NEW_PACK) :]
                if naming.is_id(label) and label not in present:
                    self._withdraw(label)
                self.forget_pack(label)
        for name in names:
            if name.startswith("tmp_agsekit"):
                (self.packs / name).unlink(missing_ok=True)
        self._remove_rests_of_git(names)

    def deleted_size(self) -> int:
        """Return how many bytes of file content were only in snapshots deleted since the last repacking."""
        try:
            return int((self.path / _DELETED).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def note_deleted(self, size: int) -> None:
        """Remember how many bytes a repacking would free."""
        write_file(self.path / _DELETED, b"%d\n" % size, durable=False)

    def remove(self) -> None:
        """Remove the repository, out of sight first."""
        try:
            self.path.rename(self._trash)
        except FileNotFoundError:
            return
        sync_folder(self.path.parent)
        remove_tree(self._trash)

    def _withdraw(self, label: str) -> None:
        """Make a pack unseen again whose snapshot did not come to be."""
        new_pack = self.packs / (_NEW_PACK + label)
        try:
            name = _checksum(new_pack)
            if os.path.samefile(new_pack, self.packs / f"pack-{name}.pack"):
                for suffix in (".idx", ".pack"):
                    (self.packs / f"pack-{name}{suffix}").unlink(missing_ok=True)
        except FileNotFoundError:
            return

    def _remove_rests_of_git(self, names: Collection[str]) -> None:
        top = [name for name in os.listdir(self.path) if name.endswith((TEMPORARY, ".lock"))]
        rests = [name for name in names if name.startswith(("tmp_", ".tmp-")) and not name.startswith("tmp_agsekit")]
        if not top and not rests:
            return
        try:
            with lock.exclusive(self.path / MAINTENANCE_LOCK, wait=0):
                for name in top:
                    (self.path / name).unlink(missing_ok=True)
                for name in rests:
                    (self.packs / name).unlink(missing_ok=True)
        except StoreLocked:
            # They belong to a git that is at work for us.
            return


def _checksum(pack: Path) -> str:
    """Return the checksum at the end of a pack; of one that was not finished it is no pack's name."""
    with pack.open("rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - ID_SIZE, 0))
        return file.read().hex()


def _link(existing: Path, new: Path) -> None:
    """Give a file a second name, or a new one where a file system knows no second ones."""
    try:
        os.link(existing, new)
    except FileExistsError:
        # The same objects were written before.
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        existing.rename(new)
