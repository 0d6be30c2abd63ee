"""Random trees, random edits, crashes: whatever happens, what is listed is what was there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agsekit_storage.model import Snapshot
from tests.support.children import kill_at_call, run_in_child
from tests.support.projects import Project
from tests.support.trees import Description, Editor, without_times

SEEDS = st.integers(0, 2**32)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.function_scoped_fixture,
        ],
    )


def _place() -> Path:
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="agsekit-test-", dir=memory if memory.is_dir() else None))


@_settings(25)
@given(seed=SEEDS, edits=st.lists(st.tuples(SEEDS, st.integers(1, 12)), min_size=1, max_size=3))
def test_any_tree_comes_back_whatever_was_done_to_it(backend: str, seed: int, edits: list[tuple[int, int]]) -> None:
    home = _place()
    try:
        project = Project(home, backend)
        Editor(project.source, seed, special=False).run(30)
        states: list[tuple[Snapshot, Description]] = [(project.snapshot().snapshot, project.now())]
        for edit_seed, count in edits:
            Editor(project.source, edit_seed, special=False).run(count)
            result = project.snapshot()
            if result.created:
                states.append((result.snapshot, project.now()))
            else:
                assert without_times(project.now()) == without_times(states[-1][1])
        for snapshot, state in states:
            assert project.saved(snapshot) == state
        for snapshot, state in reversed(states):
            before = project.now()
            restored = project.restore(snapshot)
            assert restored.before
            assert project.now() == state
            assert project.saved(restored.before) == before
    finally:
        shutil.rmtree(home)


class Histories(RuleBasedStateMachine):
    """A project, its store, and what each listed snapshot must hold."""

    backend = ""
    snapshots = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.home = _place()
        self.project = Project(self.home, self.backend)
        self.model: dict[str, Description] = {}

    def teardown(self) -> None:
        try:
            for snapshot in self.project.snapshots() if self.model else ():
                assert self.project.saved(snapshot) == self.model[snapshot.id]
        finally:
            shutil.rmtree(self.home)

    @rule(seed=SEEDS, edits=st.integers(1, 8))
    def edit(self, seed: int, edits: int) -> None:
        Editor(self.project.source, seed, special=False).run(edits)

    @rule(target=snapshots)
    def snapshot(self) -> str:
        result = self.project.snapshot()
        if result.created:
            self.model[result.snapshot.id] = self.project.now()
        else:
            assert without_times(self.model[result.snapshot.id]) == without_times(self.project.now())
        return result.snapshot.id

    @rule(snapshot_id=snapshots)
    def restore(self, snapshot_id: str) -> None:
        if snapshot_id not in self.model:
            return
        before = self.project.now()
        restored = self.project.restore(self.project.store.get(snapshot_id))
        assert self.project.now() == self.model[snapshot_id]
        assert restored.before
        assert self.model.setdefault(restored.before.id, before) == before

    @rule(snapshot_id=snapshots, number=st.integers(0, 100))
    def restore_one(self, snapshot_id: str, number: int) -> None:
        wanted: Mapping[bytes, object] = self.model.get(snapshot_id, {})
        paths = sorted(set(wanted) - {b"."})
        if not paths:
            return
        path = paths[number % len(paths)]
        before = self.project.now()
        restored = self.project.restore(self.project.store.get(snapshot_id), path)
        assert restored.before
        assert self.model.setdefault(restored.before.id, before) == before
        if not restored.problems:
            now = self.project.now()
            assert _below(without_times(now), path) == _below(without_times(self.model[snapshot_id]), path)

    @rule(snapshot_id=snapshots)
    def restore_and_keep_new(self, snapshot_id: str) -> None:
        if snapshot_id not in self.model:
            return
        before = self.project.now()
        restored = self.project.restore(self.project.store.get(snapshot_id), keep_new=True)
        assert restored.before
        assert self.model.setdefault(restored.before.id, before) == before
        if not restored.problems:
            assert set(self.project.now()) >= set(self.model[snapshot_id])

    @rule(snapshot_id=snapshots)
    def delete(self, snapshot_id: str) -> None:
        if snapshot_id in self.model and len(self.model) > 1:
            with self.project.store.locked(wait=0):
                self.project.store.delete([snapshot_id])
            del self.model[snapshot_id]

    @precondition(lambda self: bool(self.model))
    @rule(number=st.integers(1, 90), what=st.sampled_from(["snapshot", "restore", "delete"]))
    def crash(self, number: int, what: str) -> None:
        before = self.project.now()
        known = self.project.snapshots()
        victim = known[number % len(known)]

        def act() -> None:
            kill_at_call(number)
            if what == "snapshot":
                self.project.snapshot()
            elif what == "restore":
                self.project.restore(victim)
            else:
                with self.project.store.locked(wait=0):
                    self.project.store.delete([victim.id] if len(known) > 1 else [])

        outcome = run_in_child(act)
        assert outcome.error is None
        listed = {snapshot.id for snapshot in self.project.snapshots()}
        for snapshot_id in listed - self.model.keys():
            self.model[snapshot_id] = before
        if what == "delete":
            self.model.pop(victim.id) if victim.id not in listed else None

    @invariant()
    def exactly_what_is_known_is_listed(self) -> None:
        if self.model:
            listed = self.project.snapshots()
            assert {snapshot.id for snapshot in listed} == self.model.keys()
            newest = listed[-1]
            assert self.project.saved(newest) == self.model[newest.id]


def _below(tree: Description, path: bytes) -> Description:
    return {
        here: node._replace(group=b"") for here, node in tree.items() if here == path or here.startswith(path + b"/")
    }


def test_no_order_of_edits_snapshots_restores_deletions_and_crashes_makes_a_snapshot_wrong(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Histories, "backend", backend)

    run_state_machine_as_test(Histories, settings=_settings(30))
