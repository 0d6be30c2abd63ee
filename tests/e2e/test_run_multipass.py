"""The main job with a virtual machine: agsekit talks to a program on PATH that behaves like Multipass."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.trees import describe
from tests.support.world import World, wait_until, write_files

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="the machines of the fake need bubblewrap")

TARGET = "/home/ubuntu/project"


@pytest.fixture
def vm(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A running machine `box` without mounts, and a configuration that uses it."""
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    write_files(world.project, {"first.txt": "first\n"})
    fake_multipass.add("box")
    return fake_multipass


@pytest.fixture
def warm(world: World, vm: FakeMultipass) -> FakeMultipass:
    """The same machine with the project mounted already."""
    vm.add("box", mounts={TARGET: world.project})
    return vm


def asked(vm: FakeMultipass) -> list[Sequence[str]]:
    """Return the argv of all calls, without the name of the program."""
    return [call.argv[1:] for call in vm.calls()]


def test_a_stopped_machine_is_started_and_mounted_and_the_rogue_agent_undone(world: World, vm: FakeMultipass) -> None:
    vm.change("box", state="Stopped")
    before = describe(world.project)
    world.configure("pwd; echo last > last.txt; rm first.txt; exit 7", engine="multipass")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert (run.code, run.out) == (7, f"{TARGET}\n"), run.err
    assert "Starting VM box\n" in run.err
    assert f"Mounting {world.project} in VM box\n" in run.err
    assert world.kinds() == ["pre-run", "post-run"]
    restored = world.agsekit("snapshots", "restore", world.snapshots()[0]["id"], "-y", cwd=world.project)
    assert restored.code == 0, restored.err
    assert describe(world.project) == before


def test_a_warm_machine_costs_at_most_two_calls_before_the_agent(world: World, warm: FakeMultipass) -> None:
    world.configure("touch up", engine="multipass", env={"API_KEY": "secret"})

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 0, run.err
    commands = asked(warm)
    agent = next(number for number, argv in enumerate(commands) if "touch up" in argv)
    assert agent <= 2, commands
    assert (world.project / "up").exists()


def test_after_this_machine_has_slept_the_vm_is_checked_before_the_agent_starts_and_then_no_more(
    world: World, warm: FakeMultipass
) -> None:
    world.configure("touch up", engine="multipass")
    warm.change("box", stale=[TARGET])
    note = world.home / ".local/state/agsekit/run/vms/box.awake"
    note.parent.mkdir(parents=True)
    note.write_text(Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " 1000000000.0\n")

    first = world.agsekit("run", "rogue", cwd=world.project)
    calls_before = len(asked(warm))
    second = world.agsekit("run", "rogue", cwd=world.project)

    assert first.code == 0, first.err
    assert "This machine has slept; checking VM box\n" in first.err
    assert f"{world.project} shows nothing in VM box; mounting it again\n" in first.err
    assert (world.project / "up").exists()
    assert "has slept" not in second.err
    commands = asked(warm)[calls_before:]
    assert next(number for number, argv in enumerate(commands) if "touch up" in argv) <= 2


def test_the_environment_of_the_agent_is_on_no_command_line_and_in_no_file(world: World, warm: FakeMultipass) -> None:
    world.configure('printf "<%s>" "$API_KEY"', engine="multipass", env={"API_KEY": "sk-4f1c"})

    run = world.agsekit("--debug", "run", "rogue", cwd=world.project)

    assert run.out == "<sk-4f1c>"
    assert "multipass exec box" in run.err
    assert "sk-4f1c" not in run.err
    assert "sk-4f1c" not in repr(asked(warm))
    assert warm.ram("box") == []
    kept = [path for path in world.home.rglob("*") if path.is_file() and path != world.config]
    assert not [path for path in kept if b"sk-4f1c" in path.read_bytes()]


def test_a_subfolder_is_entered_at_the_same_place_inside(world: World, warm: FakeMultipass) -> None:
    (world.project / "src").mkdir()
    world.configure("pwd", engine="multipass")

    assert world.agsekit("run", "rogue", cwd=world.project / "src").out == f"{TARGET}/src\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_however_agsekit_ends_the_agent_inside_ends_and_the_last_state_is_saved(
    world: World, warm: FakeMultipass, number: signal.Signals
) -> None:
    world.configure("setsid sleep 1000 & echo last > last.txt; sleep 1000", engine="multipass")
    process = world.start("run", "rogue", cwd=world.project)
    wait_until((world.project / "last.txt").exists)

    process.send_signal(number)
    process.wait(timeout=60)

    wait_until(lambda: not [line for line in warm.processes("box") if "sleep 1000" in line])
    wait_until(lambda: world.kinds() == ["pre-run", "post-run"])
    wait_until(lambda: not [line for _pid, line in world.processes() if "/bin/agsekit" in line])
    assert "last.txt" in os.listdir(world.store / world.snapshots()[-1]["id"])


def test_an_agent_that_is_cancelled_on_a_terminal_ends_inside(world: World, warm: FakeMultipass) -> None:
    script = "setsid sleep 1000 & trap 'exit 9' INT; echo up; while :; do sleep 0.05; done"
    world.configure(script, engine="multipass")
    window = world.window("run", "rogue", cwd=world.project)
    window.expect("up")

    window.type("\x03")

    assert window.finish() == 9
    assert not [line for line in warm.processes("box") if "sleep 1000" in line]


@pytest.mark.parametrize(
    ("state", "message", "hint"),
    [
        ("absent", "VM box does not exist", "agsekit create-vm box"),
        ("Deleted", "VM box is deleted", "multipass recover box"),
    ],
)
def test_a_machine_that_cannot_be_used_is_told_with_a_hint(
    world: World, vm: FakeMultipass, state: str, message: str, hint: str
) -> None:
    if state == "absent":
        world.environment["FAKE_MULTIPASS_STATE"] = str(world.folder / "empty")
        Path(world.environment["FAKE_MULTIPASS_STATE"]).mkdir()
    else:
        vm.change("box", state=state)
    world.configure(engine="multipass")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert (run.code, run.out) == (125, "")
    assert f"error: {message}" in run.err
    assert "hint: " in run.err
    assert hint in run.err
    assert not world.snapshots()


@pytest.mark.parametrize(
    ("situation", "message"),
    [
        ({"daemon": "down"}, "The Multipass service does not answer"),
        ({"daemon": "never-started"}, "The Multipass service has never been started"),
        ({"mount_failures": ["no-snap"]}, "lacks what mounting needs"),
    ],
)
def test_what_fails_before_the_agent_starts_is_told_and_has_its_code(
    world: World, vm: FakeMultipass, situation: dict[str, object], message: str
) -> None:
    vm.situate(**situation)
    world.configure(engine="multipass")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 125
    assert message in run.err
    assert "hint: " in run.err
    assert "Traceback" not in run.err


def test_without_multipass_the_user_is_told_how_to_get_on(world: World) -> None:
    tools = world.folder / "tools"
    tools.mkdir()
    world.configure(engine="multipass")

    run = world.agsekit("run", "rogue", cwd=world.project, env={"PATH": str(tools)})

    assert (run.code, run.out) == (125, "")
    assert run.err.splitlines() == [
        "error: Multipass is not installed, or not on PATH",
        "hint: Install it with `agsekit prepare`, or set `engine: bubblewrap` for the VM",
    ]


def test_a_guarded_run_that_destroys_much_has_its_machine_suspended_and_is_ended(
    world: World, warm: FakeMultipass
) -> None:
    write_files(world.project, {f"file-{number}": "content" for number in range(40)})
    world.configure("rm file-*; sleep 100", engine="multipass", interval=0.005, guard="pause")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 30, run.err
    assert "40 of 41 files" in run.err
    commands = [call[0] for call in asked(warm)]
    assert commands.index("suspend") < commands.index("start")
    wait_until(lambda: not any("sleep 100" in line for _pid, line in world.processes()))
