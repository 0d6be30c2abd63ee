"""What a run must not do unnoticed, with real agents in real sandboxes."""

from __future__ import annotations

import os
import shutil
import signal

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
    taken = world.agsekit(*command[1:-1], "sub/.envrc", "-y")
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
