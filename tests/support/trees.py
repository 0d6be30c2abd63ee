"""Trees of files for tests: a description that can be compared, and ways to make and to change nasty ones.

Nothing here uses the code under test.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import stat
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Node(NamedTuple):
    """What a path is. `group` is the smallest path of the same inode when there are several; `content` a digest."""

    kind: str
    mode: int
    mtime_ns: int
    group: bytes
    target: bytes
    content: str
    xattrs: tuple[tuple[str, bytes], ...]


Description = dict[bytes, Node]

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
}


def describe(root: Path, *, leave_out: frozenset[bytes] = frozenset()) -> Description:
    """Describe every path below `root`, and `root` itself as `b"."`; works at any depth.

    Args:
        leave_out: paths that are not described, nor what is below them.
    """
    found: Description = {}
    inodes: dict[int, bytes] = {}
    fd = os.open(root, FOLDER & ~os.O_NOFOLLOW)
    try:
        found[b"."] = _folder_node(fd)
        _describe_folder(fd, b"", leave_out, found, inodes)
    finally:
        os.close(fd)
    return found


def saved_part(tree: Mapping[bytes, Node]) -> Description:
    """Return what a snapshot keeps of a description: no FIFOs, sockets and devices, no setuid bits."""
    kept = {path: node for path, node in tree.items() if node.kind in ("file", "folder", "link")}
    return {
        path: node._replace(mode=node.mode & 0o1777) if node.kind == "file" else node for path, node in kept.items()
    }


def without_times(tree: Mapping[bytes, Node]) -> Description:
    """Return a description in which every time is 0."""
    return {path: node._replace(mtime_ns=0) for path, node in tree.items()}


def without_folder_times(tree: Mapping[bytes, Node]) -> Description:
    """Return a description in which the times of folders are 0: they follow what happens inside."""
    return {path: node._replace(mtime_ns=0) if node.kind == "folder" else node for path, node in tree.items()}


def _describe_folder(
    fd: int, path: bytes, leave_out: frozenset[bytes], found: Description, inodes: dict[int, bytes]
) -> None:
    for name in sorted(map(os.fsencode, os.listdir(fd))):
        here = path + b"/" + name if path else name
        if here in leave_out:
            continue
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            below = os.open(name, FOLDER, dir_fd=fd)
            try:
                found[here] = _folder_node(below)
                _describe_folder(below, here, leave_out, found, inodes)
            finally:
                os.close(below)
            continue
        group = inodes.setdefault(status.st_ino, here) if status.st_nlink > 1 else here
        target = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else b""
        content, attributes = _content(name, fd) if stat.S_ISREG(status.st_mode) else ("", ())
        mode = 0 if target else stat.S_IMODE(status.st_mode)
        found[here] = Node(
            _KINDS[stat.S_IFMT(status.st_mode)], mode, status.st_mtime_ns, group, target, content, attributes
        )


def _folder_node(fd: int) -> Node:
    status = os.fstat(fd)
    return Node("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns, b"", b"", "", _attributes(fd))


def _attributes(fd: int) -> tuple[tuple[str, bytes], ...]:
    kept = ("user.", "system.posix_acl")
    return tuple((name, os.getxattr(fd, name)) for name in sorted(os.listxattr(fd)) if name.startswith(kept))


def _content(name: bytes, folder: int) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        digest = sha256(b"%d" % os.fstat(fd).st_size)
        for offset, data in _data(fd):
            digest.update(b"%d " % offset + data)
        return digest.hexdigest(), _attributes(fd)
    finally:
        os.close(fd)


def _data(fd: int) -> Iterator[tuple[int, bytes]]:
    """Yield the 64 KiB blocks of a file that are not all zeros; holes cost nothing."""
    block = 65536
    position, size = 0, os.fstat(fd).st_size
    while position < size:
        try:
            position = os.lseek(fd, position, os.SEEK_DATA) // block * block
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        data = os.pread(fd, block, position)
        if data.strip(b"\0"):
            yield position, data
        position += block


NASTY_NAMES = (
    b"new\nline",
    b"\xff\xfe",
    b"-rf",
    b" spaces ",
    b".git",
    b".GIT",
    b"git~1",
    b"percent%25",
    b"back\\slash",
    b"a[red]b",
    b"\x1b[31m",
    b"20260101-000000",
    b"20260101-000000-partial",
    b".trash-1",
    b".agsekit",
    b"...",
    b"~",
    b"a" * 255,
    "ünï".encode(),
)


def make_nasty_tree(root: Path) -> None:
    """Fill a folder with everything that a project may have and a backup may trip over."""
    top = os.fsencode(root)
    for number, name in enumerate(NASTY_NAMES):
        folder = os.path.join(top, b"names", name)
        os.makedirs(folder)
        write(os.path.join(folder, name), b"content %d" % number)
    write(os.path.join(top, b"empty"), b"")
    write(os.path.join(top, b"zeros"), bytes(300_000))
    write(os.path.join(top, b"mixed"), bytes(200_000) + b"x" + bytes(200_000))
    os.makedirs(os.path.join(top, b"empty folder", b"below"))
    write(os.path.join(top, b"first"), b"linked")
    os.link(os.path.join(top, b"first"), os.path.join(top, b"names", b"second"))
    for name, target in (
        (b"passwd", b"/etc/passwd"),
        (b"dangling", b"no such \xff thing"),
        (b"loop", b"loop"),
        (b"up", b"../../.."),
        (b"folder link", b"names"),
    ):
        os.symlink(target, os.path.join(top, name))
    for name, mode in ((b"private", 0o600), (b"program", 0o755), (b"read-only", 0o444)):
        write(os.path.join(top, name), name)
        os.chmod(os.path.join(top, name), mode)
    os.mkdir(os.path.join(top, b"closed"), 0o500)
    os.mkdir(os.path.join(top, b"shared"))
    os.chmod(os.path.join(top, b"shared"), 0o1777)
    for name, seconds in ((b"before 1970", -86400), (b"in 2106", 4294967296 + 5), (b"odd", 1_600_000_000)):
        write(os.path.join(top, name), name)
        os.utime(os.path.join(top, name), ns=(0, seconds * 1_000_000_000 + 123_456_789))


def make_special_files(root: Path) -> None:
    """Add a FIFO and a socket (devices need root and are the job of a test that checks for it)."""
    os.mkfifo(root / "fifo")
    server = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY)
    try:
        # The path of a socket may have 108 bytes at most.
        os.chdir(root)
        server.bind("socket")
    finally:
        os.fchdir(here)
        os.close(here)
        server.close()


def write(path: bytes, content: bytes) -> None:
    """Make or overwrite a file."""
    with open(path, "wb") as file:
        file.write(content)


def copy_tree(source: Path, destination: Path) -> None:
    """Make an exact copy, hard links within it and times included, that shares no inode with the source."""
    pairs: dict[int, bytes] = {}
    _copy_folder(os.fsencode(source), os.fsencode(destination), pairs)


def _copy_folder(source: bytes, destination: bytes, pairs: dict[int, bytes]) -> None:
    os.makedirs(destination, exist_ok=True)
    for entry in os.scandir(source):
        here, status = os.path.join(destination, entry.name), entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            _copy_folder(entry.path, here, pairs)
            continue
        if status.st_ino in pairs:
            os.link(pairs[status.st_ino], here, follow_symlinks=False)
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), here)
        else:
            with open(entry.path, "rb") as file:
                write(here, file.read())
            os.chmod(here, stat.S_IMODE(status.st_mode))
        pairs[status.st_ino] = here
        os.utime(here, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)
    status = os.stat(source)
    os.chmod(destination, stat.S_IMODE(status.st_mode))
    os.utime(destination, ns=(status.st_mtime_ns, status.st_mtime_ns))


class Editor:
    """Changes a tree at random, the same way for the same seed and tree.

    Args:
        sly: also make edits that keep size and time, as no tool sees that looks at those only.
        special: also make FIFOs.
    """

    def __init__(self, root: Path, seed: int, *, sly: bool = True, special: bool = True) -> None:
        self._root = os.fsencode(root)
        self._random = random.Random(seed)
        self._edits = [
            self.add_file,
            self.add_file,
            self.add_folder,
            self.add_link,
            self.add_hard_link,
            self.rewrite,
            self.replace,
            self.change_mode,
            self.touch,
            self.move,
            self.delete,
            self.change_kind,
            self.set_attribute,
        ]
        self._edits += [self.rewrite_slyly] if sly else []
        self._edits += [self.add_fifo] if special else []

    def run(self, edits: int) -> None:
        """Make some edits."""
        for _ in range(edits):
            self._random.choice(self._edits)()

    def add_file(self) -> None:
        write(self._new_path(), self._bytes())

    def add_folder(self) -> None:
        os.mkdir(self._new_path(), self._random.choice((0o755, 0o700, 0o775)))

    def add_link(self) -> None:
        os.symlink(self._random.choice((b"/etc/passwd", b"..", b"nothing", b"a\nb")), self._new_path())

    def add_fifo(self) -> None:
        os.mkfifo(self._new_path())

    def add_hard_link(self) -> None:
        path = self._pick("file")
        if path:
            os.link(path, self._new_path(), follow_symlinks=False)

    def rewrite(self) -> None:
        """Change a file in place, all its names with it."""
        path = self._pick("file")
        if path:
            write(path, self._bytes())

    def rewrite_slyly(self) -> None:
        """Change a file in place; its size and its time stay."""
        path = self._pick("file")
        if not path:
            return
        status = os.lstat(path)
        write(path, self._random.getrandbits(8 * status.st_size + 8).to_bytes(status.st_size + 1, "big")[1:])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def replace(self) -> None:
        """Move a new file over an old one, now and then with the content it had."""
        path = self._pick("file")
        if not path:
            return
        with open(path, "rb") as file:
            content = file.read() if self._random.random() < 0.4 else self._bytes()
        new = self._new_path()
        write(new, content)
        os.rename(new, path)

    def change_mode(self) -> None:
        path = self._pick("file", "folder")
        if path:
            os.chmod(path, self._random.choice((0o600, 0o644, 0o755, 0o700, 0o1777)))

    def touch(self) -> None:
        path = self._pick("file", "folder", "link")
        if path:
            moment = self._random.randrange(-(10**18), 5 * 10**18)
            os.utime(path, ns=(moment, moment), follow_symlinks=False)

    def move(self) -> None:
        path = self._pick("file", "folder", "link")
        target = self._new_path()
        if path and not target.startswith(path + b"/"):
            os.rename(path, target)

    def delete(self) -> None:
        path = self._pick("file", "folder", "link", "fifo")
        if path:
            _remove(path)

    def change_kind(self) -> None:
        path = self._pick("file", "folder", "link", "fifo")
        if not path:
            return
        _remove(path)
        kind = self._random.randrange(3)
        if kind == 0:
            write(path, self._bytes())
        elif kind == 1:
            os.mkdir(path)
            write(os.path.join(path, b"inside"), self._bytes())
        else:
            os.symlink(b"elsewhere", path)

    def set_attribute(self) -> None:
        path = self._pick("file", "folder")
        if path:
            os.setxattr(path, "user.test", self._bytes()[:20])

    def _bytes(self) -> bytes:
        return self._random.choice((b"", b"same", b"%d" % self._random.randrange(10**6), bytes(140_000) + b"end"))

    def _new_path(self) -> bytes:
        folders = [self._root, *(path for path, kind in self._paths() if kind == "folder")]
        folder = self._random.choice(folders)
        if folder.count(b"/") > self._root.count(b"/") + 5:
            folder = self._root
        while True:
            name = self._random.choice((b"n%d" % self._random.randrange(10**6), self._random.choice(NASTY_NAMES)))
            if not os.path.lexists(os.path.join(folder, name)):
                return os.path.join(folder, name)
            folder = self._root

    def _pick(self, *kinds: str) -> bytes:
        paths = [path for path, kind in self._paths() if kind in kinds]
        return self._random.choice(paths) if paths else b""

    def _paths(self) -> list[tuple[bytes, str]]:
        found = []
        for folder, folders, files in os.walk(self._root):
            for name in sorted([*folders, *files]):
                path = os.path.join(folder, name)
                found.append((path, _KINDS[stat.S_IFMT(os.lstat(path).st_mode)]))
        return sorted(found)


def _remove(path: bytes) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    for name in os.listdir(path):
        _remove(os.path.join(path, name))
    os.rmdir(path)
