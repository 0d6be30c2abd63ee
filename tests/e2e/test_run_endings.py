"""However a run ends, nothing of it stays, the last state is saved, and the terminal is as it was."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.terminals import Terminal
from tests.support.world import LIKE_OTHERS, World, wait_until, write_files

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

# It leaves children of all kinds, also in sessions of their own, and one that ignores what asks it to end.
BUSY = """
sleep 1000 &
setsid sleep 1000 &
setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' &
echo last > last.txt
echo up
"""
WAIT = BUSY + "wait"


@pytest.fixture
def busy(world: World) -> World:
    write_files(world.project, {"first.txt": "first\n"})
    world.configure(WAIT)
    return world


def start(world: World) -> Terminal:
    """Start a run on a terminal and wait until the agent is busy."""
    window = world.window("run", "rogue", cwd=world.project)
    window.expect("up")
    wait_until((world.project / "last.txt").exists)
    return window


def protector_of(world: World) -> int:
    """Return the process of agsekit that is the leader of a session and waits for nothing but the end of the run."""
    found = [
        pid
        for pid, line in world.processes()
        if "bwrap" not in line and "agsekit" in line and len(os.listdir(f"/proc/{pid}/fd")) == 6
        and os.readlink(f"/proc/{pid}/fd/0") == os.devnull
    ]  # fmt: skip
    assert len(found) == 1, found
    return found[0]


def assert_last_state_is_saved(world: World) -> None:
    snapshots = world.snapshots()
    assert [each["kind"] for each in snapshots] == ["pre-run", "post-run"]
    assert snapshots[0]["run"] == snapshots[1]["run"]
    assert sorted(os.listdir(world.store / snapshots[1]["id"])) == ["first.txt", "last.txt"]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipes"])
def test_when_the_agent_exits_what_it_left_running_ends(busy: World, terminal: bool) -> None:
    busy.configure(BUSY + "exit 4")

    if terminal:
        window = busy.window("run", "rogue", cwd=busy.project)
        code = window.finish()
    else:
        code = busy.agsekit("run", "rogue", cwd=busy.project).code

    assert code == 4
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


def test_the_terminal_is_raw_for_the_agent_and_then_as_it_was(busy: World) -> None:
    busy.configure("stty -echo; echo up; read line; echo got $line")
    window = busy.window("run", "rogue", "-q", cwd=busy.project)
    before = window.modes()
    window.expect("up")
    during = window.modes()

    window.type("text\r")
    window.expect("got text")

    assert during != before
    assert window.finish() == 0
    assert window.modes() == before


def test_cancelling_ends_the_agent_as_its_own_business(busy: World) -> None:
    busy.configure("trap 'echo cleaned up; exit 9' INT\n" + WAIT)
    window = start(busy)

    window.type("\x03")
    window.expect("cleaned up")

    assert window.finish() == 9
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipes"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order(busy: World, number: signal.Signals, terminal: bool) -> None:
    if terminal:
        window = start(busy)
        os.kill(window.pid, number)
        code, shown = window.finish(), window.everything
    else:
        process = busy.start("run", "rogue", cwd=busy.project)
        wait_until((busy.project / "last.txt").exists)
        process.send_signal(number)
        done = busy.finish(process)
        code, shown = done.code, done.err

    assert code == 128 + number
    assert "To undo all of it:" in shown
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


@pytest.mark.parametrize("interrupt", [os.kill, os.killpg], ids=["agsekit", "group"])
def test_an_interrupt_ends_the_run_without_a_terminal(busy: World, interrupt: Callable[[int, int], None]) -> None:
    process = busy.start("run", "rogue", cwd=busy.project)
    wait_until((busy.project / "last.txt").exists)

    interrupt(process.pid, signal.SIGINT)
    done = busy.finish(process)

    assert done.code == 130
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


def test_a_window_that_is_closed_ends_the_run_in_order(busy: World) -> None:
    window = start(busy)

    window.close()

    busy.wait_for_nothing_left()
    window.wait()
    assert_last_state_is_saved(busy)


def test_a_window_that_is_closed_costs_no_snapshot_that_has_something_to_say(busy: World) -> None:
    busy.configure(
        "echo secret > unreadable; chmod 0 unreadable; mkdir many; touch many/$(seq -s ' many/' 250)\n" + WAIT
    )
    window = busy.window("run", "rogue", cwd=busy.project, before=LIKE_OTHERS)
    window.expect("up")

    window.close()
    busy.wait_for_nothing_left()

    last = busy.snapshots()[-1]
    assert (last["kind"], last["complete"]) == ("post-run", False)
    assert len(os.listdir(busy.store / last["id"] / "many")) == 250


@pytest.mark.parametrize("repeated", [signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_during_the_last_snapshot_does_not_cost_it(busy: World, repeated: signal.Signals) -> None:
    process = busy.start("run", "rogue", cwd=busy.project)
    wait_until((busy.project / "last.txt").exists)

    process.send_signal(signal.SIGHUP)
    while process.poll() is None:
        process.send_signal(repeated)

    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipes"])
def test_when_agsekit_is_killed_everything_else_ends_and_the_last_state_is_saved(busy: World, terminal: bool) -> None:
    if terminal:
        window = busy.window("run", "rogue", cwd=busy.project)
        before = window.modes()
        window.expect("up")
        os.kill(window.pid, signal.SIGKILL)
        window.wait()
    else:
        process = busy.start("run", "rogue", cwd=busy.project)
        wait_until((busy.project / "last.txt").exists)
        process.kill()

    busy.wait_for_nothing_left()
    if terminal:
        assert window.modes() == before
    assert_last_state_is_saved(busy)


def test_rules_that_the_agent_wrote_stay_without_effect_when_agsekit_is_killed(busy: World) -> None:
    busy.configure("echo '*' > .backupignore\n" + WAIT)
    process = busy.start("run", "rogue", cwd=busy.project)
    wait_until((busy.project / "last.txt").exists)
    process.kill()
    busy.wait_for_nothing_left()

    (busy.project / "first.txt").write_text("changed")
    later = busy.agsekit("backup-once", cwd=busy.project)

    assert later.code == 0
    newest = busy.store / busy.snapshots()[-1]["id"]
    assert (newest / "first.txt").read_text() == "changed"


def test_when_the_protector_is_killed_the_run_goes_on_and_the_last_state_is_saved(busy: World) -> None:
    busy.configure(WAIT.replace("wait", "read line; exit 6"))
    window = start(busy)

    os.kill(protector_of(busy), signal.SIGKILL)
    window.type("go\r")

    assert window.finish() == 6
    assert "a snapshot failed: the protector ended early (signal 9)" in window.everything
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


def test_the_sandbox_ends_when_it_alone_is_killed(busy: World) -> None:
    process = busy.start("run", "rogue", cwd=busy.project)
    wait_until((busy.project / "last.txt").exists)

    for pid, line in busy.processes():
        if line.startswith(str(shutil.which("bwrap"))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    done = busy.finish(process)

    assert done.code == 128 + signal.SIGKILL
    busy.wait_for_nothing_left()
    assert_last_state_is_saved(busy)


def test_the_folder_of_the_tests_is_the_only_one_that_was_written_to(busy: World) -> None:
    busy.configure("true")

    busy.agsekit("run", "rogue", cwd=busy.project)

    made = {path.name for path in busy.home.iterdir()}
    assert made == {"project", "backups-project", ".config", ".local"}
    assert {str(path.relative_to(busy.home)) for path in Path(busy.home, ".local").glob("*/*")} == {
        ".local/share/agsekit"
    }
