"""What a run must not do unnoticed, with real agents in real sandboxes."""

from __future__ import annotations

import os
import shutil
import signal
import termios
import time

import pytest

from tests.support.world import World, wait_until, write_files

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

PLANT = """
mkdir -p .git/hooks sub
echo evil > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
printf 'evil\\n' > 'sub/.envrc'
echo honest > work.txt
"""


def test_the_summary_names_what_this_machine_would_execute(world: World) -> None:
    write_files(world.project, {"work.txt": "before\n"})
    world.configure(PLANT)

    run = world.agsekit("run", "rogue", cwd=world.project)
    listed = world.agsekit("runs", "show", "--risky", cwd=world.project)
    document = world.agsekit("runs", "show", "--risky", "--json", cwd=world.project).document

    lines = ["new .git/hooks/pre-commit: git runs it", "new sub/.envrc: a shell runs it on entering the folder"]
    assert run.err.partition("would execute or obey them:\n")[2].splitlines() == [f"  {line}" for line in lines]
    assert listed.out.splitlines() == lines
    assert document["risky"][0] == {"path": ".git/hooks/pre-commit", "kind": "git-hook", "status": "new"}


def test_quarantine_puts_it_back_and_the_printed_command_takes_one_all_the_same(world: World) -> None:
    write_files(world.project, {"work.txt": "before\n"})
    world.configure(PLANT, guard="quarantine")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 0
    assert not (world.project / ".git/hooks/pre-commit").exists()
    assert not (world.project / "sub/.envrc").exists()
    assert (world.project / "work.txt").read_text() == "honest\n"
    command = run.err.partition("name its path:\n")[2].split()
    assert command[-1] == "PATH"
    taken = world.agsekit(*command[1:-1], "sub/.envrc", "-y", cwd=world.project)
    assert taken.code == 0, taken.err
    assert (world.project / "sub/.envrc").read_text() == "evil\n"
    assert not (world.project / ".git/hooks/pre-commit").exists()


def test_quarantine_holds_for_a_run_that_is_killed_too(world: World) -> None:
    write_files(world.project, {"work.txt": "before\n"})
    world.configure(PLANT + "touch planted; sleep 100", guard="quarantine")
    run = world.start("run", "rogue", cwd=world.project)
    wait_until((world.project / "planted").exists)

    os.kill(run.pid, signal.SIGKILL)

    world.wait_for_nothing_left()
    assert not (world.project / ".git/hooks/pre-commit").exists()
    assert (world.project / "work.txt").read_text() == "honest\n"
    document = world.agsekit("runs", "list", "--json", cwd=world.project).document
    assert document["runs"][0]["quarantined"] == [".git/hooks/pre-commit", "sub/.envrc"]


SOON = 0.3 / 60
DESTROY = """
trap '' HUP
setsid sh -c 'n=0; while :; do n=$((n+1)); echo $n > ~/background; sleep 0.05; done' &
rm f1? f2? f3? f4?
n=0; while test ! -e enough; do n=$((n+1)); echo $n > ~/count; sleep 0.05; done
echo "count ended"
"""


@pytest.fixture
def forty(world: World) -> World:
    """A world with forty files and a few more."""
    write_files(world.project, {f"f{number}": "content\n" for number in range(10, 50)})
    write_files(world.project, {"other": "mine\n"})
    return world


def _counters(world: World) -> list[str]:
    home = world.home / ".local/share/agsekit/vms/box/home"
    return [(home / name).read_text() for name in ("count", "background")]


def _is_counting(world: World) -> bool:
    before = _counters(world)
    time.sleep(0.3)
    return _counters(world) != before


def test_a_run_that_destroys_much_is_told_at_once_and_goes_on(forty: World) -> None:
    forty.configure(DESTROY, interval=SOON)
    run = forty.start("run", "rogue", cwd=forty.project)
    assert run.stderr

    line = b""
    while b"are gone or nearly empty" not in line:
        line = run.stderr.readline()

    assert b"40 of 41 files" in line
    wait_until(lambda: _is_counting(forty))
    (forty.project / "enough").touch()
    done = forty.finish(run)
    assert done.code == 0
    assert "To go back to it:" in done.err
    command = done.err.partition("The state before is kept. To go back to it:\n")[2].splitlines()[0].split()
    assert forty.agsekit(*command[1:], "-y", cwd=forty.project).code == 0
    assert (forty.project / "f10").read_text() == "content\n"
    assert next(each["pinned"] for each in forty.snapshots())


def test_where_nobody_can_be_asked_a_guarded_run_is_ended(forty: World) -> None:
    forty.configure(DESTROY, interval=SOON, guard="pause")

    run = forty.agsekit("run", "rogue", cwd=forty.project)

    assert run.code == 30
    assert "count ended" not in run.out
    assert "The agent was ended for that" in run.err
    forty.wait_for_nothing_left()


def test_a_guarded_run_stands_still_until_the_user_has_decided(forty: World) -> None:
    forty.configure(DESTROY, interval=SOON, guard={"loss": "pause", "share": 0.9})
    window = forty.window("run", "rogue", cwd=forty.project)
    window.expect("[e]nd the agent?")
    modes = window.modes()

    assert not _is_counting(forty)
    write_files(forty.project, {"other": "edited meanwhile\n"})
    window.type("what?\n")
    window.expect("[e]nd the agent?")
    window.type("r\n")
    window.expect("Brought back 40 paths")

    wait_until(lambda: _is_counting(forty))
    assert modes[3] & termios.ICANON
    assert (forty.project / "f49").read_text() == "content\n"
    assert (forty.project / "other").read_text() == "edited meanwhile\n"
    (forty.project / "enough").touch()
    window.expect("count ended")
    assert window.finish() == 0
    assert "\a" in window.everything


@pytest.mark.parametrize(("answer", "code"), [("c\n", 0), ("e\n", 30), ("\x04", 30)])
def test_the_user_may_let_it_go_on_or_end_it(forty: World, answer: str, code: int) -> None:
    forty.configure(DESTROY, interval=SOON, guard="pause")
    window = forty.window("run", "rogue", cwd=forty.project)
    window.expect("[e]nd the agent?")

    window.type(answer)
    (forty.project / "enough").touch()

    assert window.finish() == code
    assert ("count ended" in window.everything) is (code == 0)
    assert not (forty.project / "f10").exists()
    forty.wait_for_nothing_left()


def test_a_loss_in_many_small_steps_is_one_too(forty: World) -> None:
    slowly = "for n in 1 2 3 4; do rm f$n?; sleep 0.7; done; sleep 100"
    forty.configure(slowly, interval=SOON, guard="pause")

    run = forty.agsekit("run", "rogue", cwd=forty.project)

    assert run.code == 30
    assert "30 of 41 files" in run.err
    assert (forty.project / "f40").exists()
