"""How a source stands now against the newest snapshot: the walk, under the rules in force, and the comparison."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple, Optional

from agsekit_storage.audit import look_again
from agsekit_storage.changes import Comparison, compare
from agsekit_storage.ignore import IgnoreRules
from agsekit_storage.model import Problem
from agsekit_storage.overview import doubt, follow
from agsekit_storage.partial_walk import walk_dirty
from agsekit_storage.rule_trust import RulesInForce, refresh, rules_in_force
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree, split
from agsekit_storage.walk import walk

if TYPE_CHECKING:
    from agsekit_storage.snapshots import Request


class Seen(NamedTuple):
    """The state of a source, and how it differs from the tree before.

    `differing` are the folders that the two do not share, none without a tree before; `partial` tells that only the
    dirty paths of the request were looked at.
    """

    tree: Tree
    comparison: Comparison
    differing: frozenset[bytes]
    partial: bool


def look(
    store: Store, request: Request, source: bytes, before: Optional[Tree], meet: Callable[[Problem], None]
) -> Seen:
    """Look at a source and compare it with the tree of its newest snapshot, if that has one. Needs the lock.

    `meet` is called for every path that cannot be looked at.

    Raises:
        SourceUnavailable: there is nothing to look at.
    """
    rules = IgnoreRules.compile([os.fsencode(pattern) for pattern in request.exclude], {})
    refresh(store.path, source, request.exclude)
    force = (
        RulesInForce(request.rule_files, {}) if request.rule_files is not None else rules_in_force(store.path, source)
    )
    tree, looked_into = _walk(source, rules, force, before, request.dirty, meet)
    if request.kind == "interval" and before and looked_into is None:
        look_again(store.path, source, before, tree, store.backend.digest)
    comparison = compare(before, tree, source, digest=store.backend.digest, differing=looked_into)
    differing = _differing(tree, before, looked_into, comparison) if before else frozenset()
    if before:
        tree.build_upon(before, differing)
        follow(tree, before, differing)
    return Seen(tree, comparison, differing, looked_into is not None)


def _walk(
    source: bytes,
    rules: IgnoreRules,
    force: RulesInForce,
    before: Optional[Tree],
    dirty: Optional[AbstractSet[bytes]],
    meet: Callable[[Problem], None],
) -> tuple[Tree, Optional[frozenset[bytes]]]:
    """Return the state of the source, and the folders in which it may differ from `before`, None for any."""
    overrides = force.overrides
    if before is not None and dirty is not None:
        found = walk_dirty(
            source, rules, dirty, previous=before, frozen=force.frozen, overrides=overrides, on_problem=meet
        )
        if found:
            return found
    tree = walk(source, rules, previous=before, frozen=force.frozen, overrides=overrides, on_problem=meet)
    if before is not None and dirty is not None:
        doubt(tree, before, dirty)
    return tree, None


def _differing(
    tree: Tree, before: Tree, looked_into: Optional[frozenset[bytes]], comparison: Comparison
) -> frozenset[bytes]:
    """Return the folders that two trees do not share, or that may change while they are saved."""
    if looked_into is None:
        differing = tree.differing(before)
    else:
        differing = frozenset(path for path in looked_into if tree.folders.get(path) is not before.folders.get(path))
    return differing.union(split(path)[0] for path in comparison.paths())
