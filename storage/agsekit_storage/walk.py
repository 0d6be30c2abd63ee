"""One pass over a source folder: what is there now, minus what the rules leave out."""

from __future__ import annotations

import errno
import os
import stat
from array import array
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Optional

from agsekit_storage.cursor import EXHAUSTED, FolderCursor
from agsekit_storage.errors import SourceUnavailable
from agsekit_storage.ignore import IGNORE_FILE, FolderRules, IgnoreRules, Verdict
from agsekit_storage.ignore_file import RuleSource
from agsekit_storage.listing import KIND, listing, no_garbage_collection, pack, read_links
from agsekit_storage.model import Problem
from agsekit_storage.stamps import Stamps
from agsekit_storage.tree import MODE, WIDTH, Folder, Tree, clamp_row, join, split, stat_row

_MOST_LEVELS = 2000
_LONGEST_PATH = 16 * 1024
"""Bytes; a system call takes a quarter of it. The paths of folders within folders need memory by the square of their
depth, and an agent makes such folders by the ten thousand in a second."""


def walk(
    source: bytes,
    rules: IgnoreRules,
    *,
    previous: Optional[Tree] = None,
    frozen: Optional[Mapping[bytes, bytes]] = None,
    overrides: Mapping[bytes, Optional[bytes]] = MappingProxyType({}),
    on_problem: Callable[[Problem], None] = lambda problem: None,
) -> Tree:
    """Look at every file and folder below `source` once and return what is there.

    Args:
        source: an absolute path. No link below it is followed.
        rules: the excludes; the `.backupignore` files are found on the way.
        previous: an earlier tree of the same source. A folder whose ctime has not moved is not listed
            again, which saves half of the time; the result is the same without it.
        frozen: contents of the `.backupignore` files by folder, to be used instead of what the
            source says now.
        overrides: the same for single folders; None means that there is no such file.
        on_problem: called for every path that cannot be looked at.

    Returns:
        The tree. Content digests are those of `previous` for folders that have not changed at all; `compare`
        fills in the others. A ctime of 0 marks an entry that could still change under the same stamp.

    Raises:
        SourceUnavailable: the source itself is missing, not a folder, or unreadable.
    """
    with no_garbage_collection():
        return Walk(source, rules, previous, RuleSource(frozen, overrides), on_problem).run()


class Walk:
    """One pass over a source; `partial_walk` makes it of single paths."""

    def __init__(
        self,
        source: bytes,
        rules: IgnoreRules,
        previous: Optional[Tree],
        rule_source: RuleSource,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self._source = source
        self._rules = rules
        self._before = previous.folders if previous else {}
        self._rules_before = previous.rule_files if previous else {}
        self._trusted = previous is not None and previous.rules == rules.fingerprint
        self._rule_source = rule_source
        self._problem = on_problem
        self._folders: dict[bytes, Folder] = {}
        self._rule_files: dict[bytes, bytes] = {}
        self._brought_back: list[bytes] = []
        self._device = 0
        self._stamps = Stamps()

    def run(self) -> Tree:
        try:
            cursor = FolderCursor(self._source)
        except OSError as error:
            raise self._unavailable(error) from error
        with cursor:
            self._device = cursor.status.st_dev
            try:
                top = self._visit(cursor, b"", self._rules.root(), self._trusted)
            except OSError as error:
                raise self._unavailable(error) from error
            self._descend(cursor, top)
            root = clamp_row(stat_row(cursor.status))
        self._drop_empty_brought_back()
        return Tree(root, self._device, self._folders, self._rules.fingerprint, rule_files=self._rule_files)

    def _unavailable(self, error: OSError) -> SourceUnavailable:
        return SourceUnavailable(
            "the source folder {source} cannot be read: {reason}",
            hint="check that it exists, is a folder, and that you may read it",
            source=os.fsdecode(self._source),
            reason=error.strerror,
        )

    def _descend(self, cursor: FolderCursor, top: list[tuple[bytes, FolderRules, bool]]) -> None:
        stack = [top]
        while stack:
            if not stack[-1]:
                stack.pop()
                if stack:
                    try:
                        cursor.leave()
                    except OSError as error:
                        # Moved away under our feet, far from the root: what is left of it is unknown.
                        while stack[-1]:
                            self._unlistable(join(cursor.path, stack[-1].pop()[0]), error)
                continue
            name, rules, trusted = stack[-1].pop()
            path = join(cursor.path, name)
            if cursor.depth >= _MOST_LEVELS or len(path) > _LONGEST_PATH:
                self._unlistable(path, OSError(errno.ENAMETOOLONG, "nested too deeply"))
                continue
            try:
                cursor.enter(name)
            except OSError as error:
                self._unlistable(path, error)
                continue
            try:
                stack.append(self._visit(cursor, path, rules, trusted))
            except OSError as error:
                self._unlistable(path, error)
                stack.append([])
            else:
                self._now_listed(path)

    def _visit(
        self, cursor: FolderCursor, path: bytes, rules: FolderRules, trusted: bool
    ) -> list[tuple[bytes, FolderRules, bool]]:
        """Record one folder and return its subfolders that are to be entered, the last one first."""
        status = cursor.status
        if status.st_dev != self._device:
            self._folders[path] = Folder([], array("q"))
            self._problem(Problem(path, "other-filesystem"))
            return []
        identity = (status.st_ino, status.st_ctime_ns)
        previous = self._before.get(path) if trusted else None
        if previous and (previous.identity != identity or not identity[1]):
            previous = None
        found = None if previous else listing(cursor.fd)
        has_rules = IGNORE_FILE in (previous.names if previous else found or ())
        if has_rules or path in self._rules_before or path in self._rule_source:
            rules, same = self._read_rules(cursor.fd, path, rules)
            trusted = trusted and same
        folder = self._same_names(cursor.fd, previous, identity) if previous and trusted else None
        if folder is None:
            folder = self._judge(cursor.fd, path, rules, identity, found or listing(cursor.fd))
        self._folders[path] = folder
        subfolders = [
            (name, rules.enter(name), trusted)
            for name, mode in zip(folder.names, folder.stats[MODE::WIDTH])
            if mode & KIND == stat.S_IFDIR
        ]
        subfolders.reverse()
        return subfolders

    def _read_rules(self, fd: int, path: bytes, rules: FolderRules) -> tuple[FolderRules, bool]:
        """Take a `.backupignore` of this folder into account, and tell whether it says the same as before."""
        content = None
        if not rules.excluded:
            content, reason = self._rule_source.read(fd, path)
            if reason:
                self._problem(Problem(join(path, IGNORE_FILE), "rules-unusable", reason))
        if content is not None:
            self._rule_files[path] = content
            rules = rules.with_file(path, content)
            for sentence in rules.problems:
                self._problem(Problem(join(path, IGNORE_FILE), "rules-unusable", sentence))
        return rules, self._rules_before.get(path) == content

    def _same_names(self, fd: int, previous: Folder, identity: tuple[int, int]) -> Optional[Folder]:
        """Look at the known names of a folder that has not changed; None when it has to be listed after all."""
        look = os.stat
        try:
            rows = [stat_row(look(name, dir_fd=fd, follow_symlinks=False)) for name in previous.names]
        except OSError:
            return None
        packed = pack(rows)
        if memoryview(previous.stats).cast("B") == packed:
            return previous
        folder = Folder(
            previous.names,
            array("q", packed),
            identity=identity,
            links=dict(previous.links),
            ignored=previous.ignored,
        )
        self._stamps.mark(folder)
        return None if read_links(fd, folder, previous) else folder

    def _judge(
        self, fd: int, path: bytes, rules: FolderRules, identity: tuple[int, int], found: dict[bytes, bool]
    ) -> Folder:
        """Record the names of a listing that the rules let through."""
        kept: list[tuple[bytes, Sequence[int]]] = []
        ignored: list[bytes] = []
        unknown: dict[bytes, OSError] = {}
        judge = rules.judge
        look_below = False
        for name, is_folder in found.items():
            verdict = judge(name, is_folder)
            if verdict is Verdict.IGNORE:
                ignored.append(name)
                continue
            try:
                kept.append((name, stat_row(os.stat(name, dir_fd=fd, follow_symlinks=False))))
            except PermissionError:
                # The folder may be listed but not searched: nothing is known of what is in it.
                raise
            except OSError as error:
                if error.errno != errno.ENOENT:
                    unknown[name] = error
                continue
            if verdict is Verdict.ENTER:
                # Only what a later rule brings back below it counts, so it has to be looked into
                # each time: nothing of that shows in the ctime of this folder.
                look_below = True
                self._brought_back.append(join(path, name))
        kept.sort()
        folder = Folder(
            [name for name, _ in kept],
            array("q", pack([row for _, row in kept])),
            identity=(0, 0) if look_below or self._stamps.is_racy(identity[1]) else identity,
            ignored=ignored,
        )
        unknown.update(read_links(fd, folder, None))
        folder = self._without_unknown(path, folder, unknown) if unknown else folder
        self._stamps.mark(folder)
        before = self._before.get(path)
        return before if before and before.same_as(folder) else folder

    def _without_unknown(self, path: bytes, folder: Folder, unknown: dict[bytes, OSError]) -> Folder:
        """Leave out what is there, but nobody knows what: to a restore it is like what the rules leave out."""
        known = folder.without(frozenset(unknown))
        known.identity, known.ignored = (0, 0), [*folder.ignored, *unknown]
        for name, reason in unknown.items():
            self._report(join(path, name), reason)
        return known

    def _unlistable(self, path: bytes, error: OSError) -> None:
        if error.errno in EXHAUSTED:
            raise error
        parent, _, name = path.rpartition(b"/")
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self._folders.pop(path, None)
            self._folders[parent] = self._folders[parent].without(frozenset([name]))
            return
        self._folders[path] = Folder([], array("q"))
        self._own(parent).missing.add(name)
        self._report(path, error)

    def _now_listed(self, path: bytes) -> None:
        parent, name = split(path)
        if name in self._folders[parent].missing:
            self._own(parent).missing.discard(name)

    def _own(self, path: bytes) -> Folder:
        """Return a folder that the tree of before does not share."""
        if self._folders[path] is self._before.get(path):
            self._folders[path] = self._folders[path].without(frozenset())
        return self._folders[path]

    def _report(self, path: bytes, error: OSError) -> None:
        self._problem(Problem(path, "unreadable", error.strerror or ""))

    def _drop_empty_brought_back(self) -> None:
        for path in reversed(self._brought_back):
            folder = self._folders.get(path)
            if folder is not None and not folder.names:
                del self._folders[path]
                parent, _, name = path.rpartition(b"/")
                self._folders[parent] = self._folders[parent].without(frozenset([name]))
