"""Edits of real folders; time is told to it, so that nothing waits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from agsekit.watching.edits import Edits

NO_FILES: Mapping[bytes, bytes] = MappingProxyType({})


class Follower:
    """Follows the edits of a folder."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.now = 1000.0
        self.saved: list[set[bytes] | None] = []
        self.edits: Edits

    def begin(self, *, exclude: tuple[str, ...] = (), **options: Any) -> Edits:
        self.edits = Edits(self.source, exclude, NO_FILES, now=self.now, **options)
        return self.edits

    def wait(self, seconds: float) -> list[set[bytes] | None]:
        """Let time pass, with a look now and then; return what became due meanwhile."""
        due: list[set[bytes] | None] = []
        end = self.now + seconds
        while self.now < end:
            self.now += 0.1
            self.edits.look(self.now)
            if self.edits.is_due(self.now):
                taken = self.edits.take(self.now)
                due.append(None if taken is None else set(taken))
                self.edits.saved(NO_FILES, now=self.now, spent=0.0)
        return due


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    (tmp_path / "source/a").mkdir(parents=True)
    made = Follower(tmp_path / "source")
    yield made
    made.edits.close()


def test_everything_is_due_first_and_then_what_was_edited(follower: Follower) -> None:
    follower.begin()
    assert follower.wait(2) == [None]

    (follower.source / "a/file").touch()

    assert follower.wait(2) == [{b"a/file"}]
    assert follower.wait(20) == []


def test_nothing_has_to_be_looked_at_while_nothing_happens(follower: Follower) -> None:
    edits = follower.begin()
    follower.wait(2)

    assert edits.wait(follower.now) is None


def test_what_is_left_out_wakes_nobody(follower: Follower) -> None:
    edits = follower.begin(exclude=("*.log",))
    follower.wait(2)

    (follower.source / "noise.log").touch()

    assert follower.wait(2) == []
    assert edits.wait(follower.now) is None


def test_many_events_are_gathered_before_the_next_look(follower: Follower) -> None:
    edits = follower.begin()
    follower.wait(2)
    (follower.source / "file").touch()

    edits.look(follower.now)

    assert edits.is_gathering(follower.now)
    assert not edits.is_gathering(follower.now + 0.2)


def test_what_could_not_be_saved_is_due_again_after_a_while(follower: Follower) -> None:
    edits = follower.begin()
    follower.wait(2)
    (follower.source / "file").touch()
    follower.edits.look(follower.now)

    edits.failed(edits.take(follower.now), now=follower.now)

    assert follower.wait(4.8) == []
    assert follower.wait(1) == [{b"file"}]


def test_each_further_failure_is_waited_for_longer(follower: Follower) -> None:
    edits = follower.begin()
    waits = []
    for _ in range(8):
        edits.failed(edits.take(follower.now), now=follower.now)
        waits.append(edits.wait(follower.now))

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]


def test_rules_that_a_snapshot_found_are_followed(follower: Follower) -> None:
    (follower.source / ".backupignore").write_text("a/\n")
    edits = follower.begin()
    follower.wait(2)

    edits.saved({b"": b"a/\n"}, now=follower.now, spent=0.0)
    follower.now += 1
    assert edits.is_due(follower.now)
    assert edits.take(follower.now) is None
    (follower.source / "a/file").touch()
    edits.look(follower.now)

    assert not edits.is_due(follower.now + 10)


def test_frozen_rules_stay(follower: Follower) -> None:
    edits = follower.begin(frozen=True)
    follower.wait(2)

    edits.saved({b"": b"a/\n"}, now=follower.now, spent=0.0)

    assert edits.wait(follower.now) is None


@pytest.mark.parametrize("moved", [False, True], ids=["deleted", "parent moved"])
def test_a_source_that_comes_back_is_watched_again(follower: Follower, tmp_path: Path, moved: bool) -> None:
    follower.begin()
    follower.wait(2)
    if moved:
        follower.source = tmp_path / "parent/source"
        (follower.source / "a").mkdir(parents=True)
        follower.edits.close()
        follower.begin()
        follower.wait(2)
        (tmp_path / "parent").rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere/source/a/file").touch()
    else:
        shutil.rmtree(follower.source)
    assert follower.wait(3) == [None], "so that the loss is noticed"
    assert follower.wait(20) == []

    follower.source.mkdir(parents=True)

    assert follower.wait(3) == [None]
    (follower.source / "file").touch()
    assert follower.wait(3) == [{b"file"}]


def test_an_overflow_is_answered_by_a_look_at_everything_and_new_watches(follower: Follower) -> None:
    follower.begin()
    follower.wait(2)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (follower.source / "file").touch()
    for _ in range(limit // 2 + 2):
        os.utime(follower.source / "a")
        os.utime(follower.source / "file")
    (follower.source / "b").mkdir()

    assert None in follower.wait(3)

    follower.wait(3)
    (follower.source / "b/file").touch()
    assert follower.wait(3) == [{b"b/file"}]


def test_what_cannot_be_watched_is_left_to_walks_and_tried_again(follower: Follower) -> None:
    edits = follower.begin(most=1)

    assert "max_user_watches" in str(edits.problem and edits.problem.hint)
    assert edits.descriptor == -1
    assert edits.wait(follower.now) is None
    (follower.source / "a").rmdir()
    edits.retry(follower.now)

    assert edits.problem is None
    (follower.source / "file").touch()
    assert follower.wait(2) == [None]


def test_a_source_that_is_not_meant_to_be_watched_is_not(follower: Follower) -> None:
    edits = follower.begin(watch=False)
    (follower.source / "file").touch()
    edits.retry(follower.now)

    assert (edits.problem, edits.descriptor) == (None, -1)
    assert follower.wait(10) == []


def test_watches_that_run_out_later_make_everything_due_once(follower: Follower) -> None:
    edits = follower.begin(most=2)
    follower.wait(2)

    (follower.source / "b").mkdir()

    assert follower.wait(3) == [None]
    assert edits.problem
    assert edits.wait(follower.now) is None


def test_a_shared_file_system_is_watched_only_when_asked_for(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agsekit.watching.edits.shared_type", lambda source: "nfs4")

    edits = follower.begin()
    assert "nfs4" in str(edits.problem)
    assert "watch: true" in str(edits.problem and edits.problem.hint)

    assert follower.begin(watch=True).problem is None
