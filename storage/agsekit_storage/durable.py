"""Writes that survive a crash, and removals that do not stop at a hostile folder."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from agsekit_storage.cursor import FOLDER_FLAGS, FolderCursor

TEMPORARY = ".tmp"


def write_file(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace a file in one step: after a crash it holds the old content or the new one, whole.

    Without `durable` a power failure may leave it damaged; for what can be made again.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(fd)
    if durable:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    fd = os.open(path, FOLDER_FLAGS & ~os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(path: Path) -> None:
    """Bring everything written to the file system of `path` to the disk, in one call where there is one."""
    fd = os.open(path, FOLDER_FLAGS & ~os.O_NOFOLLOW)
    try:
        if sys.platform == "linux":
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syncfs(fd) == 0:
                return
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
        os.sync()
    finally:
        os.close(fd)


def remove_tree(path: Path) -> None:
    """Delete a folder of a store with all that is in it; folders without write permission too.

    Nothing is followed, and any depth can be removed. A path that does not exist is fine.
    """
    try:
        cursor = FolderCursor(os.fsencode(path), follow_root=False)
    except FileNotFoundError:
        return
    with cursor:
        os.fchmod(cursor.fd, 0o700)
        pending = [_unlink_files(cursor.fd)]
        while pending:
            if pending[-1]:
                name = pending[-1].pop()
                _make_accessible(name, cursor.fd)
                cursor.enter(name)
                pending.append(_unlink_files(cursor.fd))
                continue
            pending.pop()
            if pending:
                name = cursor.path.rpartition(b"/")[2]
                cursor.leave()
                os.rmdir(name, dir_fd=cursor.fd)
    os.rmdir(path)


def _make_accessible(name: bytes, folder: int) -> None:
    """Give the owner all rights on a folder, never through a link."""
    if stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode) & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=folder)


def _unlink_files(fd: int) -> list[bytes]:
    """Delete everything in a folder that is not a folder and return the names of those that are."""
    folders = []
    with os.scandir(fd) as entries:
        names = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if is_folder:
            folders.append(name)
        else:
            os.unlink(name, dir_fd=fd)
    return folders
