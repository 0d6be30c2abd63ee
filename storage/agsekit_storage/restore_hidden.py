"""What the excludes of now keep from a restore, and how a path that is named comes back all the same."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from agsekit_storage.ignore import IgnoreRules, Verdict
from agsekit_storage.model import Problem
from agsekit_storage.restore_plan import find
from agsekit_storage.tree import MODE, Tree

_SPECIAL = re.compile(r"([\\*?\[])")


def excludes_for(exclude: Sequence[str], wanted: Tree, paths: Sequence[bytes]) -> list[str]:
    """Return the excludes for a restore of `paths`, which bring back those that are hidden but in the snapshot.

    To be used for the safety snapshot as well, so that it holds what will be overwritten.
    """
    found = list(exclude)
    for path in paths:
        if hiding_rule(exclude, wanted, path) is not None:
            pattern = _SPECIAL.sub(r"\\\1", os.fsdecode(path))
            found += [f"!/{pattern}", f"!/{pattern}/**"]
    return found


def hiding_rule(exclude: Sequence[str], wanted: Tree, path: bytes) -> Optional[str]:
    """Return the exclude that hides a path of a tree; None where none does, or there is no such path."""
    try:
        is_folder = stat.S_ISDIR(find(wanted, path).row[MODE])
    except KeyError:
        return None
    if not _hides(exclude, path, is_folder):
        return None
    counts = range(len(exclude), 0, -1)
    return next(exclude[count - 1] for count in counts if not _hides(exclude[: count - 1], path, is_folder))


def with_rule(problem: Problem, exclude: Sequence[str], wanted: Tree) -> Problem:
    """Return a problem, with the rule behind it if it is that a path is hidden."""
    if problem.reason != "hidden":
        return problem
    return replace(problem, detail=hiding_rule(exclude, wanted, problem.path) or "")


def _hides(exclude: Sequence[str], path: bytes, is_folder: bool) -> bool:
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {}).root()
    names = path.split(b"/")
    for name in names[:-1]:
        if rules.judge(name, True) is Verdict.IGNORE:
            return True
        rules = rules.enter(name)
    return rules.judge(names[-1], is_folder) is not Verdict.INCLUDE
