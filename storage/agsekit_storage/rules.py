"""Lists of ignore rules: reading them, and finding the strongest rule for one name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agsekit_storage.wildmatch import NamePattern, PatternError, Step, parse_pattern

NO_RULE = -2
"""A code that is weaker than all others and no negation."""

LARGEST_COST = 10_000
"""Rules that may be in force in one folder. A plain one costs 1; dearer comparisons count as several."""

_LONGEST_LINE = 4096
_MOST_PROBLEMS = 100
_UTF8_BOM = b"\xef\xbb\xbf"


class Rule:
    """A rule whose pattern is a path.

    `code` is twice the rank, plus one for a negation: the greatest code wins.
    """

    __slots__ = ("code", "folder_only", "steps")

    def __init__(self, code: int, steps: Sequence[Step], *, folder_only: bool) -> None:
        self.code = code
        self.steps = steps
        self.folder_only = folder_only


class NameTable:
    """Rules for names, arranged so that a name which none of them matches is rejected at once.

    `join` makes one expression of all; that pays for tables that live as long as the walk.
    """

    __slots__ = (
        "_end_codes",
        "_end_lengths",
        "_ends",
        "_exact",
        "_filters",
        "_start_codes",
        "_start_lengths",
        "_starts",
        "_wild",
    )

    def __init__(self, rules: Iterable[tuple[int, NamePattern]], *, join: bool) -> None:
        self._exact: dict[bytes, int] = {}
        self._start_codes: dict[bytes, int] = {}
        self._end_codes: dict[bytes, int] = {}
        self._wild: list[tuple[int, NamePattern]] = []
        for code, pattern in sorted(rules, key=_code_of):
            self._exact.update(dict.fromkeys(pattern.exact, code))
            self._start_codes.update(dict.fromkeys(pattern.starts, code))
            self._end_codes.update(dict.fromkeys(pattern.ends, code))
            if pattern.regex:
                self._wild.insert(0, (code, pattern))
        self._starts = tuple(self._start_codes)
        self._start_lengths = sorted(set(map(len, self._starts)))
        self._ends = tuple(self._end_codes)
        self._end_lengths = sorted(set(map(len, self._ends)))
        joined = [pattern.regex for _, pattern in self._wild if join and pattern.joinable]
        self._filters = [pattern.compiled() for _, pattern in self._wild if not (join and pattern.joinable)]
        if joined:
            self._filters.insert(0, re.compile(b"|".join(joined), re.DOTALL))

    def best(self, name: bytes) -> int:
        """Return the code of the strongest rule that matches `name`, else `NO_RULE`."""
        if name in self._exact or name.endswith(self._ends) or name.startswith(self._starts):
            return self._search(name)
        for expression in self._filters:
            if expression.match(name):
                return self._search(name)
        return NO_RULE

    def _search(self, name: bytes) -> int:
        code = self._exact.get(name, NO_RULE)
        # By length, so that thousands of rules cost no more than the name is long.
        for length in self._start_lengths:
            if length > len(name):
                break
            code = max(code, self._start_codes.get(name[:length], NO_RULE))
        for length in self._end_lengths:
            if length > len(name):
                break
            code = max(code, self._end_codes.get(name[len(name) - length :], NO_RULE))
        for wild_code, pattern in self._wild:
            if wild_code < code:
                break
            if pattern.matches(name):
                return wild_code
        return code


class RuleList:
    """The rules of one file, or the excludes.

    Attributes:
        files, folders: rules that look at the name alone, as they apply to files and to folders.
        paths: the other rules.
        negation: the code of the strongest negation in `folders`, else `NO_RULE`.
        cost: what the rules count against `LARGEST_COST`.
        problems: sentences about lines that are not used, as `file:line: what`.
    """

    __slots__ = ("cost", "files", "folders", "negation", "paths", "problems")

    def __init__(self, rules: Sequence[Rule], cost: int, problems: Sequence[str]) -> None:
        alone = [rule for rule in rules if len(rule.steps) == 1 and rule.steps[0].floating]
        self.files = name_table(alone, for_folders=False, join=True)
        self.folders = name_table(alone, for_folders=True, join=True)
        self.paths = tuple(rule for rule in rules if len(rule.steps) > 1 or not rule.steps[0].floating)
        self.negation = max((rule.code for rule in alone if rule.code & 1), default=NO_RULE)
        self.cost = cost
        self.problems = problems


def name_table(rules: Iterable[Rule], *, for_folders: bool, join: bool = False) -> NameTable | None:
    """Make a table of the last components of `rules`; None when there are none."""
    wanted = [(rule.code, rule.steps[-1].pattern) for rule in rules if for_folders or not rule.folder_only]
    return NameTable(wanted, join=join) if wanted else None


def parse_excludes(patterns: Sequence[bytes], first_rank: int) -> RuleList:
    """Read patterns that come from the user one by one: no comments, no trimming, no limits."""
    builder = _Builder("exclude", first_rank, None)
    for number, pattern in enumerate(patterns, start=1):
        builder.add(number, pattern)
    return builder.finish()


def parse_file(label: str, content: bytes, first_rank: int, allowance: int) -> RuleList:
    """Read the content of an ignore file; rules that would cost more than `allowance` are left out."""
    if content.startswith(_UTF8_BOM):
        content = content[len(_UTF8_BOM) :]
    builder = _Builder(label, first_rank, allowance)
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line or line.startswith(b"#"):
            continue
        line = _trim(line[:-1] if line.endswith(b"\r") else line)
        if line and not builder.add(number, line):
            break
    return builder.finish()


def _code_of(rule: tuple[int, NamePattern]) -> int:
    return rule[0]


def _trim(line: bytes) -> bytes:
    """Cut off what git does not read: everything from a NUL, and trailing spaces but an escaped one."""
    line = line.partition(b"\0")[0]
    trimmed = line.rstrip(b" ")
    backslashes = len(trimmed) - len(trimmed.rstrip(b"\\"))
    return line[: len(trimmed) + 1] if backslashes % 2 else trimmed


class _Builder:
    """Collects the rules of one list."""

    def __init__(self, label: str, first_rank: int, allowance: int | None) -> None:
        self._label = label
        self._rank = first_rank
        self._allowance = allowance
        self._rules: list[Rule] = []
        self._problems: list[str] = []
        self._cost = 0

    def add(self, number: int, line: bytes) -> bool:
        """Take one line in; False when the allowance is used up."""
        negated = line.startswith(b"!")
        pattern = line[1:] if negated else line
        folder_only = pattern.endswith(b"/")
        cost = 1
        try:
            if self._allowance is not None and len(line) > _LONGEST_LINE:
                raise PatternError(f"a line of more than {_LONGEST_LINE} bytes is not used")
            steps = parse_pattern(pattern[:-1] if folder_only else pattern)
        except PatternError as error:
            shown = line[:80].decode("utf-8", "backslashreplace")
            self._problem(number, f"{shown!r} matches nothing: {error}")
        else:
            rule = Rule(2 * self._rank + negated, steps, folder_only=folder_only)
            cost = _cost(rule)
            if self._allowance is None or self._cost + cost <= self._allowance:
                self._rules.append(rule)
        self._rank += 1
        self._cost += cost
        if self._allowance is not None and self._cost > self._allowance:
            self._problems.append(f"{self._label}:{number}: too many rules; from this line on they are not used")
            return False
        return True

    def _problem(self, number: int, text: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(f"{self._label}:{number}: {text}")

    def finish(self) -> RuleList:
        """Return what has been collected."""
        return RuleList(self._rules, self._cost, tuple(self._problems))


def _cost(rule: Rule) -> int:
    cost = sum(step.pattern.cost for step in rule.steps)
    alone = len(rule.steps) == 1 and rule.steps[0].floating
    # Paths are compared one by one, those that may begin anywhere in every folder.
    return cost if alone else cost + 1 + 8 * any(step.floating for step in rule.steps)
