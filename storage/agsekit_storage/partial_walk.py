"""A look at single paths of a source; all others are taken from an earlier tree as they are.

Whoever names the paths says that nothing else has changed. What they lead to is looked at through descriptors as in a
walk, every folder on the way included: one that was replaced is walked as a whole, one that is gone is left out with
all that was below it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Optional

from agsekit_storage.cursor import EXHAUSTED, FolderCursor
from agsekit_storage.dirty import is_usable, names_of, places
from agsekit_storage.ignore import IGNORE_FILE, FolderRules, IgnoreRules, Verdict
from agsekit_storage.ignore_file import RuleSource
from agsekit_storage.listing import listing, no_garbage_collection
from agsekit_storage.model import Problem
from agsekit_storage.overview import doubt, uncertain_of
from agsekit_storage.tree import (
    CTIME,
    INODE,
    MODE,
    NLINK,
    Folder,
    Row,
    Tree,
    clamp_row,
    folders_below,
    in_walk_order,
    join,
    split,
    stat_row,
)
from agsekit_storage.walk import Walk


class PartialTree(NamedTuple):
    """The whole tree, and the folders in which it may differ from the one before, or that are gone."""

    tree: Tree
    differing: frozenset[bytes]


class _NotEnough(Exception):
    """The dirty paths and the earlier tree do not tell the state of the source: it has to be walked."""


def walk_dirty(
    source: bytes,
    rules: IgnoreRules,
    dirty: AbstractSet[bytes],
    *,
    previous: Tree,
    frozen: Optional[Mapping[bytes, bytes]],
    overrides: Mapping[bytes, Optional[bytes]],
    on_problem: Callable[[Problem], None],
) -> Optional[PartialTree]:
    """Look at the dirty paths, and at what the earlier tree marks as uncertain.

    Returns:
        None when only a walk of everything can tell: the rules are others than before, a `.backupignore` is dirty,
        the source is another folder, or it moves too fast. The arguments are those of `walk`.
    """
    problems: list[Problem] = []
    with no_garbage_collection():
        try:
            found = _PartialWalk(source, rules, previous, RuleSource(frozen, overrides), problems.append).look(dirty)
        except _NotEnough:
            return None
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            return None
    for problem in problems:
        on_problem(problem)
    return PartialTree(found.tree, found.differing | doubt(found.tree, previous, dirty))


class _PartialWalk(Walk):
    def __init__(
        self,
        source: bytes,
        rules: IgnoreRules,
        previous: Tree,
        rule_source: RuleSource,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__(source, rules, previous, rule_source, on_problem)
        self._previous = previous
        self._folders = dict(previous.folders)
        self._rule_files = dict(previous.rule_files)
        self._rules_of: dict[bytes, FolderRules] = {}
        self._walked: set[bytes] = set()
        self._differing: set[bytes] = set()
        self._linked: set[int] = set()

    def look(self, dirty: AbstractSet[bytes]) -> PartialTree:
        if not self._trusted or not all(map(is_usable, dirty)):
            raise _NotEnough
        uncertain = uncertain_of(self._previous)
        with FolderCursor(self._source) as cursor:
            self._device = cursor.status.st_dev
            root = clamp_row(stat_row(cursor.status))
            if self._device != self._previous.device or root[INODE] != self._previous.root[INODE]:
                raise _NotEnough
            self._check_rules(cursor, uncertain.rule_holders)
            entries, listings = places(dirty, self._folders)
            listings |= uncertain.unlisted
            for path, names in uncertain.unsettled.items():
                entries.setdefault(path, set()).update(names)
            self._look_at(cursor, entries, listings)
            if self._linked:
                # What was done to a file, or to the number of its names, shows at its other names too.
                self._look_at(cursor, names_of(self._linked, self._folders), set())
        self._brought_back.sort(key=in_walk_order)
        self._drop_empty_brought_back()
        folders = self._folders
        if self._walked:
            folders = {path: folders[path] for path in sorted(folders, key=in_walk_order)}
        tree = Tree(root, self._device, folders, self._rules.fingerprint, rule_files=self._rule_files)
        return PartialTree(tree, frozenset(self._differing))

    def _check_rules(self, cursor: FolderCursor, holders: AbstractSet[bytes]) -> None:
        """Make sure that every `.backupignore` says what it said when the earlier tree was made."""
        told = [path for path in self._rule_source.folders() if path in self._folders]
        for path in sorted({*self._rule_files, *holders, *told}, key=in_walk_order):
            content, reason = self._rule_source.read(cursor.seek(path), path)
            # In a folder that is only looked into for what is brought back, it has no say.
            if content != self._rule_files.get(path) and not self._rules_in(path).excluded:
                raise _NotEnough
            problems = [reason] if reason else self._rules_in(path).problems if content is not None else ()
            for sentence in problems:
                self._problem(Problem(join(path, IGNORE_FILE), "rules-unusable", sentence))

    def _rules_in(self, path: bytes) -> FolderRules:
        """Return the rules for the entries of a known folder."""
        found = self._rules_of.get(path)
        if found is None:
            if path:
                parent, name = split(path)
                found = self._rules_in(parent).enter(name)
            else:
                found = self._rules.root()
            content = self._rule_files.get(path)
            if content is not None:
                found = found.with_file(path, content)
            self._rules_of[path] = found
        return found

    def _look_at(self, cursor: FolderCursor, entries: dict[bytes, set[bytes]], listings: set[bytes]) -> None:
        for path in [*entries, *listings]:
            while path:
                # Each folder on the way as well: what was put in its place would be taken for it.
                path, name = split(path)
                entries.setdefault(path, set()).add(name)
        for path in sorted(entries.keys() | listings, key=in_walk_order):
            if path in self._folders and not self._is_walked(path):
                self._look_into(cursor, path, entries.get(path, set()), listed=path in listings)

    def _is_walked(self, path: bytes) -> bool:
        """Tell whether a folder lies in one that was walked as a whole just now."""
        while path:
            if path in self._walked:
                return True
            path = split(path)[0]
        return False

    def _look_into(self, cursor: FolderCursor, path: bytes, names: set[bytes], *, listed: bool) -> None:
        """Bring one known folder up to date, and walk what is new in it."""
        old = self._folders[path]
        try:
            fd = cursor.seek(path)
            status = cursor.status
            if path and clamp_row(stat_row(status))[INODE] != self._row(path)[INODE]:
                raise _NotEnough  # replaced since a moment ago
            if status.st_dev != self._device:
                self._problem(Problem(path, "other-filesystem"))
                return
            rules = self._rules_in(path)
            if listed:
                new = self._judge(fd, path, rules, (status.st_ino, status.st_ctime_ns), listing(fd))
            else:
                new = self._judge_names(fd, path, rules, old, names)
        except OSError as error:
            if not path:
                raise
            self._forget_below(path)
            self._differing.add(path)
            self._unlistable(path, error)
            self._walked.add(path)
            return
        if (IGNORE_FILE in old.names) != (IGNORE_FILE in new.names):
            raise _NotEnough
        if rules.excluded:
            self._brought_back.append(path)
        if path and listed:
            self._now_listed(path)
        self._take_over(cursor, path, old, new, {*new.names, *old.names} if listed else names)

    def _row(self, path: bytes) -> Row:
        parent, name = split(path)
        return self._folders[parent].row(self._folders[parent].position(name))

    def _judge_names(self, fd: int, path: bytes, rules: FolderRules, old: Folder, names: Iterable[bytes]) -> Folder:
        """Record single names of a folder whose other names are taken as they are."""
        folder = old.copy()
        ignored = dict.fromkeys(old.ignored)
        for name in names:
            link = None
            try:
                row = clamp_row(stat_row(os.stat(name, dir_fd=fd, follow_symlinks=False)))
                verdict = rules.judge(name, stat.S_ISDIR(row[MODE]))
                if verdict is not Verdict.IGNORE and stat.S_ISLNK(row[MODE]):
                    link = os.readlink(name, dir_fd=fd)
            except PermissionError:
                raise
            except OSError as error:
                folder.drop(name)
                if error.errno != errno.ENOENT:
                    ignored[name], folder.identity = None, (0, 0)
                    self._report(join(path, name), error)
                else:
                    ignored.pop(name, None)
                continue
            if verdict is Verdict.IGNORE:
                self._note_links([row])
                folder.drop(name)
                ignored[name] = None
                continue
            ignored.pop(name, None)
            if verdict is Verdict.ENTER:
                folder.identity = (0, 0)
                self._brought_back.append(join(path, name))
            if self._stamps.is_racy(row[CTIME]):
                row[CTIME] = 0
            if row != _row_of(folder, name) or link != folder.links.get(name):
                folder.put(name, row, link)
        folder.ignored = list(ignored)
        return old if old.same_as(folder) else folder

    def _take_over(
        self, cursor: FolderCursor, path: bytes, old: Folder, new: Folder, names: AbstractSet[bytes]
    ) -> None:
        self._folders[path] = new
        self._differing.add(path)
        to_enter = []
        for name in sorted(names, reverse=True):
            here = join(path, name)
            before, now = _row_of(old, name), _row_of(new, name)
            if before != now:
                self._note_links(row for row in (before, now) if row)
            known = here in self._folders
            if now and stat.S_ISDIR(now[MODE]):
                if not (known and before and before[INODE] == now[INODE]):
                    to_enter.append((name, self._rules_in(path).enter(name), True))
            elif not known:
                continue
            else:
                self._forget_below(here)
        for name, _, _ in to_enter:
            self._forget_below(join(path, name))
        if to_enter:
            entered = [join(path, name) for name, _, _ in to_enter]
            self._descend(cursor, to_enter)
            self._walked.update(entered)
            for here in entered:
                for below in folders_below(self._folders, here):
                    self._differing.add(below)
                    self._note_links(self._folders[below].rows())

    def _forget_below(self, path: bytes) -> None:
        """Drop a folder that is not there any more, and all that was below it."""
        for below in list(folders_below(self._folders, path)):
            self._differing.add(below)
            self._note_links(self._folders[below].rows())
            self._rule_files.pop(below, None)
            self._rules_of.pop(below, None)
            del self._folders[below]

    def _note_links(self, rows: Iterable[Row]) -> None:
        self._linked.update(row[INODE] for row in rows if row[NLINK] > 1 and stat.S_ISREG(row[MODE]))


def _row_of(folder: Folder, name: bytes) -> Optional[list[int]]:
    try:
        return list(folder.row(folder.position(name)))
    except KeyError:
        return None
