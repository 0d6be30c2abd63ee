"""What can go wrong outside of agsekit: disks, files and folders that are not as they should be."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.trees import describe
from tests.support.world import World, write_files

NOISE = os.urandom(300 * 1024)
# Found out beforehand, or met on the way.
NO_ROOM = re.compile(r"has 0\.\d\d MB free, and this snapshot needs 0\.\d\d MB|No space left on device")


@pytest.fixture
def on_small_disk(world: World, small_disk: Path) -> Iterator[World]:
    """A world whose store lies on a disk with room for 256 KiB."""
    write_files(world.project, {"a.txt": "one\n"})
    world.store = small_disk / "store"
    world.configure("touch it-ran", backup=str(world.store))
    yield world
    world.close()


def test_a_full_disk_costs_only_the_snapshot_that_did_not_fit(on_small_disk: World) -> None:
    world = on_small_disk
    assert world.agsekit("backup-once", cwd=world.project).code == 0
    (world.project / "big.bin").write_bytes(NOISE)

    full = world.agsekit("backup-once", cwd=world.project)
    (world.project / "big.bin").unlink()
    write_files(world.project, {"b.txt": "two\n"})
    later = world.agsekit("backup-once", cwd=world.project)

    assert (full.code, full.out) == (1, "")
    assert NO_ROOM.search(full.err)
    assert "hint: " in full.err
    assert "Traceback" not in full.err
    assert later.code == 0, later.err
    assert [each["files"] for each in world.snapshots()] == [1, 2]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_no_agent_starts_when_there_is_no_room_for_the_first_snapshot(on_small_disk: World) -> None:
    world = on_small_disk
    (world.project / "big.bin").write_bytes(NOISE)

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert (run.code, run.out) == (125, "")
    assert NO_ROOM.search(run.err)
    assert not (world.project / "it-ran").exists()
    world.wait_for_nothing_left()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_a_disk_that_fills_up_during_a_run_is_told_and_the_way_back_stays(on_small_disk: World) -> None:
    world = on_small_disk
    before = describe(world.project)
    world.configure("head -c 300000 /dev/urandom > big.bin; rm a.txt; exit 5", backup=str(world.store))

    run = world.agsekit("run", "rogue", cwd=world.project)
    (world.project / "big.bin").unlink()
    restored = world.agsekit("snapshots", "restore", "latest", "-y", cwd=world.project)

    assert run.code == 5
    assert "warning: a snapshot failed: " in run.err
    assert NO_ROOM.search(run.err)
    assert restored.code == 0, restored.err
    assert describe(world.project) == before


def test_files_that_vanish_and_change_while_they_are_saved_do_not_stop_the_rest(world: World) -> None:
    write_files(world.project, {f"stays/{number}.txt": "x" * 1000 for number in range(300)})
    over = threading.Event()

    def churn() -> None:
        folder = world.project / "churn"
        while not over.is_set():
            folder.mkdir(exist_ok=True)
            for number in range(50):
                (folder / f"{number}.txt").write_text("y" * number * 100)
            shutil.rmtree(folder)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        words = ["backup-once", "--source-dir", str(world.project), "--dest-dir", str(world.store)]
        codes = {world.agsekit(*words).code for _ in range(4)}
    finally:
        over.set()
        thread.join()

    assert codes <= {0, 3}
    newest = world.store / world.snapshots()[-1]["id"]
    assert len(os.listdir(newest / "stays")) == 300


def test_a_config_that_others_can_read_is_warned_about_once_a_run(world: World) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap")
    world.configure(env={"API_KEY": "sk-1"})
    world.config.chmod(0o644)

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 0
    assert run.err.count("warning: ") == 1
    assert str(world.config) in run.err
    assert "sk-1" not in run.err


def test_every_problem_of_a_config_is_told_at_once_with_its_line(world: World) -> None:
    world.config.parent.mkdir(parents=True)
    world.config.write_text("vms:\n  box: {cpu: many}\nmounts:\n- source: /x\n  vm: bxo\n  intervall: 5\n")

    done = world.agsekit("backup-once", cwd=world.project)

    assert (done.code, done.out) == (10, "")
    lines = done.err.splitlines()
    assert any(f"{world.config}:2: vms.box.cpu: " in line for line in lines)
    assert any(":5: mounts[0].vm: " in line and "box" in line for line in lines)
    assert any(":6: mounts[0].intervall: " in line and "interval" in line for line in lines)
