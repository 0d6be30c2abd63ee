"""The folders of a record, each made of the record's columns when it is first asked for.

Most of what reads a record wants a few of its folders, and a process that holds one for hours needs the others no
less compact than they are on the disk.
"""

from __future__ import annotations

import stat
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Optional

from agsekit_storage.errors import StoreDamaged
from agsekit_storage.ignore import IGNORE_FILE
from agsekit_storage.overview import Uncertain
from agsekit_storage.tree import CTIME, DIGEST_SIZE, MODE, WIDTH, Folder

_ALL_AT_ONCE = 256
"""From this many folders on it pays to turn all columns into rows."""
_ZERO = bytes(8)


class Sections(NamedTuple):
    """The sections of a record that say what is in its folders; see `record` for their form.

    `attributes` and `missing` go by the number of the name, `ignored` by the number of the folder.
    """

    paths: Sequence[bytes]
    counts: Sequence[int]
    identities: bytes
    names: bytes
    stats: bytes
    digests: bytes
    targets: Sequence[bytes]
    attributes: Mapping[int, bytes]
    missing: frozenset[int]
    ignored: Mapping[int, list[bytes]]


class Columns:
    """The folders of one record.

    Raises:
        ValueError: the sections do not fit together.
    """

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._firsts = [0, *accumulate(sections.counts)]
        self._count = count = self._firsts[-1]
        if not len(sections.paths) == len(sections.counts) == len(sections.identities) // 16:
            raise ValueError("the sections do not fit together")
        if sections.names.count(b"\0") != count or len(sections.stats) != count * WIDTH * 8:
            raise ValueError("the columns do not fit the names")
        if len(sections.digests) != count * DIGEST_SIZE:
            raise ValueError("the digests do not fit the names")
        self._names: Optional[list[bytes]] = None
        self._rows: Optional[array[int]] = None
        self._links: Optional[dict[int, dict[bytes, bytes]]] = None
        self._identities = _numbers(sections.identities)
        self._filled = 0
        self._rare: dict[int, list[int]] = {}
        for number in {*sections.attributes, *sections.missing}:
            self._rare.setdefault(self._folder_of(number), []).append(number)

    def folders(self) -> dict[bytes, Folder]:
        """Return all folders by their paths; each is filled when it is first looked into."""
        found: dict[bytes, Folder] = {}
        for number, path in enumerate(self._sections.paths):
            folder = found[path] = StoredFolder.__new__(StoredFolder)
            folder.columns, folder.number = self, number
        return found

    def uncertain(self) -> Uncertain:
        """Return what is uncertain in these folders."""
        uncertain = Uncertain({}, set(), set())
        sections = self._sections
        ctimes = sections.stats[CTIME * self._count * 8 : (CTIME + 1) * self._count * 8]
        unsettled: dict[int, set[int]] = {}
        for number in {*_zeros(ctimes), *sections.missing}:
            unsettled.setdefault(self._folder_of(number), set()).add(number)
        for folder, numbers in unsettled.items():
            uncertain.unsettled[sections.paths[folder]] = frozenset(map(self._name, numbers))
        uncertain.unlisted.update(sections.paths[place // 2] for place in _zeros(sections.identities) if place % 2)
        uncertain.rule_holders.update(sections.paths[self._folder_of(number)] for number in self._rule_files())
        return uncertain

    def fill(self, folder: Folder, number: int) -> None:
        """Make a folder what the columns say."""
        sections = self._sections
        first, last = self._firsts[number], self._firsts[number + 1]
        # Without `Folder.__init__` and its many arguments: a walk asks for every folder.
        folder.names = (self._names or self._all_names())[first:last]
        folder.identity = self._identities[2 * number], self._identities[2 * number + 1]
        if self._rows is None:
            folder.stats = self._single_rows(first, last)
        else:
            folder.stats = self._rows[first * WIDTH : last * WIDTH]
        folder.digests = bytearray(sections.digests[first * DIGEST_SIZE : last * DIGEST_SIZE])
        folder.links = self._links_of(number) if sections.targets else {}
        folder.xattrs, folder.missing = {}, set()
        for each in self._rare.get(number, ()):
            if each in sections.attributes:
                folder.xattrs[self._name(each)] = sections.attributes[each]
            if each in sections.missing:
                folder.missing.add(self._name(each))
        folder.ignored = sections.ignored.get(number, ())

    def _single_rows(self, first: int, last: int) -> array[int]:
        self._filled += 1
        if self._filled > _ALL_AT_ONCE:
            self._rows = _to_rows(self._sections.stats, self._count, 0, self._count)
        return _to_rows(self._sections.stats, self._count, first, last)

    def _all_names(self) -> list[bytes]:
        if self._names is None:
            self._names = self._sections.names.split(b"\0")
        return self._names

    def _name(self, number: int) -> bytes:
        return self._all_names()[number]

    def _folder_of(self, number: int) -> int:
        """Return the number of the folder that a name is in."""
        if not 0 <= number < self._count:
            raise ValueError("a number is beyond the names")
        return bisect_right(self._firsts, number) - 1

    def _rule_files(self) -> Iterator[int]:
        """Yield the numbers of the names that are those of rule files."""
        names, wanted = b"\0" + self._sections.names, b"\0%s\0" % IGNORE_FILE
        place = names.find(wanted)
        while place >= 0:
            yield names.count(b"\0", 0, place)
            place = names.find(wanted, place + 1)

    def _links_of(self, folder: int) -> dict[bytes, bytes]:
        if self._links is None:
            targets = self._sections.targets
            modes = _numbers(self._sections.stats[MODE * self._count * 8 : (MODE + 1) * self._count * 8])
            positions = [position for position, mode in enumerate(modes) if stat.S_IFMT(mode) == stat.S_IFLNK]
            if len(positions) != len(targets):
                raise StoreDamaged("a record has another number of links than of their targets")
            self._links = {}
            for position, target in zip(positions, targets):
                self._links.setdefault(self._folder_of(position), {})[self._name(position)] = target
        return self._links.pop(folder, {})


class StoredFolder(Folder):
    """A folder of a record that is filled when anything of it is asked for."""

    __slots__ = ("columns", "number")

    columns: Optional[Columns]
    number: int

    def __getattr__(self, name: str) -> Any:
        """Fill the folder; Python asks here for what is not there yet."""
        if name not in Folder.__slots__ or self.columns is None:
            raise AttributeError(name)
        self.columns.fill(self, self.number)
        self.columns = None
        return getattr(self, name)


def _zeros(column: bytes) -> Iterator[int]:
    """Yield the positions of the 64-bit numbers that are 0."""
    place = column.find(_ZERO)
    while place >= 0:
        if place % 8 == 0:
            yield place // 8
            place += 7
        place = column.find(_ZERO, place + 1)


def _numbers(column: bytes) -> array[int]:
    numbers = array("q")
    numbers.frombytes(column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _to_rows(columns: bytes, count: int, first: int, last: int) -> array[int]:
    """Return some rows of a table whose columns, of `count` numbers each, stand one after the other."""
    rows = array("q", bytes(8 * WIDTH * (last - first)))
    for column in range(WIDTH):
        start = column * count
        rows[column::WIDTH] = _numbers(columns[8 * (start + first) : 8 * (start + last)])
    return rows
