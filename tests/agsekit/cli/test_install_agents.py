from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import World, wait_until

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

INSTALL = (
    "mkdir -p ~/.local/bin; "
    "printf '#!/bin/sh\\necho ran\\n' > ~/.local/bin/{program}; chmod +x ~/.local/bin/{program}"
)


def custom(program: str, *, script: str = "", **more: Any) -> dict[str, Any]:
    """Return an agent that a shell line installs; without a line one that works."""
    line = script or INSTALL.format(program=program)
    return {"type": "custom", "command": [program], "install": ["sh", "-c", line], **more}


def configure(world: World, agents: dict[str, Any], *vms: str, engine: str = "bubblewrap") -> None:
    """Write a configuration with these agents and VMs."""
    names = vms or ("box",)
    world.write_config({"vms": {name: {"engine": engine} for name in names}, "agents": agents})


def home_of(world: World, vm: str) -> Path:
    """Return the home of a sandbox."""
    return world.home / f".local/share/agsekit/vms/{vm}/home"


def log_of(world: World, vm: str, name: str) -> Path:
    """Return the log of an installation."""
    return world.home / f".local/state/agsekit/install/{vm}-{name}.log"


# One agent


def test_an_agent_is_installed_and_runs(world: World) -> None:
    configure(world, {"mine": custom("my-tool")})

    done = world.agsekit("install-agents")

    assert done.code == 0, done.err
    assert [line.split() for line in done.out.splitlines()] == [
        ["VM", "TYPE", "VERSION", "RESULT", "AGENTS", "PATH"],
        ["box", "mine", "installed", "mine", "/home/ubuntu/.local/bin/my-tool"],
    ]
    assert "box: installing mine\nbox: mine is installed (" in done.err
    assert world.agsekit("run", "mine").out == "ran\n"


def test_a_script_of_this_machine_is_run_in_the_vm_and_leaves_no_file_there(world: World) -> None:
    script = world.home / "install mine.sh"
    script.write_text(INSTALL.format(program="my-tool") + '\necho "$0"\npwd\n')
    agent = {**custom("my-tool"), "install": [f"~/{script.name}"]}
    configure(world, {"mine": agent})

    done = world.agsekit("install-agents", "mine", "box")

    assert done.code == 0, done.err
    assert "\ninstall mine.sh\n/home/ubuntu\n" in log_of(world, "box", "mine").read_text()
    assert sorted(path.name for path in home_of(world, "box").iterdir()) == [".local"]


def test_a_missing_agent_that_nothing_installs_is_a_failure_when_it_was_named(world: World) -> None:
    agents = {"mine": {"type": "custom", "command": ["my-tool"]}, "other": custom("other")}
    configure(world, agents)

    named = world.agsekit("install-agents", "mine")
    every = world.agsekit("install-agents", "--all-agents")

    assert named.code == 1
    assert "error: my-tool of the agent mine is not in VM box" in named.err
    assert "hint: give the agent an `install`" in named.err
    assert every.code == 0, every.err
    assert "warning: my-tool of the agent mine is not in VM box" in every.err


def test_which_agent_and_vm_are_meant_is_checked(world: World) -> None:
    configure(world, {"mine": custom("my-tool"), "other": custom("other")}, "one", "two")

    cases = {
        (): (2, "hint: name one of these, or give --all-agents: mine, other"),
        ("nine",): (12, "There is no agent 'nine'"),
        ("mine", "three"): (12, "There is no VM 'three'"),
        ("mine", "one", "--all-vms"): (2, "VM and --all-vms exclude each other"),
        ("mine", "one", "--all-agents"): (2, "AGENT and --all-agents exclude each other"),
        ("mine", "--proxychains", "nonsense"): (2, "--proxychains must be scheme://host:port"),
    }

    for arguments, (code, text) in cases.items():
        done = world.agsekit("install-agents", *arguments)
        assert (done.code, text in done.err) == (code, True), (arguments, done)


def test_with_all_agents_the_only_name_is_that_of_the_vm(world: World) -> None:
    configure(world, {"mine": custom("my-tool")}, "one", "two")

    done = world.agsekit("install-agents", "--all-agents", "two", "--json")

    assert [(each["vm"], each["result"]) for each in done.document["installations"]] == [("two", "installed")]


# Several


@pytest.fixture
def meeting() -> Iterator[int]:
    """The port of a server that lets its callers go once two have come."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            callers = [server.accept()[0] for _number in range(2)]
            for caller in callers:
                caller.sendall(b"go\n")
                caller.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]


def test_several_vms_are_seen_to_at_once(world: World, meeting: int) -> None:
    meet = f"bash -c 'read -t 30 -u 10 line 10<>/dev/tcp/127.0.0.1/{meeting} && [ $line = go ]' && "
    configure(world, {"mine": custom("my-tool", script=meet + INSTALL.format(program="my-tool"))}, "one", "two")

    done = world.agsekit("install-agents", "mine", "--all-vms", "--json")

    assert done.code == 0, done.err
    assert [(each["vm"], each["result"]) for each in done.document["installations"]] == [
        ("one", "installed"),
        ("two", "installed"),
    ]


def test_one_that_fails_stops_no_other_and_names_its_log(world: World) -> None:
    agents = {
        "bad": custom("bad", script="echo working; echo 'error: the moon is full' >&2; exit 3"),
        "good": custom("good"),
    }
    configure(world, agents)

    done = world.agsekit("install-agents", "--all-agents")
    log = log_of(world, "box", "bad")

    assert done.code == 1
    assert [line.split()[:3] for line in done.out.splitlines()[1:]] == [
        ["box", "bad", "failed"],
        ["box", "good", "installed"],
    ]
    assert "error: bad could not be installed in VM box: the command ended with the exit code 3\n" in done.err
    assert f"hint: all that it said is in {log}\n" in done.err
    assert "working\nerror: the moon is full\n" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_document_tells_of_each(world: World) -> None:
    configure(world, {"bad": custom("bad", script="exit 3"), "good": custom("good")})

    done = world.agsekit("install-agents", "--all-agents", "--json")

    assert done.code == 1
    bad, good = done.document["installations"]
    assert good == {
        "vm": "box",
        "type": "custom",
        "agents": ["good"],
        "result": "installed",
        "version": None,
        "before": None,
        "path": "/home/ubuntu/.local/bin/good",
        "log": str(log_of(world, "box", "good")),
        "error": None,
    }
    assert (bad["result"], bad["path"]) == ("failed", None)
    assert bad["error"]["message"] == "bad could not be installed in VM box: the command ended with the exit code 3"


def test_on_a_terminal_the_last_line_of_the_output_is_shown(world: World) -> None:
    line = "echo 'downloading \x1b[31mpart 7'; until [ -e ~/go ]; do sleep 0.05; done; " + INSTALL.format(
        program="my-tool"
    )
    configure(world, {"mine": custom("my-tool", script=line)})

    window = world.window("install-agents")
    window.expect("downloading part 7")
    (home_of(world, "box") / "go").touch()

    assert window.finish() == 0, window.everything
    assert "mine is installed" in window.everything


def test_an_interruption_ends_what_runs_inside(world: World) -> None:
    configure(world, {"mine": custom("my-tool", script="echo up; sleep 500")})
    window = world.window("install-agents")
    window.expect("up")

    window.type("\x03")

    assert window.finish() == 130, window.everything
    world.wait_for_nothing_left()


# Multipass


def test_in_multipass_the_script_comes_through_standard_input(world: World, fake_multipass: FakeMultipass) -> None:
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    fake_multipass.add("box")
    agent = custom("my-tool", env={"HTTPS_PROXY": "http://u:s3cret@proxy:1"})
    configure(world, {"mine": agent}, engine="multipass")

    done = world.agsekit("install-agents")
    calls = fake_multipass.calls()

    assert done.code == 0, done.err
    assert [call.argv[1:6] for call in calls[:2]] == [
        ("info", "box", "--format", "json"),
        ("exec", "box", "-n", "--", "bash"),
    ]
    assert calls[-1].argv[1:] == ("exec", "box", "-n", "--", "bash", "-c", 'eval "$(cat)"', "agsekit")
    assert len(calls) == 3
    assert calls[-1].stdin
    assert not any("s3cret" in word for call in calls for word in call.argv)
    assert (fake_multipass.root("box") / "home/ubuntu/.local/bin/my-tool").exists()
    assert world.agsekit("run", "mine").out == "ran\n", "no profile there has ~/.local/bin on PATH"


def test_an_interruption_ends_what_runs_in_a_virtual_machine(world: World, fake_multipass: FakeMultipass) -> None:
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    fake_multipass.add("box")
    configure(world, {"mine": custom("my-tool", script="echo up; sleep 500")}, engine="multipass")
    window = world.window("install-agents")
    window.expect("up")

    window.type("\x03")

    assert window.finish() == 130, window.everything
    wait_until(lambda: not fake_multipass.processes("box"))


# What is there


def test_agents_are_listed_with_where_they_are_installed(world: World) -> None:
    configure(world, {"mine": custom("my-tool"), "other": custom("other")}, "one", "two")
    world.agsekit("install-agents", "mine", "--all-vms")

    done = world.agsekit("agents", "list")
    document = world.agsekit("agents", "list", "--json").document

    assert [line.split() for line in done.out.splitlines()] == [
        ["AGENT", "TYPE", "VM", "VERSION", "PATH"],
        ["mine", "custom", "one", "installed", "/home/ubuntu/.local/bin/my-tool"],
        ["mine", "custom", "two", "installed", "/home/ubuntu/.local/bin/my-tool"],
        ["other", "custom", "one", "not", "installed"],
    ]
    assert document["agents"][1] == {
        "name": "other",
        "type": "custom",
        "vms": [{"vm": "one", "state": "running", "installed": False, "version": None, "path": None, "error": None}],
    }


def test_a_list_asks_no_vm_that_is_off_and_does_without_one_that_fails(
    world: World, fake_multipass: FakeMultipass
) -> None:
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    fake_multipass.add("off", state="Stopped")
    fake_multipass.add("up")
    fake_multipass.situate(exec_failures=9)
    agents = {"mine": {"type": "qwen", "vm": "off"}, "yours": {"type": "qwen", "vm": "up"}}
    configure(world, agents, "off", "up", engine="multipass")

    done = world.agsekit("agents", "list")

    assert done.code == 0, done.err
    rows = [" ".join(line.split()) for line in done.out.splitlines()[1:]]
    assert rows == ["mine qwen off not known (stopped)", "yours qwen up not known"]
    assert "warning: up: " in done.err
    off = fake_multipass.instance("off")
    assert off is not None
    assert off.state == "Stopped"


# up


def test_up_installs_what_is_missing_and_only_that(world: World) -> None:
    agents = {
        "bad": custom("bad", script="exit 3"),
        "mine": custom("my-tool", script="echo x >> ~/count; " + INSTALL.format(program="my-tool")),
    }
    configure(world, agents)

    dry = world.agsekit("up", "-n")
    first = world.agsekit("up", "-y")
    second = world.agsekit("up", "-y")

    assert "mine would be installed in VM box, unless it is there.\n" in dry.out
    assert (first.code, second.code) == (1, 1)
    assert "bad could not be installed in VM box" in first.err
    assert (home_of(world, "box") / "count").read_text() == "x\n"
