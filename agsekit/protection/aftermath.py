"""After a run: what of its changes the host would execute, and putting that back where the configuration says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from agsekit.i18n import _, sentence_and_hint
from agsekit.protection.risky import Risk, find_risky
from agsekit.protection.target import Target
from agsekit_storage.errors import StorageError
from agsekit_storage.model import Changes, Snapshot
from agsekit_storage.restore import RestoreRequest, restore
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.store import Store
from agsekit_storage.textdiff import stored_content
from agsekit_storage.tree import Tree


@dataclass(frozen=True)
class Aftermath:
    """The risky paths of a run, those that were put back as they were before it, and what went wrong."""

    risks: Sequence[Risk] = ()
    put_back: Sequence[bytes] = ()
    failures: Sequence[str] = ()


def see_to_risks(
    store: Store, target: Target, before: Snapshot, after: Snapshot, tree: Tree, changes: Changes
) -> Aftermath:
    """Find what is risky among the changes of a run, and put it back if the mount is guarded that way.

    What is put back stays in the snapshot `after` (whose tree is `tree`), which is pinned for that.
    """
    if target.guard.risky == "off" or not changes:
        return Aftermath()
    try:
        risks = risks_between(store, before, after, changes, tree)
    except Exception as error:
        # Not even a mistake of ours may cost the rest of the summary, or what is noted of the run.
        return Aftermath(failures=[_unknown(error)])
    # A folder of packages that is the whole project cannot be told from the project.
    paths = [risk.path for risk in risks if risk.path != b"."]
    if target.guard.risky != "quarantine" or not paths:
        return Aftermath(risks)
    return _put_back(store, target, before, after, risks, paths)


def risks_between(
    store: Store, before: Snapshot, after: Snapshot, changes: Changes, after_tree: Tree
) -> Sequence[Risk]:
    """Return what is risky among the changes from one snapshot to another.

    Raises:
        StorageError: the store does not have what it should.
    """
    contents = stored_content(store, before), stored_content(store, after)
    return find_risky(changes, store.tree(before), after_tree, *contents)


def _put_back(
    store: Store, target: Target, before: Snapshot, after: Snapshot, risks: Sequence[Risk], paths: Sequence[bytes]
) -> Aftermath:
    try:
        with store.locked(wait=DEFAULT_WAIT):
            store.pin(after.id, pinned=True)
        done = restore(store, RestoreRequest(before, paths, target.exclude), now=time.time())
    except (StorageError, OSError) as error:
        return Aftermath(risks, failures=[_not_put_back(sentence_and_hint(error)[0])])
    left = {problem.path for problem in done.problems if not problem.harmless}
    failures = [_not_put_back(path.decode("utf-8", "backslashreplace")) for path in sorted(left)]
    return Aftermath(risks, [path for path in paths if path not in left], failures)


def _unknown(error: Exception) -> str:
    return _("it is not known what of the changes this machine would execute: {reason}").format(
        reason=sentence_and_hint(error)[0]
    )


def _not_put_back(reason: str) -> str:
    return _("what this machine would execute could not all be put back: {reason}").format(reason=reason)
