"""Deleting snapshots: what goes, what stays whole, and what each costs."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from agsekit_storage.events import CapUnmet, Event
from agsekit_storage.pruning import plan_prune, prune
from agsekit_storage.retention import Decision, Policy
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.usage import measure
from tests.support.projects import Project

NOTHING = Policy(everything=0, hourly=0, daily=0, weekly=0)


def _states(project: Project, count: int, size: int = 1000) -> list[str]:
    """Take snapshots in which one file changes each time, and return their ids."""
    (project.source / "constant").write_bytes(b"c" * size)
    ids = []
    for number in range(count):
        (project.source / "file").write_bytes(bytes([number]) * size + b"!" * number)
        ids.append(project.snapshot().snapshot.id)
    return ids


def test_what_the_policy_lets_go_is_gone_and_the_rest_is_whole(project: Project) -> None:
    ids = _states(project, 4)
    with project.store.locked(wait=1):
        project.store.pin(ids[1], pinned=True)
    pinned = project.saved(project.snapshots()[1])

    decisions = prune(project.store, NOTHING, now=time.time())

    assert [each.keep for each in decisions] == [False, True, False, True]
    assert [snapshot.id for snapshot in project.snapshots()] == [ids[1], ids[3]]
    assert project.saved(project.snapshots()[0]) == pinned
    assert project.saved(project.snapshots()[1]) == project.now()
    assert not project.rests()


def test_a_plan_deletes_nothing(project: Project) -> None:
    ids = _states(project, 3)

    decisions = plan_prune(project.store, NOTHING, now=time.time())

    assert [each.keep for each in decisions] == [False, False, True]
    assert [snapshot.id for snapshot in project.snapshots()] == ids


def test_a_pin_can_be_taken_back(project: Project) -> None:
    ids = _states(project, 2)
    store = project.store
    with store.locked(wait=1):
        store.pin(ids[0], pinned=True)
        assert store.get(ids[0]).pinned
        store.pin(ids[0], pinned=False)

    prune(project.store, NOTHING, now=time.time())

    assert [snapshot.id for snapshot in project.snapshots()] == [ids[1]]


def test_the_bytes_of_a_deleted_snapshot_that_others_need_are_counted_there(project: Project) -> None:
    _states(project, 3)
    before = [snapshot.stored_bytes for snapshot in project.snapshots()]

    prune(project.store, NOTHING, now=time.time())

    [left] = project.snapshots()
    assert before == [2000, 1001, 1002]
    assert left.stored_bytes == 1000 + 1002


def test_a_size_cap_lets_go_until_the_store_fits(project: Project) -> None:
    _states(project, 5, size=100_000)

    prune(project.store, replace(Policy(), max_size=350_000), now=time.time())

    left = project.snapshots()
    assert len(left) == 2
    assert sum(snapshot.stored_bytes for snapshot in left) <= 350_000
    assert project.saved(left[-1]) == project.now()


@pytest.mark.parametrize("policy", [replace(Policy(), min_free=10**18), replace(Policy(), max_size=1500)])
def test_a_cap_that_no_deletion_can_meet_costs_no_history_and_is_told_of(project: Project, policy: Policy) -> None:
    ids = _states(project, 3)
    told: list[Event] = []

    prune(project.store, policy, now=time.time(), on_event=told.append)

    assert [snapshot.id for snapshot in project.snapshots()] == ids
    assert [type(event) for event in told] == [CapUnmet]


def test_a_snapshot_larger_than_the_size_cap_deletes_nothing_in_vain(project: Project) -> None:
    ids = _states(project, 3)
    (project.source / "big").write_bytes(os.urandom(500_000))
    told: list[Event] = []

    request = Request("interval", keep=replace(Policy(), max_size=100_000))
    result = take_snapshot(project.store, request, now=time.time(), on_event=told.append)

    assert [snapshot.id for snapshot in project.snapshots()] == [*ids, result.snapshot.id]
    [unmet] = [event for event in told if isinstance(event, CapUnmet)]
    assert unmet.cap == "max-size"
    assert 400_000 <= unmet.missing < 500_000


def test_a_snapshot_prunes_by_its_own_policy(project: Project) -> None:
    _states(project, 3)
    (project.source / "file").write_bytes(b"new")

    result = take_snapshot(project.store, Request("manual", keep=NOTHING), now=time.time())

    assert [snapshot.id for snapshot in project.snapshots()] == [result.snapshot.id]


def test_records_that_nobody_builds_upon_any_more_go_too(project: Project) -> None:
    for number in range(80):
        folder = project.source / f"folder-{number}"
        folder.mkdir()
        (folder / "file").write_text("x")
    project.snapshot()
    for number in range(80):
        (project.source / f"folder-{number}" / "file").write_text("other")
    newest = project.snapshot().snapshot

    prune(project.store, NOTHING, now=time.time())

    assert os.listdir(project.path / ".agsekit" / "bases") == [newest.id]
    assert project.saved(newest) == project.now()


def test_usage_names_the_dearest_paths_and_only_rules_for_what_can_be_made_again(project: Project) -> None:
    (project.source / "node_modules").mkdir()
    for number in range(3):
        (project.source / "node_modules" / "big.js").write_bytes(bytes([number]) * 5000)
        (project.source / "thesis.txt").write_bytes(bytes([number]) * 4000)
        (project.source / "server.log").write_bytes(bytes([number]) * 1000)
        project.snapshot()

    usage = measure(project.store)

    assert usage.total == 3 * 10_000
    assert [(cost.name, cost.bytes, cost.versions) for cost in usage.paths] == [
        (b"node_modules/big.js", 15000, 3),
        (b"thesis.txt", 12000, 3),
        (b"server.log", 3000, 3),
    ]
    assert [cost.name for cost in usage.rules] == [b"node_modules/", b"*.log"]


@pytest.mark.parametrize("path", [b".git/build/x.o", b"src/main.py"])
def test_nothing_is_suggested_that_could_be_work(project: Project, path: bytes) -> None:
    place = project.source / os.fsdecode(path)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 5000)
    project.snapshot()

    assert measure(project.store).rules == []


def test_a_record_that_cannot_be_read_does_not_end_the_pruning(project: Project) -> None:
    ids = _states(project, 5)
    (project.path / ".agsekit" / "trees" / ids[2]).write_bytes(b"damaged")
    (project.source / "file").write_bytes(b"new")

    result = take_snapshot(project.store, Request("pre-run", keep=NOTHING), now=time.time())

    assert [snapshot.id for snapshot in project.snapshots()] == [ids[2], result.snapshot.id]


def test_a_file_full_of_holes_does_not_use_up_the_size_cap(project: Project) -> None:
    ids = _states(project, 3)
    os.truncate(project.source / "file", 2**40)

    result = take_snapshot(
        project.store, Request("interval", keep=replace(Policy(), max_size=2**30)), now=time.time()
    )

    assert [snapshot.id for snapshot in project.snapshots()] == [*ids, result.snapshot.id]


def test_a_floor_of_free_disk_does_not_cost_more_history_each_time(volatile_project: Project) -> None:
    project = volatile_project
    for _ in range(30):
        (project.source / "file").write_bytes(os.urandom(2**20))
        project.snapshot()
    disk = os.statvfs(project.path)
    policy = replace(Policy(), min_free=disk.f_bavail * disk.f_frsize + 9 * 2**20)
    prune(project.store, policy, now=time.time())
    left = len(project.snapshots())
    assert left < 25

    prune(project.store, policy, now=time.time())

    assert len(project.snapshots()) > left - 5


def test_the_state_before_a_restore_stays_also_when_it_had_a_snapshot_already(project: Project) -> None:
    (project.source / "file").write_text("old")
    old = project.snapshot().snapshot
    (project.source / "file").write_text("precious")
    precious = project.snapshot(kind="interval").snapshot
    restored = project.restore(old)
    (project.source / "file").write_text("new")

    take_snapshot(project.store, Request("interval", keep=NOTHING), now=time.time())

    assert restored.before is not None
    assert restored.before.id == precious.id
    assert precious.id in [snapshot.id for snapshot in project.snapshots()]
    assert precious.id not in [each.snapshot.id for each in _kept_in_two_days(project)]


def _kept_in_two_days(project: Project) -> list[Decision]:
    for days in (0.9, 1.8):
        (project.source / "file").write_text(f"after {days} days")
        project.snapshot(now=time.time() + days * 86400)
    decisions = plan_prune(project.store, NOTHING, now=time.time() + 2 * 86400)
    return [each for each in decisions if each.keep]
