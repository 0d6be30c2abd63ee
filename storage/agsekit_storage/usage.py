"""What a store costs: by snapshot, by path, and which ignore rules would save most."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agsekit_storage.history import History
from agsekit_storage.model import Snapshot
from agsekit_storage.restore_plan import find
from agsekit_storage.store import Store
from agsekit_storage.tree import MODE, SIZE

_WORTH_IT = 0.02
"""A rule that saves less than this share of the store is not worth a line."""
_MADE_AGAIN = frozenset(
    b"node_modules venv .venv env __pycache__ .cache .mypy_cache .pytest_cache .ruff_cache .tox .nox .gradle .next"
    b" .nuxt .parcel-cache .turbo .terraform target build dist out bin obj coverage htmlcov vendor Pods DerivedData"
    b" tmp temp logs _build deps .eggs .ipynb_checkpoints".split()
)
"""Folders that tools fill and can fill again: a suggestion to leave out anything else could cost somebody's work."""
_MADE_AGAIN_ENDINGS = frozenset(
    b"log tmp o a so pyc pyo class jar whl zip gz xz bz2 zst tar iso img swp bak cache map lock out exe dll".split()
)


@dataclass(frozen=True)
class Cost:
    """Bytes of file content in a store that come from one path or fit one rule, and in how many versions."""

    name: bytes
    bytes: int
    versions: int


@dataclass(frozen=True)
class Usage:
    """What a store costs. `total` is bytes of file content; `paths` and `rules` are the dearest, dearest first."""

    total: int
    snapshots: Sequence[Snapshot]
    paths: Sequence[Cost]
    rules: Sequence[Cost]


def measure(store: Store, *, most: int = 10) -> Usage:
    """Add up what every version of every file in a store costs."""
    history = History(store)
    files: Counter[bytes] = Counter()
    versions: Counter[bytes] = Counter()
    rules: Counter[bytes] = Counter()
    rule_versions: Counter[bytes] = Counter()
    for path, size in _stored_versions(history):
        files[path] += size
        versions[path] += 1
        for rule in set(_rules_for(path)):
            rules[rule] += size
            rule_versions[rule] += 1
    total = sum(files.values())
    paths = [Cost(path, size, versions[path]) for path, size in files.most_common(most)]
    worthwhile = [
        Cost(rule, size, rule_versions[rule]) for rule, size in rules.most_common() if size > total * _WORTH_IT
    ]
    return Usage(total, history.snapshots, paths, _without_overlap(worthwhile))


def _stored_versions(history: History) -> Iterator[tuple[bytes, int]]:
    """Yield path and size of every file content that some snapshot added to the store."""
    for _, tree, changes in history.walk_changes():
        for path in (*changes.added, *changes.modified):
            row = find(tree, path).row
            if stat.S_ISREG(row[MODE]):
                yield path, row[SIZE]


def _rules_for(path: bytes) -> Iterator[bytes]:
    """Yield the lines of a `.backupignore` that would leave out a path which can probably be made again."""
    *folders, name = path.split(b"/")
    if b".git" in folders:
        return
    for folder in folders:
        if folder in _MADE_AGAIN:
            yield folder + b"/"
    stem, dot, ending = name.rpartition(b".")
    if stem and dot and ending in _MADE_AGAIN_ENDINGS:
        yield b"*." + ending


def _without_overlap(costs: Sequence[Cost]) -> list[Cost]:
    """Leave out rules that cost the same as one before them: they name the same files by an outer or inner folder."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for cost in costs:
        if (cost.bytes, cost.versions) not in seen:
            seen.add((cost.bytes, cost.versions))
            kept.append(cost)
    return kept
