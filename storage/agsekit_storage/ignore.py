"""What a snapshot leaves out: `.backupignore` files in gitignore syntax, and the trusted excludes.

Decisions are those of git, with two differences. A `!` rule also brings back a path inside an ignored
folder, when it ranks after the rule that ignores the folder. And `.backupignore` files themselves are
always included. From weakest to strongest rank: the lines of the root's `.backupignore`, those of
`.backupignore` files further down, the excludes; within one list, from top to bottom.

The excludes come from the user, everything else from the tree, which an agent may have written: no rule
there outranks an exclude, and no content makes a walk slow or raises.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence

from agsekit_storage.rules import (
    LARGEST_COST,
    NO_RULE,
    Rule,
    RuleList,
    name_table,
    parse_excludes,
    parse_file,
)

IGNORE_FILE = b".backupignore"
_VERSION = b"1"
"""To be changed with any change of decisions: results stored under the old fingerprint are then not used."""
_RANKS_PER_FILE = LARGEST_COST + 1
_EXCLUDE_RANK = 1 << 62

Position = tuple[Rule, int]
"""A path rule, and the index of its step that the entries of a folder are compared with."""


class Verdict(enum.Enum):
    """What is to happen with an entry. ENTER: ignored itself, but something below may be brought back."""

    INCLUDE = "include"
    IGNORE = "ignore"
    ENTER = "enter"


_INCLUDE, _IGNORE, _ENTER = Verdict.INCLUDE, Verdict.IGNORE, Verdict.ENTER


class IgnoreRules:
    """The rules of one source: the excludes, and the `.backupignore` files known from the start.

    Attributes:
        fingerprint: changes whenever a decision might.
        problems: sentences about lines that are not used, as `file:line: what`.
    """

    def __init__(self, exclude: Sequence[bytes], files: Mapping[bytes, bytes]) -> None:
        self._excludes = parse_excludes(exclude, _EXCLUDE_RANK)
        self._files = _Branch()
        problems = list(self._excludes.problems)
        for folder, content in sorted(files.items()):
            self._files.find(folder).content = (folder, content)
            problems += _parse(folder, content, LARGEST_COST).problems
        self.problems: Sequence[str] = tuple(problems)
        self.fingerprint = _fingerprint(exclude, files)

    @classmethod
    def compile(cls, exclude: Sequence[bytes], files: Mapping[bytes, bytes]) -> IgnoreRules:
        """Read rules; a line that is no pattern becomes a problem, never an error.

        Args:
            exclude: patterns relative to the source, taken as they are: no comments, no trimming.
            files: contents of `.backupignore` files by folder relative to the source, `b""` for the
                source itself. Others can be added during the walk: `FolderRules.with_file`.
        """
        return cls(exclude, files)

    def root(self) -> FolderRules:
        """Return the rules for the entries directly inside the source."""
        rules = FolderRules([self._excludes], [(rule, 0) for rule in self._excludes.paths])
        return rules.with_known(self._files)


class _Branch:
    """The known `.backupignore` files, as a tree of folders."""

    __slots__ = ("below", "content")

    def __init__(self) -> None:
        self.below: dict[bytes, _Branch] = {}
        self.content: tuple[bytes, bytes] | None = None

    def find(self, folder: bytes) -> _Branch:
        branch = self
        for name in folder.split(b"/") if folder else ():
            branch = branch.below.setdefault(name, _Branch())
        return branch


class FolderRules:
    """The rules as one folder sees them: all that is needed to judge its direct entries. Immutable.

    Attributes:
        excluded: the folder itself is ignored, and was only entered because something below it may be
            brought back.
        problems: those of the file that `with_file` has just added; of no meaning after `enter`.
    """

    __slots__ = ("_files", "_folders", "_known", "_lists", "_outer", "_positions", "problems")

    def __init__(
        self,
        lists: Sequence[RuleList],
        positions: Sequence[Position],
        *,
        outer: int = NO_RULE,
        known: _Branch | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        self._lists = lists
        self._positions = positions
        self._outer = outer  # the code of the rule that ignores this folder; negative when it is included
        self._known = known
        self.problems = problems
        last = [rule for rule, at in positions if at == len(rule.steps) - 1]
        tables = [(each.files, each.folders) for each in lists]
        tables.append((name_table(last, for_folders=False), name_table(last, for_folders=True)))
        self._files = [table for table, _ in tables if table]
        self._folders = [table for _, table in tables if table]

    @property
    def excluded(self) -> bool:
        return self._outer >= 0

    def with_file(self, folder: bytes, content: bytes) -> FolderRules:
        """Return these rules with the `.backupignore` of `folder`, which is this folder's path, added.

        Below an ignored folder such a file has no say: the same rules are returned.
        """
        if self.excluded:
            return self
        added = _parse(folder, content, LARGEST_COST - sum(each.cost for each in self._lists[1:]))
        return FolderRules(
            [*self._lists, added],
            [*self._positions, *((rule, 0) for rule in added.paths)],
            known=self._known,
            problems=added.problems,
        )

    def with_known(self, known: _Branch | None) -> FolderRules:
        """Return these rules with the files that are known for this folder and those below it."""
        if known is None:
            return self
        rules = FolderRules(self._lists, self._positions, outer=self._outer, known=known)
        return rules.with_file(*known.content) if known.content else rules

    def judge(self, name: bytes, is_folder: bool) -> Verdict:
        """Say what is to happen with the entry `name` of this folder. A link to a folder is a file."""
        if self._outer < 0:
            # Most names match nothing, and are many.
            for table in self._folders if is_folder else self._files:
                if table.best(name) >= 0:
                    break
            else:
                return _INCLUDE
        outer = self._decide(name, is_folder)
        if outer < 0:
            return _INCLUDE
        if not is_folder:
            return _INCLUDE if name == IGNORE_FILE and not self.excluded else _IGNORE
        negations = [each.negation for each in self._lists]
        negations += [rule.code for rule, _ in self._advance(name) if rule.code & 1]
        return _ENTER if max(negations) > outer else _IGNORE

    def enter(self, name: bytes) -> FolderRules:
        """Return the rules for the subfolder `name`, which was judged INCLUDE or ENTER."""
        outer = self._decide(name, True)
        positions = self._advance(name) if self._positions else self._positions
        known = self._known.below.get(name) if self._known else None
        if known is self._known and outer == self._outer and positions == self._positions:
            return self
        return FolderRules(self._lists, positions, outer=outer).with_known(known)

    def _decide(self, name: bytes, is_folder: bool) -> int:
        """Return the code of the rule by which an entry is ignored; negative when it is included."""
        best = NO_RULE
        for table in self._folders if is_folder else self._files:
            code = table.best(name)
            if code > best:
                best = code
        outer = self._outer
        if best & 1:
            return NO_RULE if best > outer else outer
        return best if best > outer else outer

    def _advance(self, name: bytes) -> list[Position]:
        """Return how far each path rule has got below the subfolder `name`."""
        reached: dict[Position, None] = {}
        for position in self._positions:
            rule, at = position
            step = rule.steps[at]
            if step.floating:
                reached[position] = None
            if at + 1 < len(rule.steps) and step.pattern.matches(name):
                reached[rule, at + 1] = None
        return list(reached)


def _fingerprint(exclude: Sequence[bytes], files: Mapping[bytes, bytes]) -> str:
    # With the number of excludes and the length of every part, no two sets of rules look alike.
    digest = hashlib.blake2b(b"%s:%d:" % (_VERSION, len(exclude)), digest_size=20)
    for part in (*exclude, *(part for item in sorted(files.items()) for part in item)):
        digest.update(b"%d:%s" % (len(part), part))
    return digest.hexdigest()


def _parse(folder: bytes, content: bytes, allowance: int) -> RuleList:
    path = folder + b"/" + IGNORE_FILE if folder else IGNORE_FILE
    depth = path.count(b"/")
    return parse_file(path.decode("utf-8", "backslashreplace"), content, depth * _RANKS_PER_FILE, allowance)
