"""The Tree record of a snapshot: everything about it except the contents of its files.

A record is one file: the line `agsekit-tree 1`, a line of eight hex digits (the CRC-32 of the rest), a space and JSON
(the header), then one zlib stream (the body).
`snapshots list` reads the headers only. The body is the little-endian concatenation of sections, each preceded by its
length in bytes as an unsigned 64-bit number, in the order of `_SECTIONS`:

    folders     the path of each folder, each ended by NUL, in tree order
    counts      uint32 per folder: how many names it has
    identities  int64 × 2 per folder: its inode, and its ctime when it was listed (0: may have changed unseen)
    names       the names of all folders one after the other, each ended by NUL
    stats       int64 per name, one whole column after the other in the order of `model.COLUMNS`
    digests     20 bytes per name, zeros where there is none; git backend: the id of the blob or the tree
    links       the target of each symbolic link in the order of the names, each ended by NUL
    xattrs      per name that has any: number of the name, NUL, length, NUL, the bytes of `xattr.encode`
    missing     per name whose content is not in the snapshot: number of the name, NUL
    ignored     per name left out by the rules: number of the folder, NUL, the name, NUL
    rules       per `.backupignore`: folder, NUL, length, NUL, content
    root        int64 × 8: the columns of the source folder itself, then its device; then its xattrs
    gone        the path of each folder of the base that is not there any more, each ended by NUL

A record whose header names a `base` holds only the folders that differ from those of that record, which is whole:
its cost follows what changed. All other folders are those of the base.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO, Optional

from agsekit_storage.columns import Columns, Sections
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.overview import Totals
from agsekit_storage.tree import WIDTH, Folder, Tree, in_walk_order

MAGIC = b"agsekit-tree 1\n"
_LARGEST_HEADER = 16 * 1024 * 1024
_LENGTH = struct.Struct("<Q")

Header = dict[str, Any]


def encode(header: Header, tree: Tree, *, only: Optional[Collection[bytes]] = None) -> bytes:
    """Return the record of a tree as bytes; with `only`, of the folders that differ from those of its base."""
    packer = zlib.compressobj(1)
    parts: list[bytes] = []
    folders = tree.folders
    gone: list[bytes] = []
    if only is not None:
        folders = {path: tree.folders[path] for path in sorted(only, key=in_walk_order) if path in tree.folders}
        gone = [path for path in only if path not in tree.folders]
    for section in (*_sections(tree, folders), _terminated(gone)):
        parts.append(packer.compress(_LENGTH.pack(len(section))))
        parts.append(packer.compress(section))
    parts.append(packer.flush())
    return join_header(header, b"".join(parts))


def join_header(header: Header, body: bytes) -> bytes:
    """Return a record with this header and a body that `encode` made."""
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + b"%08x " % zlib.crc32(line) + line + b"\n" + body


def read_header(file: BinaryIO) -> Header:
    """Read the header and leave the file at the body.

    Raises:
        StoreDamaged: this is not a record.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise StoreDamaged("it does not begin like a record of agsekit")
    try:
        checksum, _, line = file.readline(_LARGEST_HEADER).rstrip(b"\n").partition(b" ")
        if int(checksum, 16) != zlib.crc32(line):
            raise ValueError(checksum)
        header = json.loads(line)
    except ValueError:
        raise StoreDamaged("its header cannot be read") from None
    if not isinstance(header, dict):
        raise StoreDamaged("its header cannot be read")
    return header


def decode(file: BinaryIO, base: Callable[[str], Tree]) -> tuple[Header, Tree]:
    """Read a whole record; `base` reads the one it builds upon.

    Raises:
        StoreDamaged: it is truncated or altered.
    """
    header = read_header(file)
    try:
        tree, gone = _tree(memoryview(zlib.decompress(file.read())))
    except (zlib.error, struct.error, ValueError, IndexError, KeyError, StopIteration) as error:
        raise StoreDamaged("its body cannot be read ({reason})", reason=error) from None
    tree.rules = str(header.get("rules", ""))
    if all(isinstance(header.get(each), int) for each in Totals._fields):
        tree.totals = Totals(*(header[each] for each in Totals._fields))
    if header.get("base"):
        _build_upon(tree, gone, str(header["base"]), base(str(header["base"])))
    return header, tree


def _build_upon(tree: Tree, gone: list[bytes], name: str, base: Tree) -> None:
    """Complete a tree of differences with the folders of its base."""
    folders = dict(base.folders)
    for path in gone:
        folders.pop(path, None)
    known = len(folders)
    folders.update(tree.folders)
    if len(folders) > known:
        folders = {path: folders[path] for path in sorted(folders, key=in_walk_order)}
    tree.base, tree.since_base = name, frozenset((*tree.folders, *gone))
    if base.uncertain is not None and tree.uncertain is not None:
        tree.uncertain = base.uncertain.updated(tree.since_base, tree.uncertain)
    tree.folders = folders


def _sections(tree: Tree, by_path: Mapping[bytes, Folder]) -> Iterator[bytes]:
    folders = list(by_path.values())
    names = [name for folder in folders for name in folder.names]
    stats = array("q")
    for folder in folders:
        stats.extend(folder.stats)
    yield _terminated(list(by_path))
    yield _little(array("I", [len(folder.names) for folder in folders]))
    yield _little(array("q", [number for folder in folders for number in folder.identity]))
    yield _terminated(names)
    yield b"".join(_little(stats[column::WIDTH]) for column in range(WIDTH))
    yield b"".join(folder.digests for folder in folders)
    yield _terminated([f.links[name] for f in folders if f.links for name in f.names if name in f.links])
    yield from _sparse_sections(folders)
    yield b"".join(b"%s\0%d\0%s" % (path, len(text), text) for path, text in tree.rule_files.items())
    yield _little(array("q", [*tree.root, tree.device])) + (tree.root_xattrs or b"")


def _sparse_sections(folders: list[Folder]) -> Iterator[bytes]:
    attributes, missing, ignored = [], [], []
    first = 0
    for number, folder in enumerate(folders):
        if folder.xattrs or folder.missing:
            for position, name in enumerate(folder.names, first):
                value = folder.xattrs.get(name)
                if value:
                    attributes.append(b"%d\0%d\0%s" % (position, len(value), value))
                if name in folder.missing:
                    missing.append(b"%d\0" % position)
        ignored += [b"%d\0%s\0" % (number, name) for name in folder.ignored]
        first += len(folder.names)
    yield b"".join(attributes)
    yield b"".join(missing)
    yield b"".join(ignored)


def _tree(body: memoryview) -> tuple[Tree, list[bytes]]:
    sections = _split(body)
    paths = _names(next(sections))
    columns = Columns(
        Sections(
            paths,
            _numbers("I", next(sections)),
            bytes(next(sections)),
            bytes(next(sections)),
            bytes(next(sections)),
            bytes(next(sections)),
            _names(next(sections)),
            {int(key): value for key, value in _counted(next(sections))},
            frozenset(map(int, _names(next(sections)))),
            _by_number(_names(next(sections))),
        )
    )
    rules = dict(_counted(next(sections)))
    root = bytes(next(sections))
    fixed = _numbers("q", memoryview(root)[: (WIDTH + 1) * 8])
    xattrs = root[(WIDTH + 1) * 8 :] or None
    tree = Tree(list(fixed[:WIDTH]), fixed[WIDTH], columns.folders(), rule_files=rules, root_xattrs=xattrs)
    tree.uncertain = columns.uncertain()
    return tree, _names(next(sections))


def _by_number(parts: list[bytes]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for number, name in zip(parts[::2], parts[1::2]):
        found.setdefault(int(number), []).append(name)
    return found


def _split(body: memoryview) -> Iterator[memoryview]:
    position = 0
    while position < len(body):
        (length,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        if position + length > len(body):
            raise ValueError("a section is cut short")
        yield body[position : position + length]
        position += length


def _terminated(names: list[bytes]) -> bytes:
    return b"\0".join(names) + b"\0" if names else b""


def _names(section: memoryview) -> list[bytes]:
    return bytes(section).split(b"\0")[:-1]


def _little(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(kind: str, section: memoryview) -> array[int]:
    numbers = array(kind)
    numbers.frombytes(section)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _counted(section: memoryview) -> Iterator[tuple[bytes, bytes]]:
    """Yield the key and the bytes of entries `key NUL length NUL bytes`."""
    rest = bytes(section)
    position = 0
    while position < len(rest):
        key_end = rest.index(b"\0", position)
        length_end = rest.index(b"\0", key_end + 1)
        end = length_end + 1 + int(rest[key_end + 1 : length_end])
        if end > len(rest):
            raise ValueError("an entry is cut short")
        yield rest[position:key_end], rest[length_end + 1 : end]
        position = end
