from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import World, wait_until, write_files

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")


@needs_bubblewrap
def test_a_run_that_is_under_way_is_told_with_its_mount_and_its_agent(world: World) -> None:
    world.configure("touch started; until [ -e go ]; do sleep 0.1; done")
    process = world.start("run", "rogue", str(world.project))
    wait_until((world.project / "started").exists)

    document = world.agsekit("status", "--json").document
    text = world.agsekit("status").out

    [mount], [agent] = document["mounts"], document["agents"]
    assert [run["agent"] for run in mount["runs"]] == ["rogue"]
    assert [run["source"] for run in agent["runs"]] == [str(world.project)]
    assert (mount["snapshots"], mount["last_snapshot"]["kind"]) == (1, "pre-run")
    assert "protected by a run of rogue" in text
    assert "runs in ~/project for" in text
    (world.project / "go").touch()
    world.finish(process)
    assert world.agsekit("status", "--json").document["agents"][0]["runs"] == []


def test_what_cannot_be_asked_does_not_hide_the_rest(world: World) -> None:
    world.environment["PATH"] = "/nowhere"
    world.write_config(
        {
            "vms": {"box": {}, "cell": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(world.project)}, {"source": str(world.home / "gone")}],
        }
    )

    done = world.agsekit("status", "--json")

    assert done.code == 0
    assert [(vm["name"], vm["state"]) for vm in done.document["vms"]] == [("box", None), ("cell", "absent")]
    assert "Multipass is not installed" in done.document["vms"][0]["problem"]
    assert [mount["problem"] for mount in done.document["mounts"]] == [None, "the folder is not there"]


@needs_bubblewrap
def test_a_vm_is_told_with_its_state_its_load_and_what_is_not_as_configured(
    world: World, fake_multipass: FakeMultipass
) -> None:
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    settings: dict[str, Any] = {"cpu": 1, "ram": "1G", "disk": "5G"}
    content = {"vms": {"box": settings, "spare": settings}, "mounts": [{"source": str(world.project), "vm": "box"}]}
    world.write_config(content)
    assert world.agsekit("create-vm", "box").code == 0
    settings["ram"] = "2G"
    world.write_config(content)
    before = world.agsekit("status", "--json").document
    assert world.agsekit("mount").code == 0

    after = world.agsekit("status", "--json").document

    box, spare = after["vms"]
    assert (box["state"], [each["key"] for each in box["differences"]], spare["state"]) == (
        "running",
        ["ram"],
        "absent",
    )
    assert isinstance(box["load"], float)
    assert [document["mounts"][0]["mounted"] for document in (before, after)] == [False, True]
    calls = [call.argv[1] for call in fake_multipass.calls()]
    assert "start" not in calls


def test_a_loop_that_lives_protects_its_mount_and_a_dead_one_does_not(world: World) -> None:
    world.configure()
    beats = world.home / ".local/state/agsekit/heartbeats"
    beats.mkdir(parents=True)
    for name, time in (("alive", 4e9), ("dead", 1.0)):
        mount = {"source": str(world.project), "problem": None}
        document = {"version": 1, "command": name, "pid": os.getpid(), "time": time, "mounts": [mount]}
        (beats / f"{name}.json").write_text(json.dumps(document))

    document = world.agsekit("status", "--json").document

    assert [each["command"] for each in document["mounts"][0]["protectors"]] == ["alive"]


def test_watching_shows_it_again_until_it_is_stopped(world: World) -> None:
    world.configure()
    window = world.window("status", "--watch")
    window.expect("rogue (custom): does not run")
    window.expect("rogue (custom): does not run")

    window.type("\x03")

    assert window.finish() == 130


@needs_bubblewrap
def test_an_agent_is_told_with_what_is_installed_of_it(world: World) -> None:
    content = {
        "vms": {"box": {"engine": "bubblewrap"}},
        "agents": {"q": {"type": "qwen"}, "tool": {"type": "custom", "command": ["tool"]}, "none": {"type": "codex"}},
    }
    world.write_config(content)
    assert world.agsekit("create-vm", "box").code == 0
    programs = world.home / ".local/share/agsekit/vms/box/home/.local/bin"
    write_files(programs, {"qwen": "#!/bin/sh\necho 7.8.9\n", "tool": "#!/bin/sh\n"})
    for program in programs.iterdir():
        program.chmod(0o755)

    document = world.agsekit("status", "--json").document

    assert {agent["name"]: agent["installed"] for agent in document["agents"]} == {
        "q": [{"vm": "box", "version": "7.8.9"}],
        "tool": [{"vm": "box", "version": None}],
        "none": [],
    }
    assert "q (qwen): 7.8.9 in box; does not run" in world.agsekit("status").out
