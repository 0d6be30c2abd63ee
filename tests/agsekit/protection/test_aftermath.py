"""What a run left that the host would execute is reported, or put back and kept aside."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from agsekit.config.model import Guard
from agsekit.protection.session import ProtectedRun, Summary
from agsekit.protection.target import Target
from agsekit_storage.events import ignore_events
from agsekit_storage.restore import RestoreRequest, restore
from agsekit_storage.run_log import Run, all_runs
from agsekit_storage.store import Store
from tests.support.world import write_files


def _run(store: Store, risky: str) -> Summary:
    """Have a run change a hook, make one, and do some honest work."""
    assert store.source
    source = store.source
    write_files(source, {".git/hooks/pre-commit": "mine\n", "work": "before\n"})
    target = replace(Target(source, store.path), guard=Guard(risky=risky))
    run = ProtectedRun(store, target, Run("run-1", "rogue", "box", started=time.time()).details())
    run.begin(on_orphaned=lambda: None, on_event=ignore_events)
    write_files(source, {".git/hooks/pre-commit": "theirs\n", ".git/hooks/post-merge": "theirs\n", "work": "after\n"})
    write_files(source, {"new/.envrc": "theirs\n"})
    return run.end(on_event=ignore_events)


def _texts(store: Store) -> dict[str, str]:
    assert store.source
    return {
        os.fspath(path.relative_to(store.source)): path.read_text()
        for path in sorted(store.source.rglob("*"))
        if path.is_file()
    }


def test_risky_paths_are_told_and_left_alone(store: Store) -> None:
    summary = _run(store, "report")

    assert [each.path for each in summary.risks] == [
        b".git/hooks/post-merge",
        b".git/hooks/pre-commit",
        b"new/.envrc",
    ]
    assert not summary.put_back
    assert _texts(store)[".git/hooks/pre-commit"] == "theirs\n"


def test_in_quarantine_they_are_as_before_and_the_work_is_not(store: Store) -> None:
    summary = _run(store, "quarantine")

    assert _texts(store) == {".git/hooks/pre-commit": "mine\n", "work": "after\n"}
    assert len(summary.put_back) == 3
    assert not summary.failures
    assert list(all_runs(store)[0].quarantined) == [os.fsdecode(path) for path in summary.put_back]


def test_what_was_put_back_is_kept_for_good_and_can_be_taken(store: Store) -> None:
    summary = _run(store, "quarantine")
    assert summary.after

    kept = store.get(summary.after.id)
    restore(store, RestoreRequest(kept, [b".git/hooks/post-merge"]), now=time.time())

    assert kept.pinned
    assert _texts(store)[".git/hooks/post-merge"] == "theirs\n"
    assert _texts(store)[".git/hooks/pre-commit"] == "mine\n"


@pytest.mark.parametrize("risky", ["off"])
def test_who_does_not_want_to_know_is_told_nothing(store: Store, risky: str) -> None:
    summary = _run(store, risky)

    assert not summary.risks
    assert not summary.put_back
