"""The state of a folder at one moment, in the form that 100,000 files fit into a few megabytes."""

from __future__ import annotations

import operator
import stat
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from agsekit_storage.overview import Totals, Uncertain

DIGEST_SIZE = 20
"""Bytes of a content digest: BLAKE2b cut to 160 bits, or a git object id."""

NO_DIGEST = bytes(DIGEST_SIZE)
"""Stands where there is no content: links, files that have not been read, and folders.

Only the git backend has a digest for a folder: the id of its tree object.
"""

COLUMNS = ("mode", "size", "mtime_ns", "ctime_ns", "inode", "uid", "gid", "nlink")
MODE, SIZE, MTIME, CTIME, INODE, UID, GID, NLINK = range(8)
WIDTH = len(COLUMNS)

_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)

stat_row = operator.attrgetter(
    "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_uid", "st_gid", "st_nlink"
)
"""The columns of one `os.stat_result`, in the order of `COLUMNS`."""

Row = Sequence[int]


def clamp_row(row: Iterable[int]) -> list[int]:
    """Fit a row into signed 64 bits: some file systems have inode numbers and years beyond."""
    columns = list(row)
    if max(columns) <= _INT64_MAX and min(columns) >= _INT64_MIN:
        return columns
    return [min(max(value, _INT64_MIN), _INT64_MAX) for value in columns]


class Entry(NamedTuple):
    """One path of a tree. `path` is relative to the source; `link` is a symbolic link's target."""

    path: bytes
    row: Row
    digest: bytes
    link: Optional[bytes]
    xattrs: Optional[bytes]


class Folder:
    """The entries directly inside one folder, sorted by name; everything is indexed by position.

    Attributes:
        names: the names that are kept.
        stats: `WIDTH` numbers per name, the columns of `COLUMNS`.
        digests: `DIGEST_SIZE` bytes per name.
        links: the targets of the symbolic links.
        xattrs: extended attributes of those names that have any, as `xattr.encode` makes them.
        missing: names whose content could not be read, so no snapshot holds it yet; for a folder:
            it could not be listed.
        ignored: names that the rules leave out, remembered so that they need not be judged again.
        identity: inode and ctime of the folder itself when it was listed; ctime 0 when it may have
            changed unseen since.
    """

    __slots__ = ("digests", "identity", "ignored", "links", "missing", "names", "stats", "xattrs")

    def __init__(
        self,
        names: list[bytes],
        stats: array[int],
        *,
        identity: tuple[int, int] = (0, 0),
        digests: Optional[bytearray] = None,
        links: Optional[dict[bytes, bytes]] = None,
        xattrs: Optional[dict[bytes, bytes]] = None,
        missing: Iterable[bytes] = (),
        ignored: Sequence[bytes] = (),
    ) -> None:
        self.names = names
        self.stats = stats
        self.identity = identity
        self.digests = bytearray(DIGEST_SIZE * len(names)) if digests is None else digests
        self.links = links or {}
        self.xattrs = xattrs or {}
        self.missing = set(missing)
        self.ignored = ignored

    def row(self, index: int) -> array[int]:
        """Return the columns of the name at `index`."""
        return self.stats[index * WIDTH : (index + 1) * WIDTH]

    def rows(self) -> Iterator[array[int]]:
        """Yield the columns of every name."""
        return map(self.row, range(len(self.names)))

    def set_row(self, index: int, row: Row) -> None:
        """Replace the columns of the name at `index`."""
        self.stats[index * WIDTH : (index + 1) * WIDTH] = array("q", row)

    def digest(self, index: int) -> bytes:
        """Return the content digest of the name at `index`, `NO_DIGEST` when there is none."""
        return bytes(self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE])

    def set_digest(self, index: int, digest: bytes) -> None:
        """Replace the content digest of the name at `index`."""
        self.digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE] = digest

    def index(self) -> dict[bytes, int]:
        """Return the position of every name."""
        return {name: position for position, name in enumerate(self.names)}

    def position(self, name: bytes) -> int:
        """Return the position of one name.

        Raises:
            KeyError: it is not there.
        """
        position = bisect_left(self.names, name)
        if position == len(self.names) or self.names[position] != name:
            raise KeyError(name)
        return position

    def same_as(self, other: Folder) -> bool:
        """Tell whether another folder is the same as far as a walk can see; a stamp that may hide a write is not."""
        return (
            self.identity == other.identity
            and self.stats == other.stats
            and self.names == other.names
            and self.links == other.links
            and self.ignored == other.ignored
            and 0 not in self.stats[CTIME::WIDTH]
        )

    def copy(self) -> Folder:
        """Return a folder of its own that is the same."""
        return Folder(
            list(self.names),
            self.stats[:],
            identity=self.identity,
            digests=self.digests[:],
            links=dict(self.links),
            xattrs=dict(self.xattrs),
            missing=self.missing,
            ignored=self.ignored,
        )

    def put(self, name: bytes, row: Row, link: Optional[bytes]) -> None:
        """Add a name, or forget all that was known of it; `link` is the target of a symbolic link."""
        self.drop(name)
        position = bisect_left(self.names, name)
        self.names.insert(position, name)
        self.stats[position * WIDTH : position * WIDTH] = array("q", row)
        self.digests[position * DIGEST_SIZE : position * DIGEST_SIZE] = NO_DIGEST
        if link is not None:
            self.links[name] = link

    def drop(self, name: bytes) -> None:
        """Remove a name if it is there."""
        position = bisect_left(self.names, name)
        if position < len(self.names) and self.names[position] == name:
            del self.names[position]
            del self.stats[position * WIDTH : (position + 1) * WIDTH]
            del self.digests[position * DIGEST_SIZE : (position + 1) * DIGEST_SIZE]
            self.links.pop(name, None)
            self.xattrs.pop(name, None)
            self.missing.discard(name)

    def without(self, names: frozenset[bytes]) -> Folder:
        """Return a folder without some of its names."""
        keep = [position for position, name in enumerate(self.names) if name not in names]
        stats = array("q")
        digests = bytearray()
        for position in keep:
            stats.extend(self.row(position))
            digests += self.digest(position)
        return Folder(
            [self.names[position] for position in keep],
            stats,
            identity=self.identity,
            digests=digests,
            links={name: target for name, target in self.links.items() if name not in names},
            xattrs={name: value for name, value in self.xattrs.items() if name not in names},
            missing=self.missing - names,
            ignored=self.ignored,
        )


@dataclass
class Tree:
    """A whole folder at one moment.

    Attributes:
        root: the columns of the source folder itself.
        device: the file system (`st_dev`) of the source.
        folders: every folder by its path relative to the source (`b""` is the source itself),
            parents before their children and each folder followed at once by all that is below it.
        rules: fingerprint of the excludes it was walked with.
        rule_files: contents of the `.backupignore` files it was walked with, by folder.
        root_xattrs: extended attributes of the source folder itself.
        touched: the mtime_ns that the newest snapshot has, for paths that an earlier walk found with
            another time and nothing else new (`.` is the source itself).
        base: name of the record that this tree's record builds upon, empty when it has none yet.
        since_base: the folders that differ from those of the base, or are gone since.
        totals, uncertain: what `overview` has found out about this tree.
    """

    root: Row
    device: int
    folders: dict[bytes, Folder]
    rules: str = ""
    rule_files: Mapping[bytes, bytes] = field(default_factory=dict)
    root_xattrs: Optional[bytes] = None
    touched: Mapping[bytes, int] = field(default_factory=dict)
    base: str = ""
    since_base: frozenset[bytes] = frozenset()
    totals: Optional[Totals] = field(default=None, repr=False, compare=False)
    uncertain: Optional[Uncertain] = field(default=None, repr=False, compare=False)

    def differing(self, before: Tree) -> frozenset[bytes]:
        """Return the folders that this tree does not share with another, or that are only in the other."""
        changed = {path for path, folder in self.folders.items() if folder is not before.folders.get(path)}
        return frozenset(changed.union(before.folders.keys() - self.folders.keys()))

    def build_upon(self, before: Tree, differing: frozenset[bytes]) -> None:
        """Let the record of this tree say only what differs from `before`, and what its record says."""
        self.base = before.base
        self.since_base = before.since_base | differing

    def row(self, path: bytes) -> Row:
        """Return the columns of one path.

        Raises:
            KeyError: it is not there.
        """
        folder_path, name = split(path)
        folder = self.folders[folder_path]
        return folder.row(folder.position(name))

    def is_unlisted(self, path: bytes) -> bool:
        """Tell whether the folder at a path could not be listed, so that nobody knows what is in it."""
        parent, name = split(path)
        return bool(path) and name in self.folders[parent].missing

    def entries(self) -> Iterator[Entry]:
        """Yield every path except the source itself, folder by folder."""
        for path, folder in self.folders.items():
            for position, name in enumerate(folder.names):
                yield Entry(
                    join(path, name),
                    folder.row(position),
                    folder.digest(position),
                    folder.links.get(name),
                    folder.xattrs.get(name),
                )

    def count_files(self) -> int:
        """Return the number of entries that are not folders."""
        if self.totals is not None:
            return self.totals.files
        return sum(len(folder.names) for folder in self.folders.values()) - len(self.folders) + 1


def in_walk_order(path: bytes) -> bytes:
    """Sort folders as a walk meets them: parents first, and each followed at once by all that is below it."""
    # No name has a byte that sorts before this one; a list of the names would need several times the memory.
    return path.replace(b"/", b"\0")


def folders_below(folders: Mapping[bytes, Folder], path: bytes) -> Iterator[bytes]:
    """Yield the path of a folder, if it is one of `folders`, and of all below it, parents first."""
    pending = [path]
    while pending:
        here = pending.pop()
        folder = folders.get(here)
        if folder is not None:
            yield here
            modes = zip(folder.names, folder.stats[MODE::WIDTH])
            pending += [join(here, name) for name, mode in modes if stat.S_ISDIR(mode)]


def join(folder: bytes, name: bytes) -> bytes:
    """Return the path of a name inside a folder of a tree."""
    return folder + b"/" + name if folder else name


def split(path: bytes) -> tuple[bytes, bytes]:
    """Return the folder and the name of a path of a tree."""
    folder, _, name = path.rpartition(b"/")
    return folder, name
