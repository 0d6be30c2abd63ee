"""What a value on the command line could be, by the configuration: for questions and for completion.

Nothing here calls an engine, and nothing is imported that completion can do without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Optional

from agsekit.cli.context import Context
from agsekit.i18n import _

if TYPE_CHECKING:
    from agsekit_storage.model import Snapshot
    from agsekit_storage.run_log import Run
    from agsekit_storage.store import Store

_BY_VALUE = frozenset({"AGENT", "BACKEND", "RUN", "SNAPSHOT", "VM"})
_MOUNTS = frozenset({"folder", "mount", "source_dir"})


class Candidate(NamedTuple):
    """A value, and a word about it that may be empty."""

    value: str
    note: str = ""


def kind_of(metavar: Optional[str], name: str) -> str:
    """Return what a parameter takes: AGENT, BACKEND, MOUNT, RUN, SNAPSHOT, VM, or nothing for anything else."""
    if name in _MOUNTS:
        return "MOUNT"
    return metavar if metavar in _BY_VALUE else ""


def find(kind: str, context: Context, *, source: Optional[Path], backup: Optional[Path]) -> list[Candidate]:
    """Return the values of a kind; snapshots and runs are those of the store that the folders stand for.

    Without folders it is the store of the mount around the working folder.

    Raises:
        AgsekitError: the configuration cannot be used, or does not say which store is meant.
    """
    if kind == "SNAPSHOT":
        return _snapshots(_store(context, source, backup))
    if kind == "RUN":
        return _runs(_store(context, source, backup))
    if kind == "BACKEND":
        from agsekit_storage.registry import BACKENDS

        return [Candidate(name) for name in BACKENDS]
    if kind == "VM":
        return [Candidate(vm.name, vm.engine) for vm in context.load_config().vms.values()]
    if kind == "AGENT":
        return [Candidate(agent.name, agent.type) for agent in context.load_config().agents.values()]
    if kind == "MOUNT":
        sources = dict.fromkeys(str(mount.source) for mount in context.load_config().mounts)
        return [Candidate(each) for each in sources]
    return []


def _store(context: Context, source: Optional[Path], backup: Optional[Path]) -> Store:
    from agsekit.protection.target import resolve_target

    target = resolve_target(
        context.load_config,
        source=source.absolute() if source else None,
        backup=backup.absolute() if backup else None,
        exclude=(),
        backend=None,
        folder=context.working_folder(),
    )
    return target.existing_store()


def _snapshots(store: Store) -> list[Candidate]:
    """Return the snapshots of a store, newest first, with their ages and what changed in them."""
    import time

    from agsekit.cli import snapshot_texts, value_texts

    now = time.time()

    def note(snapshot: Snapshot) -> str:
        age = _("{age} ago").format(age=value_texts.age(now - snapshot.created))
        return f"{age}  {snapshot.kind}  {snapshot_texts.change_counts(snapshot)}"

    return [Candidate(each.id, note(each)) for each in reversed(store.snapshots())]


def _runs(store: Store) -> list[Candidate]:
    """Return the runs in a store, newest first, with their ages and agents."""
    import time

    from agsekit.cli import value_texts
    from agsekit_storage.run_log import all_runs

    now = time.time()

    def note(run: Run) -> str:
        return f"{_('{age} ago').format(age=value_texts.age(now - run.started))}  {run.agent}"

    return [Candidate(each.id, note(each)) for each in reversed(all_runs(store))]
