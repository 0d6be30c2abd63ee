"""backup-repeated-mount and backup-repeated-all, with the real console script."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

import pytest

from agsekit.config.model import Mount
from agsekit.protection.heartbeat import heartbeat_files
from agsekit.protection.rounds import MountState
from agsekit_storage.lock import exclusive
from agsekit_storage.store import Store
from tests.support.world import DEADLINE, World, wait_until, write_files

FAST = 0.01  # minutes


class Reading:
    """A running loop, and what it says on one of its streams."""

    def __init__(self, process: subprocess.Popen[bytes], stream: Any) -> None:
        self.process = process
        self._stream = stream
        self._lines: list[str] = []
        self._rest = b""

    def expect(self, *words: str) -> str:
        """Wait for a line with all the words, and forget everything up to it."""
        deadline = time.monotonic() + DEADLINE
        while True:
            for number, line in enumerate(self._lines):
                if all(word in line for word in words):
                    del self._lines[: number + 1]
                    return line
            left = deadline - time.monotonic()
            assert left > 0, self._lines
            if select.select([self._stream], [], [], left)[0]:
                data = os.read(self._stream.fileno(), 65536)
                assert data, self._lines
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._lines += [line.decode() for line in lines]


@pytest.fixture
def two(world: World) -> World:
    """Two projects with a mount each."""
    write_files(world.project, {"a.txt": "one\n"})
    write_files(world.home / "other", {"b.txt": "two\n"})
    write_config(world)
    return world


def write_config(
    world: World,
    *,
    names: tuple[str, ...] = ("project", "other"),
    interval: float = FAST,
    watch: bool | str = False,
) -> None:
    mounts = [{"source": str(world.home / name), "interval": interval, "watch": watch} for name in names]
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}}, "mounts": mounts})


def started(world: World, *arguments: str) -> tuple[Reading, Reading]:
    process = world.start(*arguments)
    return Reading(process, process.stdout), Reading(process, process.stderr)


def heartbeat(world: World) -> dict[str, Any]:
    documents = [document for _path, document in heartbeat_files(world.home / ".local/state/agsekit")]
    assert len(documents) == 1
    return documents[0]


def count(store: Path) -> int:
    return len(Store.existing(store).snapshots())


def test_all_mounts_get_their_snapshots_in_one_process(two: World) -> None:
    out, _err = started(two, "backup-repeated-all")

    out.expect(f"{two.project}: Snapshot ")
    out.expect(f"{two.project}: Done, waiting 0.01 minutes")
    out.expect(f"{two.home / 'other'}: Snapshot ")
    write_files(two.home / "other", {"c.txt": "new\n"})
    out.expect(f"{two.home / 'other'}: Snapshot ", "+1")

    assert count(two.home / "backups-other") == 2
    assert two.kinds() == ["interval"]


def test_one_mount_is_told_of_without_its_name(two: World) -> None:
    out, _err = started(two, "backup-repeated-mount", "--mount", "other")

    first = out.expect("Snapshot ")
    second = out.expect("Done")

    assert first.startswith("Snapshot ")
    assert second == "Done, waiting 0.01 minutes"
    assert not two.store.exists()


def test_the_only_mount_needs_no_name(two: World) -> None:
    write_config(two, names=("other",))

    out, _err = started(two, "backup-repeated-mount")

    out.expect("Snapshot ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [([], 2, "--mount"), (["--mount", "nowhere"], 12, "is not the source of a mount")],
)
def test_a_mount_that_is_not_clear_is_asked_for(two: World, arguments: list[str], code: int, said: str) -> None:
    done = two.agsekit("backup-repeated-mount", *arguments)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert str(two.project) in done.err


def test_a_source_that_is_away_is_told_of_once_and_the_others_go_on(two: World) -> None:
    out, err = started(two, "backup-repeated-all")
    out.expect(f"{two.project}: Snapshot ")
    away = two.folder / "away"

    two.project.rename(away)
    err.expect(f"{two.project}:")
    err.expect("error:", str(two.project))
    write_files(two.home / "other", {"c.txt": "new\n"})
    out.expect(f"{two.home / 'other'}: Snapshot ", "+1")
    wait_until(lambda: heartbeat(two)["mounts"][0]["failures"] > 2)
    away.rename(two.project)
    write_files(two.project, {"c.txt": "new\n"})
    out.expect(f"{two.project}: Snapshot ", "+1")
    out.process.terminate()
    left = two.finish(out.process).err

    assert "error:" not in left


def test_a_store_that_others_write_to_does_not_hold_up_the_rest(two: World) -> None:
    two.agsekit("backup-once", "--source-dir", two.project, "--dest-dir", two.store)
    with exclusive(two.store / ".agsekit/lock", wait=0):
        out, err = started(two, "backup-repeated-all")

        err.expect("error:")
        out.expect(f"{two.home / 'other'}: Snapshot ")

    out.expect(f"{two.project}: No changes since ")


def test_changes_of_the_configuration_are_picked_up(two: World) -> None:
    write_config(two, names=("project",), interval=60)
    out, _err = started(two, "backup-repeated-all")
    out.expect(f"{two.project}: Done, waiting 60 minutes")

    write_config(two, names=("other",), interval=60)
    out.expect(f"{two.home / 'other'}: Done, waiting 60 minutes")

    assert [mount["source"] for mount in heartbeat(two)["mounts"]] == [str(two.home / "other")]


def test_a_shorter_interval_takes_effect_at_once(two: World) -> None:
    write_config(two, names=("project",), interval=60)
    out, _err = started(two, "backup-repeated-all")
    out.expect("Done, waiting 60 minutes")

    write_config(two, names=("project",), interval=FAST)

    out.expect("Done, waiting 0.01 minutes")


def test_an_invalid_change_is_told_and_the_old_configuration_stays(two: World) -> None:
    out, err = started(two, "backup-repeated-all")
    out.expect(f"{two.project}: Snapshot ")

    two.config.write_text("vms: 3\n")
    err.expect("vms: must be a mapping")
    err.expect("The configuration from before stays in force.")
    write_files(two.project, {"c.txt": "new\n"})

    out.expect(f"{two.project}: Snapshot ", "+1")


def test_without_a_mount_the_configuration_is_waited_for(two: World) -> None:
    write_config(two, names=())
    out, err = started(two, "backup-repeated-all")
    err.expect("There is no mount yet")

    write_config(two)

    out.expect(f"{two.project}: Snapshot ")


def test_the_heartbeat_tells_how_it_stands_with_every_mount(two: World) -> None:
    os.rmdir(two.store) if two.store.exists() else None
    write_config(two, interval=60)
    (two.home / "other/b.txt").unlink()
    (two.home / "other").rmdir()
    before = time.time()
    out, err = started(two, "backup-repeated-all")
    out.expect(f"{two.project}: Done")
    err.expect("error:")
    wait_until(lambda: heartbeat(two)["mounts"][1]["failures"])

    document = heartbeat(two)

    good, bad = document.pop("mounts")
    assert before <= document.pop("time") <= time.time()
    assert document == {
        "version": 1,
        "command": "backup-repeated-all",
        "pid": out.process.pid,
        "config": str(two.config),
    }
    assert good["source"] == str(two.project)
    assert good["backup"] == str(two.store)
    assert good["last_snapshot"] == two.snapshots()[0]["id"]
    assert good["last_success"] + 3600 == pytest.approx(good["next"], abs=0.01)
    assert (good["last_failure"], good["problem"], good["failures"]) == (None, None, 0)
    assert (bad["last_success"], bad["last_snapshot"], bad["failures"]) == (None, None, 1)
    assert str(two.home / "other") in bad["problem"]
    assert bad["last_failure"] < bad["next"] < good["next"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_and_its_heartbeat(two: World, number: signal.Signals, code: int) -> None:
    out, _err = started(two, "backup-repeated-all")
    out.expect(f"{two.home / 'other'}: Done")

    out.process.send_signal(number)
    done = two.finish(out.process)

    assert done.code == code
    assert "Traceback" not in done.err
    assert os.listdir(two.home / ".local/state/agsekit/heartbeats") == []
    two.wait_for_nothing_left()


def test_a_killed_loop_leaves_its_heartbeat_and_the_next_one_replaces_it(two: World) -> None:
    out, _err = started(two, "backup-repeated-all")
    out.expect(f"{two.home / 'other'}: Done")
    out.process.kill()
    out.process.wait()
    left = heartbeat(two)["pid"]

    again, _err = started(two, "backup-repeated-all")
    again.expect(f"{two.home / 'other'}: Done")

    assert left == out.process.pid
    assert heartbeat(two)["pid"] == again.process.pid


def test_loops_of_single_mounts_have_a_heartbeat_each(two: World) -> None:
    for name in ("project", "other"):
        out, _err = started(two, "backup-repeated-mount", "--mount", name)
        out.expect("Done")

    documents = [document for _path, document in heartbeat_files(two.home / ".local/state/agsekit")]

    assert sorted(json.dumps([mount["source"] for mount in each["mounts"]]) for each in documents) == sorted(
        json.dumps([str(two.home / name)]) for name in ("project", "other")
    )


@pytest.mark.parametrize(
    ("minutes", "waits"),
    [(60, [5.0, 10.0, 20.0, 40.0]), (0.2, [5.0, 10.0, 12.0, 12.0]), (0.01, [0.6, 0.6, 0.6, 0.6])],
)
def test_a_failing_mount_is_tried_more_and_more_rarely_but_never_less_than_at_its_interval(
    tmp_path: Path, minutes: float, waits: list[float]
) -> None:
    state = MountState(Mount(tmp_path, tmp_path, tmp_path, "box", interval=minutes), next=0.0)  # type: ignore[arg-type]
    now, found = 1000.0, []

    for _number in waits:
        state.failed(OSError("no"), now)
        found.append(state.next - now)

    assert found == pytest.approx(waits)


def test_only_another_problem_is_news(tmp_path: Path) -> None:
    state = MountState(Mount(tmp_path, tmp_path, tmp_path, "box"), next=0.0)  # type: ignore[arg-type]

    news: list[Optional[bool]] = [state.failed(OSError(text), 1.0) for text in ("one", "one", "two", "one")]

    assert news == [True, False, True, True]


def test_edits_are_saved_as_they_happen_and_told_of_once(two: World) -> None:
    write_config(two, interval=60, watch="auto")
    out, _err = started(two, "backup-repeated-all")
    out.expect(f"{two.project}: Done")
    out.expect(f"{two.home / 'other'}: Done")
    wait_until(lambda: all(each["watched"] for each in heartbeat(two)["mounts"]))

    write_files(two.home / "other", {"c.txt": "new\n"})
    line = out.expect(f"{two.home / 'other'}: Snapshot ", "+1")
    write_files(two.project, {"d.txt": "new\n"})
    out.expect(f"{two.project}: Snapshot ", "+1")

    assert "Done" not in line
    assert two.snapshots()[-1]["kind"] == "watch"


def test_a_mount_that_is_no_longer_watched_by_a_changed_configuration_has_its_interval_again(two: World) -> None:
    write_config(two, names=("project",), interval=60, watch="true")
    out, _err = started(two, "backup-repeated-all")
    out.expect("Done")
    wait_until(lambda: heartbeat(two)["mounts"][0]["watched"])

    write_config(two, names=("project",), interval=FAST, watch="false")
    wait_until(lambda: not heartbeat(two)["mounts"][0]["watched"])
    write_files(two.project, {"d.txt": "new\n"})
    out.expect(f"{two.project}: Snapshot ", "+1")

    assert two.kinds() == ["interval"]
