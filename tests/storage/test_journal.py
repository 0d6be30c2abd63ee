"""What a store tells of its own past."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from agsekit_storage import journal
from agsekit_storage.convert import convert
from agsekit_storage.pruning import prune
from agsekit_storage.retention import Policy
from agsekit_storage.rule_trust import accept, distrust
from agsekit_storage.snapshots import Request, take_snapshot
from tests.support.projects import Project


def _events(project: Project, name: str) -> list[dict[str, Any]]:
    return [dict(each) for each in journal.read(project.path) if each["event"] == name]


def test_snapshots_restores_prunings_and_conversions_are_noted_with_their_counts(project: Project) -> None:
    for number in range(3):
        (project.source / f"file{number}").write_text("content")
    first = project.snapshot().snapshot
    (project.source / "file0").write_text("changed")
    run = {"id": "run-1", "arguments": ["--token", "secret"]}
    second = take_snapshot(project.store, Request("interval", run=run), now=time.time()).snapshot
    for number in range(3):
        (project.source / f"file{number}").unlink()
    loss = project.snapshot().snapshot
    project.restore(first)
    project.snapshot()
    prune(project.store, Policy(everything=0, hourly=0, daily=0, weekly=0), now=time.time())
    target = "git" if project.backend == "rsync" else "rsync"
    convert(project.store, target, wait=1, on_snapshot=lambda done, total: None)

    made = _events(project, "snapshot")
    assert [(each["id"], each["sequence"]) for each in made[:3]] == [(first.id, 1), (second.id, 2), (loss.id, 3)]
    assert (made[0]["added"], made[1]["modified"], made[2]["removed"]) == (3, 1, 3)
    assert [each.get("run") for each in made[:3]] == [None, "run-1", None]
    assert [(each["id"], each["pinned"]) for each in _events(project, "mass-loss")] == [(loss.id, second.id)]
    [restored] = _events(project, "restore")
    assert (restored["id"], restored["created"], restored["before"]) == (first.id, 3, loss.id)
    [pruned] = _events(project, "prune")
    assert pruned["deleted"] == len(pruned["ids"]) == sum(pruned["reasons"].values())
    assert [(each["backend"], each["snapshots"]) for each in _events(project, "convert")] == [
        (target, pruned["kept"])
    ]
    assert b"secret" not in (project.path / ".agsekit" / "events.jsonl").read_bytes()
    assert (project.path / ".agsekit" / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_rules_that_a_run_changed_and_their_acceptance_are_noted(project: Project) -> None:
    project.snapshot()
    with project.store.locked(wait=1):
        distrust(project.path, {}, {b"": b"*", b"a\xff": b"*"})
        accept(project.path)

    assert [each["paths"] for each in _events(project, "rules-changed")] == [
        [".backupignore", "a\\xff/.backupignore"]
    ]
    assert [each["count"] for each in _events(project, "rules-accepted")] == [2]


def test_a_jump_of_the_clock_is_noted_once_for_each(project: Project) -> None:
    now = 1_700_000_000.0
    for number, moment in enumerate((now, now + 300, now + 10**9, now + 10**9 + 300, now + 600)):
        (project.source / "file").write_text("x" * number)
        project.snapshot(now=moment)

    assert [each["seconds_since"] for each in _events(project, "clock")] == [10**9 - 300, 300 - 10**9]


def test_a_line_that_a_crash_has_torn_costs_only_itself(project: Project) -> None:
    first = project.snapshot().snapshot
    path = project.path / ".agsekit" / "events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event":"snap')
    (project.source / "file").write_text("new")
    second = project.snapshot().snapshot

    assert [each["id"] for each in _events(project, "snapshot")] == [first.id, second.id]


def test_the_file_does_not_grow_without_end(project: Project) -> None:
    project.snapshot()
    for number in range(40):
        journal.append(project.path, "test", number=number, text="x" * 100_000)

    private = project.path / ".agsekit"
    assert sum((private / name).stat().st_size for name in ("events.jsonl", "events.jsonl.1")) < 3 * journal.LARGEST
    assert [each["number"] for each in _events(project, "test")][-5:] == [35, 36, 37, 38, 39]
    assert not project.rests()


def _full(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/full")


def _closed(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("obstacle", [_full, _closed])
def test_that_nothing_can_be_noted_fails_no_snapshot(project: Project, obstacle: Any) -> None:
    project.snapshot()
    obstacle(project.path / ".agsekit" / "events.jsonl")
    (project.source / "file").write_text("new")

    assert project.snapshot().created
    assert os.listdir(project.source) == ["file"]
