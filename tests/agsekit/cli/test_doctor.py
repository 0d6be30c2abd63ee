from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import Done, World

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")


def found(done: Done, result: str) -> list[tuple[str, str]]:
    """Return the names and texts of the checks with this result."""
    return [(each["check"], each["text"]) for each in done.document["checks"] if each["result"] == result]


@pytest.fixture
def healthy(world: World) -> World:
    """A machine with a sandbox, a project, and a first snapshot."""
    world.configure(env={"KEY": "s3cret"})
    (world.project / "file").write_text("content")
    world.save(now=1_800_000_000)
    return world


@needs_bubblewrap
def test_a_healthy_machine_passes(healthy: World) -> None:
    done = healthy.agsekit("doctor", "--json")

    assert (done.code, found(done, "fail"), done.document["ok"]) == (0, [], True), done
    assert {"configuration", "python", "program", "source", "store", "vm"} <= {name for name, _ in found(done, "ok")}


def test_a_configuration_with_problems_is_one_failure_a_problem(world: World) -> None:
    world.write_config({"vms": {"box": {"cpu": "many"}}, "mounts": [{"target": "/x"}]})

    done = world.agsekit("doctor", "--json")

    assert done.code == 1
    problems = [text for name, text in found(done, "fail") if name == "configuration"]
    assert [any(key in text for text in problems) for key in ("cpu", "source")] == [True, True]


@needs_bubblewrap
def test_what_others_can_read_is_narrowed(healthy: World) -> None:
    healthy.config.chmod(0o644)
    healthy.store.chmod(0o755)
    before = healthy.agsekit("doctor")

    fixed = healthy.agsekit("doctor", "--fix")

    assert (before.code, before.out.count("can be read by others")) == (1, 2)
    assert (fixed.code, fixed.out.count("is yours alone now")) == (0, 2)
    assert [path.stat().st_mode & 0o777 for path in (healthy.config, healthy.store)] == [0o600, 0o700]
    assert "s3cret" not in before.out + before.err + fixed.out + fixed.err


@needs_bubblewrap
def test_the_rest_of_a_snapshot_that_was_cut_short_is_removed(healthy: World) -> None:
    partial = healthy.store / "20270101-000000-partial"
    partial.mkdir()

    before, fixed = healthy.agsekit("doctor", "--json"), healthy.agsekit("doctor", "--fix", "--json")

    assert [name for name, _ in found(before, "warn")] == ["leftovers"]
    assert [each["done"] for each in fixed.document["checks"] if each["check"] == "leftovers"] == [
        f"the leftovers in {healthy.store} were removed"
    ]
    assert not partial.exists()


@needs_bubblewrap
def test_a_loop_that_died_is_named_and_its_trace_removed(healthy: World) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    beat = healthy.home / ".local/state/agsekit/heartbeats/backup-repeated-all.json"
    beat.parent.mkdir(parents=True)
    beat.write_text(
        json.dumps({"version": 1, "command": "backup-repeated-all", "pid": ended.pid, "time": 1, "mounts": []})
    )

    before, fixed = healthy.agsekit("doctor", "--json"), healthy.agsekit("doctor", "--fix")

    assert found(before, "fail") == [("loop", "`backup-repeated-all` has died or hangs: no sign of life")]
    assert (fixed.code, beat.exists()) == (0, False)


@needs_bubblewrap
def test_a_store_inside_a_mounted_folder_is_a_failure(healthy: World) -> None:
    healthy.configure(backup=str(healthy.project / "backups"))

    done = healthy.agsekit("doctor", "--json")

    assert done.code in (1, 10)
    assert any("inside the source" in text or "inside" in text for _, text in found(done, "fail")), done.out


def test_a_source_that_is_gone_is_a_failure(world: World) -> None:
    world.configure()
    world.project.rmdir()

    done = world.agsekit("doctor", "--json")

    assert done.code == 1
    assert ("source", f"the source folder {world.project} does not exist") in found(done, "fail")


@needs_bubblewrap
def test_a_source_that_is_gone_and_was_saved_is_brought_back_by_the_command_shown(healthy: World) -> None:
    shutil.rmtree(healthy.project)

    [hint] = [
        each["hint"] for each in healthy.agsekit("doctor", "--json").document["checks"] if each["check"] == "source"
    ]
    _, *words = hint.removeprefix("bring it back: ").partition(";")[0].split()
    done = healthy.agsekit(*words, "--yes", cwd=healthy.home)

    assert done.code == 0, done.err
    assert (healthy.project / "file").read_text() == "content"


@needs_bubblewrap
def test_a_damaged_record_is_named(healthy: World) -> None:
    record = next((healthy.store / ".agsekit/trees").iterdir())
    os.truncate(record, 3)

    done = healthy.agsekit("doctor", "--json")

    assert [name for name, text in found(done, "fail") if "damaged" in text] == ["store"]


@needs_bubblewrap
def test_a_stale_mount_and_a_wrong_clock_are_repaired(world: World, fake_multipass: FakeMultipass) -> None:
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    settings: dict[str, Any] = {"cpu": 1, "ram": "1G", "disk": "5G"}
    world.write_config({"vms": {"box": settings}, "mounts": [{"source": str(world.project)}]})
    (world.project / "file").touch()
    assert world.agsekit("create-vm").code == 0
    assert world.agsekit("mount").code == 0
    fake_multipass.change("box", stale=["/home/ubuntu/project"])
    slow = fake_multipass.root("box").parent / "local-bin/date"
    slow.write_text('#!/bin/sh\n[ $# = 1 ] && echo 1000 || rm "$0"\n')
    slow.chmod(0o755)

    before = world.agsekit("doctor", "--json")
    fixed = world.agsekit("doctor", "--fix", "--json")

    assert ("vm-mount", f"{world.project} shows nothing in VM box") in found(before, "fail")
    assert [name for name, _ in found(before, "warn")] == ["store", "vm-clock"]
    assert [each["mended"] for each in fixed.document["checks"] if each["check"] == "vm-mount"] == [True]
    assert found(world.agsekit("doctor", "--json"), "fail") == []
