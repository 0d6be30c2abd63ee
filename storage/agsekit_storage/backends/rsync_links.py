"""Snapshots as plain folders in which unchanged files are hard links, as `rsync -aHAX --link-dest` lays them out.

rsync itself is not started: for 100,000 small files its walk over both trees costs several times what the links
cost, and before version 3.5 it follows a folder that a hostile writer replaces by a link while it runs.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agsekit_storage import naming
from agsekit_storage.backends.base import Capabilities, Work
from agsekit_storage.backends.links_check import LinksCheck
from agsekit_storage.backends.links_writer import LinksWriter
from agsekit_storage.content import READ_FLAGS, copy_content, digest_of
from agsekit_storage.content_reader import Digest
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.durable import TEMPORARY, remove_tree, sync_file_system, sync_folder
from agsekit_storage.errors import StoreDamaged, StoreRefused
from agsekit_storage.model import Problem
from agsekit_storage.settings import PRIVATE
from agsekit_storage.tree import Tree


class RsyncLinksBackend:
    """Keeps each snapshot as `<store>/<id>/`, browsable with any tool."""

    name = "rsync"
    capabilities = Capabilities(hard_links=True, extended_attributes=True, browsable=True)

    def __init__(self, store: Path) -> None:
        self._store = store
        self.digest: Digest = digest_of

    def check_folder(self) -> None:
        """See `Backend.check_folder`: two names of one file are tried."""
        # Named so that the next writer removes what a crash leaves.
        probe, twin = (self._store / PRIVATE / f".probe-{number}{TEMPORARY}" for number in (1, 2))
        try:
            probe.touch()
            twin.unlink(missing_ok=True)
            os.link(probe, twin)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            raise StoreRefused(
                "the file system of {store} has no hard links ({reason}), so every snapshot would be a full copy",
                hint="choose a folder on another disk, or the backend git",
                store=self._store,
                reason=error.strerror,
            ) from None
        finally:
            twin.unlink(missing_ok=True)
            probe.unlink(missing_ok=True)

    def present(self) -> Sequence[str]:
        """See `Backend.present`: one folder is one snapshot."""
        with os.scandir(self._store) as entries:
            return [
                entry.name for entry in entries if naming.is_id(entry.name) and entry.is_dir(follow_symlinks=False)
            ]

    def recover(self) -> None:
        """See `Backend.recover`: unfinished folders carry a name that no snapshot has."""
        for name in os.listdir(self._store):
            unfinished = name.endswith(naming.PARTIAL) and naming.is_id(name[: -len(naming.PARTIAL)])
            if unfinished or name.startswith(naming.TRASH):
                remove_tree(self._store / name)

    def write(self, snapshot_id: str, work: Work) -> Sequence[Problem]:
        """See `Backend.write`: into `<id>-partial`, then one sync of the file system."""
        partial = self._partial(snapshot_id)
        partial.mkdir(mode=0o700)
        base = self._store / work.previous.id if work.previous else None
        problems = LinksWriter(partial, base, work).run()
        sync_file_system(partial)
        return problems

    def publish(self, snapshot_id: str) -> None:
        """See `Backend.publish`: a rename."""
        self._partial(snapshot_id).rename(self._store / snapshot_id)
        sync_folder(self._store)

    def reader(self, snapshot_id: str) -> LinksReader:
        """See `Backend.reader`."""
        return LinksReader(self._store / snapshot_id)

    def checker(self, *, data: bool) -> Callable[[str, Tree], Iterator[Problem]]:
        """See `Backend.checker`."""
        check = LinksCheck(data=data)
        return lambda snapshot_id, tree: check.run(self._store / snapshot_id, tree)

    def reclaimable(self) -> int:
        """See `Backend.reclaimable`: space is free at once."""
        return 0

    def delete(self, snapshot_ids: Sequence[str], *, size: int = 0) -> None:
        """See `Backend.delete`: renamed out of sight first."""
        doomed = []
        for snapshot_id in snapshot_ids:
            trash = self._store / (naming.TRASH + snapshot_id)
            (self._store / snapshot_id).rename(trash)
            doomed.append(trash)
        sync_folder(self._store)
        for trash in doomed:
            remove_tree(trash)

    def clear(self, snapshot_ids: Sequence[str]) -> None:
        """See `Backend.clear`."""
        self.delete([each for each in self.present() if each in snapshot_ids])

    def _partial(self, snapshot_id: str) -> Path:
        return self._store / (snapshot_id + naming.PARTIAL)


class LinksReader:
    """Reads the files of one snapshot folder."""

    def __init__(self, snapshot: Path) -> None:
        self._cursor = FolderCursor(os.fsencode(snapshot), follow_root=False)

    def copy_file(self, path: bytes, destination: int) -> bytes:
        """See `Reader.copy_file`."""
        folder, _, name = path.rpartition(b"/")
        try:
            fd = os.open(name, READ_FLAGS, dir_fd=self._cursor.seek(folder))
        except OSError as error:
            raise StoreDamaged(
                "the snapshot has lost {file} ({reason})", file=os.fsdecode(path), reason=error.strerror
            ) from None
        try:
            return copy_content(fd, destination, os.fstat(fd).st_size)
        finally:
            os.close(fd)

    def close(self) -> None:
        """See `Reader.close`."""
        self._cursor.abandon()
