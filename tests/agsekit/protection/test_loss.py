"""A run that destroys much is noticed, at once or bit by bit, and only what it destroyed is brought back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from agsekit.protection.loss import Loss, LossWatch, bring_back, loss_of
from agsekit.protection.target import Target
from agsekit_storage.errors import SourceUnavailable
from agsekit_storage.events import ignore_events
from agsekit_storage.snapshots import Request, Result, take_snapshot
from agsekit_storage.store import Store
from tests.support.world import write_files


class Watched:
    """Forty files, and a watch over what becomes of them."""

    def __init__(self, store: Store, share: float) -> None:
        self.store = store
        assert store.source
        self.source: Path = store.source
        write_files(self.source, {f"f{number}": "content" * 20 for number in range(10, 50)})
        first = self.take()
        self.first = first.snapshot.id
        self.watch = LossWatch(first.snapshot, first.tree, share)

    def take(self) -> Result:
        return take_snapshot(self.store, Request("interval"), now=time.time())

    def look(self) -> Loss | None:
        return self.watch.result(self.take())

    def remove(self, pattern: str) -> None:
        for path in self.source.glob(pattern):
            path.unlink()


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store, 0.5)


def test_many_small_deletions_add_up(watched: Watched) -> None:
    found = []
    for tens in (1, 2, 3, 4):
        watched.remove(f"f{tens}*")
        found.append(watched.look())

    assert found == [None, None, Loss(30, 40, watched.first), None]


def test_files_that_come_back_are_not_lost_and_a_new_loss_is_told_again(watched: Watched) -> None:
    watched.remove("f[12]*")
    assert watched.look() is None
    write_files(watched.source, {f"f{number}": "back again" * 20 for number in range(10, 30)})
    assert watched.look() is None
    middle = watched.store.snapshots()[-1].id
    for _ in range(2):
        watched.remove("f[234]*")
        assert watched.look() == Loss(30, 40, middle)
        write_files(watched.source, {f"f{number}": "back again" * 20 for number in range(20, 50)})
        assert watched.look() is None
        middle = watched.store.snapshots()[-1].id


def test_cut_down_files_count_and_moved_ones_do_not(watched: Watched) -> None:
    (watched.source / "src").mkdir()
    for path in watched.source.glob("f*"):
        path.rename(watched.source / "src" / path.name)
    assert watched.look() is None

    for number in range(10, 50):
        write_files(watched.source, {f"src/f{number}": "x"})

    # These are not the files that the run began with any more, but the snapshot itself shows the loss.
    assert watched.look() is not None


def test_snapshots_that_somebody_else_took_hide_nothing(watched: Watched) -> None:
    watched.remove("f[123]*")
    watched.take()

    assert watched.look() == Loss(30, 40, watched.first)


def test_a_folder_that_is_gone_is_told_once(watched: Watched) -> None:
    shutil.rmtree(watched.source)
    with pytest.raises(SourceUnavailable) as error:
        watched.take()

    assert watched.watch.failure(error.value) == Loss(40, 40, watched.first, vanished=True)
    assert watched.watch.failure(error.value) is None
    assert watched.watch.failure(ValueError("something else")) is None


def test_a_loss_passes_through_a_report(watched: Watched) -> None:
    loss = Loss(1, 2, "20261124-120000", vanished=True)

    assert loss_of(loss.entry()) == loss
    assert loss_of({"snapshot": "x"}) is None


def test_only_what_was_lost_is_brought_back(watched: Watched) -> None:
    watched.remove("f[1234]*")
    write_files(watched.source, {"f49": "x", "f48": "another way" * 20, "new": "new"})
    loss = watched.look()
    assert loss

    count = bring_back(watched.store, Target(watched.source, watched.store.path), loss, on_event=ignore_events)

    assert count == 39
    texts = {name: (watched.source / name).read_text() for name in ("f10", "f49", "f48", "new")}
    assert texts == {"f10": "content" * 20, "f49": "content" * 20, "f48": "another way" * 20, "new": "new"}


def test_a_folder_that_is_gone_is_brought_back_whole(watched: Watched) -> None:
    shutil.rmtree(watched.source)

    bring_back(
        watched.store,
        Target(watched.source, watched.store.path),
        Loss(40, 40, watched.first, vanished=True),
        on_event=ignore_events,
    )

    assert len(list(watched.source.iterdir())) == 40
