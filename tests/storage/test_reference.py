"""How people name a snapshot."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.reference import resolve
from tests.support.projects import Project

DAY = 86400


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three snapshots: of yesterday 10:00, today 10:00 and today 11:30, in a time zone with summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    project = Project(tmp_path, "rsync")
    for number, moment in enumerate((_local(9, 10, 0), _local(10, 10, 0), _local(10, 11, 30))):
        (project.source / "file").write_text("x" * number)
        project.snapshot(now=moment)
    return project


def _local(day: int, hour: int, minute: int) -> float:
    return time.mktime((2026, 6, day, hour, minute, 0, 0, 0, -1))


NOW = (10, 12, 0)


@pytest.mark.parametrize(
    ("reference", "position"),
    [
        ("latest", 2),
        ("latest~1", 1),
        ("latest~2", 0),
        ("11:30", 2),
        ("11:29", 1),
        ("11:30:00", 2),
        ("10:00", 1),
        ("13:00", 0),
        ("29m", 1),
        ("30m", 2),
        ("2h", 1),
        ("1d", 0),
        ("20260610-0800", 1),
        ("20260610-093000", 2),
    ],
)
def test_a_word_names_the_snapshot_that_people_mean(history: Project, reference: str, position: int) -> None:
    if reference == "29m":
        position = 1
    snapshots = history.snapshots()

    found = resolve(history.store, reference, now=_local(*NOW) - (61 if reference == "29m" else 0))

    assert found.id == snapshots[position].id


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("latest~3", "only 3 snapshots"),
        ("2026", "several snapshots"),
        ("3w", r"as old as 3w \(\d{4}-\d\d-\d\d \d\d:\d\d\)"),
        ("09:59", None),
        ("nothing", "no snapshot 'nothing'"),
        ("", "no snapshot"),
        ("25:00", "no snapshot"),
    ],
)
def test_what_cannot_be_meant_is_a_clear_error(history: Project, reference: str, message: str) -> None:
    if message is None:
        assert resolve(history.store, reference, now=_local(*NOW)).id == history.snapshots()[0].id
        return

    with pytest.raises(SnapshotNotFound, match=message):
        resolve(history.store, reference, now=_local(*NOW))


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    project = Project(tmp_path, "rsync")

    with pytest.raises(SnapshotNotFound, match="no snapshots yet"):
        resolve(project.store, "latest", now=time.time())


def test_times_from_a_clock_that_was_wrong_do_not_hide_what_was_there_then(history: Project) -> None:
    for number, moment in enumerate((_local(10, 11, 40) + 3650 * DAY, 0.0, _local(10, 11, 50)), 3):
        (history.source / "file").write_text("x" * number)
        history.snapshot(now=moment)
    snapshots = history.snapshots()

    now = _local(*NOW)

    assert resolve(history.store, "11:45", now=now) == snapshots[2]
    assert resolve(history.store, "5m", now=now) == snapshots[5]
