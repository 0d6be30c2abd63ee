from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agsekit.protection.assignment import Assignment, Report
from agsekit.protection.protector import Protector, start_protector
from agsekit.protection.target import Target
from agsekit_storage.store import Store
from tests.support.world import wait_until

SOON = 0.05 / 60
NEVER = 60.0
RUN = {"id": "run-1", "agent": "rogue", "vm": "box"}


class Protectors:
    """Starts protectors, and ends those that a failing test left."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: list[Protector] = []

    def start(
        self,
        *,
        interval: float = SOON,
        watch: bool = False,
        exclude: tuple[str, ...] = (),
        rule_files: Mapping[bytes, bytes] | None = None,
        on_orphaned: Callable[[], None] = lambda: None,
    ) -> Protector:
        target = Target(self._store.source, self._store.path, exclude, interval=interval, watch=watch)
        protector = start_protector(Assignment(self._store, target, rule_files or {}, RUN, on_orphaned))
        self._running.append(protector)
        return protector

    def stop(self, protector: Protector) -> Report:
        self._running.remove(protector)
        return protector.stop()

    def orphan(self, protector: Protector) -> int:
        """Close the lifeline, as the end of the run's process does; return how the protector ended."""
        os.close(protector._lifeline)
        os.close(protector._reports)
        self._running.remove(protector)
        return os.waitpid(protector.pid, 0)[1]

    def close(self) -> None:
        for protector in self._running:
            os.kill(protector.pid, signal.SIGKILL)
            protector.stop()


@pytest.fixture
def protectors(store: Store) -> Iterator[Protectors]:
    made = Protectors(store)
    yield made
    made.close()


def source_of(store: Store) -> Path:
    assert store.source is not None
    return store.source


def names(store: Store) -> list[list[str]]:
    """Return the names in each snapshot, oldest first."""
    return [sorted(os.listdir(store.path / each.id)) for each in store.snapshots()]


def test_snapshots_are_taken_while_files_change(store: Store, protectors: Protectors) -> None:
    protector = protectors.start()

    for number in range(3):
        (source_of(store) / f"file{number}").touch()
        wait_until(lambda: len(store.snapshots()) > number)  # noqa: B023  it is called at once
    report = protectors.stop(protector)

    assert report == Report(3, ())
    assert names(store) == [["file0"], ["file0", "file1"], ["file0", "file1", "file2"]]
    assert {each.kind for each in store.snapshots()} == {"interval"}
    assert all(each.run == RUN for each in store.snapshots())


def test_without_a_change_there_is_no_snapshot_after_the_first(store: Store, protectors: Protectors) -> None:
    (source_of(store) / "file").touch()
    protector = protectors.start()
    wait_until(lambda: store.snapshots())

    time.sleep(0.3)

    assert protectors.stop(protector) == Report(1, ())


def test_a_failing_snapshot_is_reported_and_does_not_end_it(store: Store, protectors: Protectors) -> None:
    source, away = source_of(store), source_of(store).with_name("away")
    (source / "file").touch()
    protector = protectors.start()
    wait_until(lambda: store.snapshots())

    shutil.move(source, away)
    time.sleep(0.3)
    shutil.move(away, source)
    (source / "later").touch()
    wait_until(lambda: len(store.snapshots()) == 2)
    report = protectors.stop(protector)

    assert report.taken == 2
    assert report.failures
    assert all(str(source) in failure for failure in report.failures)


def test_a_mistake_of_ours_does_not_end_it_either(store: Store, protectors: Protectors) -> None:
    (source_of(store) / "file").touch()
    not_bytes: Any = {b"": "text where bytes belong"}

    protector = protectors.start(rule_files=not_bytes)
    time.sleep(0.3)
    report = protectors.stop(protector)

    assert report.taken == 0
    assert len(report.failures) > 1
    assert all("Error: " in failure for failure in report.failures)


def test_stopping_does_not_wait_for_the_interval_and_takes_no_snapshot(
    store: Store, protectors: Protectors, tmp_path: Path
) -> None:
    protector = protectors.start(interval=NEVER, on_orphaned=(tmp_path / "orphaned").touch)
    (source_of(store) / "file").touch()

    assert protectors.stop(protector) == Report(0, ())
    assert store.snapshots() == []
    assert not (tmp_path / "orphaned").exists()


def test_an_orphan_ends_what_runs_inside_and_then_saves_the_last_state(
    store: Store, protectors: Protectors, tmp_path: Path
) -> None:
    source = source_of(store)
    protector = protectors.start(interval=NEVER, on_orphaned=(source / "made-by-the-dying-agent").touch)
    (source / "file").touch()

    status = protectors.orphan(protector)

    assert status == 0
    assert names(store) == [["file", "made-by-the-dying-agent"]]
    assert [each.kind for each in store.snapshots()] == ["post-run"]
    assert [each.run for each in store.snapshots()] == [RUN]


def test_an_orphan_also_saves_what_the_agent_did_while_it_died(store: Store, protectors: Protectors) -> None:
    source = source_of(store)
    (source / "file").touch()

    def leave_a_dying_agent() -> None:
        if os.fork() == 0:
            while not store.snapshots():
                time.sleep(0.01)
            (source / "late").touch()
            os._exit(0)

    protectors.orphan(protectors.start(interval=NEVER, on_orphaned=leave_a_dying_agent))

    assert names(store)[-1] == ["file", "late"]


def test_an_orphan_saves_the_last_state_even_if_the_vm_cannot_be_reached(
    store: Store, protectors: Protectors
) -> None:
    def fail() -> None:
        raise RuntimeError("the VM does not answer")

    (source_of(store) / "file").touch()

    protectors.orphan(protectors.start(interval=NEVER, on_orphaned=fail))

    assert names(store) == [["file"]]


def test_the_rules_in_force_are_those_of_the_start(store: Store, protectors: Protectors) -> None:
    source = source_of(store)
    (source / ".backupignore").write_text("ignored\n")
    protector = protectors.start(rule_files={b"": b"ignored\n"}, exclude=("excluded",))

    (source / ".backupignore").write_text("precious\n")
    for name in ("precious", "ignored", "excluded"):
        (source / name).touch()
    wait_until(lambda: any("precious" in each for each in names(store)))
    protectors.stop(protector)

    assert names(store)[-1] == [".backupignore", "precious"]


def test_nothing_that_the_run_has_open_stays_open_in_it(store: Store, protectors: Protectors, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        high = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, 200)
        protector = protectors.start(interval=NEVER)
        folder = Path(f"/proc/{protector.pid}/fd")
        wait_until(lambda: os.readlink(folder / "0") == os.devnull)
        wait_until(lambda: os.readlink(f"/proc/{protector.pid}/cwd") == "/")
        wait_until(lambda: len(list(folder.iterdir())) <= 5)
        opened = [os.readlink(each) for each in sorted(folder.iterdir(), key=lambda each: int(each.name))]
        os.close(high)

    assert opened[:3] == [os.devnull] * 3
    assert len(opened) == 5
    assert all(each.startswith("pipe:") for each in opened[3:])


def test_it_leaves_the_session_and_the_folder_of_the_run(store: Store, protectors: Protectors) -> None:
    protector = protectors.start(interval=NEVER)

    wait_until(lambda: os.getsid(protector.pid) == protector.pid)
    wait_until(lambda: os.readlink(f"/proc/{protector.pid}/cwd") == "/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_of_the_terminal_does_not_end_it(
    store: Store, protectors: Protectors, number: signal.Signals
) -> None:
    protector = protectors.start()
    (source_of(store) / "first").touch()
    wait_until(lambda: store.snapshots())

    os.kill(protector.pid, number)
    (source_of(store) / "second").touch()
    wait_until(lambda: len(store.snapshots()) == 2)

    assert protectors.stop(protector) == Report(2, ())


def test_a_protector_that_was_killed_is_reported_and_leaves_no_zombie(store: Store, protectors: Protectors) -> None:
    protector = protectors.start(interval=NEVER)

    os.kill(protector.pid, signal.SIGKILL)
    report = protectors.stop(protector)

    assert len(report.failures) == 1
    assert "ended early" in report.failures[0]
    with pytest.raises(ChildProcessError):
        os.waitpid(protector.pid, os.WNOHANG)
