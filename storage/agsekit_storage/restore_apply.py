"""The steps of a restore, carried out through folder descriptors so that no link leads out of the folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from agsekit_storage.backends.base import Reader
from agsekit_storage.content import CREATE_FLAGS, READ_FLAGS, apply_metadata, make_link
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.durable import sync_file_system
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.events import Met, OnEvent, Progress
from agsekit_storage.model import Problem
from agsekit_storage.restore_guard import EditedMeanwhile, SavedState
from agsekit_storage.restore_plan import TEMPORARY, Plan, find, hard_link_groups
from agsekit_storage.tree import INODE, MODE, Entry, Row, Tree, in_walk_order, split

_FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NO_LINK_HERE = (errno.EMLINK, errno.EPERM, errno.ENOENT, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS)
"""A copy has to do then; whatever else goes wrong is told."""
_PROGRESS_STEP = 100
_MOST_SYNCED_ALONE = 200
"""Up to this many files are brought to the disk one by one; for more, one sync of all is cheaper."""


class Applier:
    """Carries out one plan: clears the way, brings back, deletes, and sets the metadata of folders last.

    `saved` is the tree that was saved before: what is not any more as it says is left alone and reported.
    """

    def __init__(
        self,
        wanted: Tree,
        plan: Plan,
        reader: Reader,
        destination: bytes,
        on_event: OnEvent,
        *,
        saved: Tree | None = None,
    ) -> None:
        self._saved = SavedState(saved)
        self._wanted = wanted
        self._plan = plan
        self._reader = reader
        self._destination = destination
        self._on_event = on_event
        self._problems: list[Problem] = []
        self._touched_folders: set[bytes] = set()
        self._groups = hard_link_groups(wanted, [*plan.create, *plan.replace])
        self._made: set[bytes] = set()
        self._modes: dict[bytes, int] = {}
        self._sync_alone = len(plan.create) + len(plan.replace) <= _MOST_SYNCED_ALONE
        self._group_member = {
            inode: next((path for path in paths if path not in plan.changed), None)
            for inode, paths in self._groups.items()
        }
        # Nobody can know the name beforehand and put something in the way.
        self._temporary = TEMPORARY + os.urandom(8).hex().encode()

    def run(self) -> list[Problem]:
        """Carry out the plan and return the paths that could not be restored.

        Raises:
            OSError: the disk is full or the like; the rest was not attempted.
        """
        self._cursor = FolderCursor(self._destination)
        self._other = FolderCursor(self._destination)
        try:
            self._remove(self._plan.clear, in_the_way=True)
            self._bring_back()
            for path in self._plan.adjust:
                self._attempt(path, self._adjust)
            self._remove(self._plan.delete, in_the_way=False)
            self._finish_folders()
            if not self._sync_alone:
                sync_file_system(Path(os.fsdecode(self._destination)))
        finally:
            self._cursor.abandon()
            self._other.abandon()
        return self._problems

    def _bring_back(self) -> None:
        replaced = frozenset(self._plan.replace)
        # Folders before what is in them; one order for both lists keeps the cursor's way short.
        paths = sorted([*self._plan.create, *self._plan.replace], key=in_walk_order)
        for done, path in enumerate(paths, 1):
            self._make_parents(split(path)[0])
            self._attempt(path, self._replace if path in replaced else self._create)
            if done % _PROGRESS_STEP == 0 or done == len(paths):
                self._on_event(Progress(done, len(paths)))

    def _make_parents(self, folder: bytes) -> None:
        """Make the folders above a path that is restored alone."""
        missing = []
        while folder:
            try:
                self._cursor.seek(folder)
                break
            except FileNotFoundError:
                missing.append(folder)
                folder = split(folder)[0]
            except OSError:
                return
        for path in reversed(missing):
            self._attempt(path, self._create)

    def _attempt(self, path: bytes, step: Callable[[bytes], None]) -> None:
        try:
            step(path)
        except StoreDamaged as error:
            self._meet(Problem(path, "damaged", error.message))
        except EditedMeanwhile:
            self._meet(Problem(path, "edited-meanwhile"))
        except OSError as error:
            if error.errno in _FATAL:
                raise
            self._meet(Problem(path, "not-restored", error.strerror or ""))

    def _create(self, path: bytes) -> None:
        entry = find(self._wanted, path)
        folder = self._open_writable(split(path)[0])
        name = split(path)[1]
        if stat.S_ISDIR(entry.row[MODE]):
            try:
                os.mkdir(name, 0o700, dir_fd=folder)
                self._made.add(path)
            except FileExistsError:
                # Ignored files keep a folder alive; its entry was only looked at through the rules.
                if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    raise
            self._touched_folders.add(path)
        else:
            self._saved.check(path, name, folder)
            self._write(entry, folder, name)

    def _replace(self, path: bytes) -> None:
        folder = self._open_writable(split(path)[0])
        self._saved.check(path, split(path)[1], folder)
        self._write(find(self._wanted, path), folder, split(path)[1])

    def _write(self, entry: Entry, folder: int, name: bytes) -> None:
        """Put a file or link under a temporary name, then move it to its own in one step."""
        temporary = self._temporary
        try:
            if stat.S_ISLNK(entry.row[MODE]):
                make_link(temporary, entry.link or b"", entry.row, folder)
            elif self._link_to_member(entry, temporary, folder):
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                # Between two names of one file a rename does nothing, and leaves both.
                _unlink_if_there(temporary, folder)
                return
            else:
                self._write_file(entry, temporary, folder)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _unlink_if_there(temporary, folder)
            raise

    def _write_file(self, entry: Entry, temporary: bytes, folder: int) -> None:
        fd = os.open(temporary, CREATE_FLAGS, 0o600, dir_fd=folder)
        try:
            digest = self._reader.copy_file(entry.path, fd)
            if digest != entry.digest:
                raise StoreDamaged("its content in the store is not what was saved")
            apply_metadata(fd, entry.row, entry.xattrs)
            if self._sync_alone:
                os.fsync(fd)
        finally:
            os.close(fd)
        inode = entry.row[INODE]
        if inode in self._groups:
            self._group_member[inode] = entry.path

    def _link_to_member(self, entry: Entry, temporary: bytes, folder: int) -> bool:
        """Make the name a hard link to a member of its group that is in place already, if there is one."""
        member = self._group_member.get(entry.row[INODE]) if entry.row[INODE] in self._groups else None
        if member is None or member == entry.path:
            return False
        parent, name = split(member)
        try:
            os.link(name, temporary, src_dir_fd=self._other.seek(parent), dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK_HERE:
                raise
            return False
        return True

    def _adjust(self, path: bytes) -> None:
        if path == b".":
            self._touched_folders.add(b"")
            return
        entry = find(self._wanted, path)
        if stat.S_ISDIR(entry.row[MODE]):
            self._touched_folders.add(path)
            return
        parent, name = split(path)
        folder = self._cursor.seek(parent)
        if stat.S_ISLNK(entry.row[MODE]):
            self._open_writable(parent)
            self._write(entry, self._cursor.fd, name)
            return
        _make_readable(name, folder)
        fd = os.open(name, READ_FLAGS, dir_fd=folder)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ESTALE, "it is something else now")
            if status.st_nlink == 1:
                apply_metadata(fd, entry.row, entry.xattrs)
                return
        finally:
            os.close(fd)
        self._write(entry, self._open_writable(parent), name)

    def _remove(self, paths: Iterable[bytes], *, in_the_way: bool) -> None:
        """Delete paths, the deepest first. A folder that still holds ignored files stays."""
        for path in sorted(paths, key=in_walk_order, reverse=True):
            parent, name = split(path)
            try:
                folder = self._open_writable(parent)
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.rmdir(name, dir_fd=folder)
                else:
                    self._saved.check(path, name, folder)
                    os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                pass
            except EditedMeanwhile:
                self._meet(Problem(path, "edited-meanwhile"))
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and not in_the_way:
                    continue
                self._meet(Problem(path, "in-the-way" if in_the_way else "not-deleted", error.strerror or ""))

    def _open_writable(self, path: bytes) -> int:
        """Go to a folder that is about to change, and make sure that it may; its own mode comes back last."""
        fd = self._cursor.seek(path)
        self._touched_folders.add(path)
        status = os.fstat(fd)
        if status.st_mode & 0o300 != 0o300 and os.geteuid() != 0:
            self._modes.setdefault(path, stat.S_IMODE(status.st_mode))
            os.fchmod(fd, stat.S_IMODE(status.st_mode) | 0o700)
        return fd

    def _finish_folders(self) -> None:
        """Give every folder that was changed the metadata of the snapshot, the deepest first.

        Folders that the restore is not about keep their own mode.
        """
        for path in sorted(self._touched_folders, key=in_walk_order, reverse=True):
            try:
                metadata = self._folder_metadata(path)
                if metadata:
                    apply_metadata(self._cursor.seek(path), *metadata)
                elif path in self._modes:
                    os.fchmod(self._cursor.seek(path), self._modes[path])
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    self._meet(Problem(path, "not-restored", error.strerror or ""))

    def _folder_metadata(self, path: bytes) -> tuple[Row, bytes | None] | None:
        if not (path in self._made or self._plan.scope(path)):
            return None
        if not path:
            return self._wanted.root, self._wanted.root_xattrs
        try:
            entry = find(self._wanted, path)
        except KeyError:
            return None
        return (entry.row, entry.xattrs) if stat.S_ISDIR(entry.row[MODE]) else None

    def _meet(self, problem: Problem) -> None:
        self._problems.append(problem)
        self._on_event(Met(problem))


def _unlink_if_there(name: bytes, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def _make_readable(name: bytes, folder: int) -> None:
    """Let the owner open a regular file whose mode is about to be set anyway; links are left alone."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode) and not status.st_mode & stat.S_IRUSR and os.geteuid() != 0:
        fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fchmod(fd, stat.S_IMODE(status.st_mode) | stat.S_IRUSR)
        finally:
            os.close(fd)
