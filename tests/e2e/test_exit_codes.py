"""Every exit code that can occur, brought about by a real command line."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from agsekit.errors import ExitCode
from tests.support.world import LIKE_OTHERS, Done, World, write_files

Scene = Callable[[World], Done]


def succeed(world: World) -> Done:
    return world.agsekit("backup-once", cwd=world.project)


def fail(world: World) -> Done:
    return world.agsekit("backup-once", "--source-dir", world.home / "nothing", "--dest-dir", world.store)


def ask_for_nothing(world: World) -> Done:
    return world.agsekit("frobnicate")


def meet_an_unreadable_file(world: World) -> Done:
    (world.project / "a.txt").chmod(0)
    return world.agsekit("backup-once", cwd=world.project, before=LIKE_OTHERS)


def have_no_config(world: World) -> Done:
    world.config.unlink()
    return world.agsekit("backup-once", cwd=world.project)


def name_no_snapshot(world: World) -> Done:
    world.agsekit("backup-once", cwd=world.project)
    return world.agsekit("snapshots", "restore", "19990101", "-y", cwd=world.project)


def lose_everything(world: World) -> Done:
    if shutil.which("bwrap") is None:
        pytest.skip("needs bubblewrap")
    world.configure("rm a.txt; sleep 100", interval=0.005, guard="pause")
    return world.agsekit("run", "rogue", cwd=world.project)


def hit_a_bug(world: World) -> Done:
    faults = {"faults/sitecustomize.py": "import json\njson.dumps = None\n"}
    write_files(world.folder, faults)
    environment = {"PYTHONPATH": str(world.folder / "faults")}
    world.agsekit("backup-once", cwd=world.project)
    return world.agsekit("backup-once", "--json", cwd=world.project, env=environment)


def not_start(world: World) -> Done:
    return world.agsekit("run", "nobody", cwd=world.project)


def cancel(world: World) -> Done:
    process = world.start("backup-repeated", cwd=world.project)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    return world.finish(process)


SCENES: dict[ExitCode, Scene] = {
    ExitCode.OK: succeed,
    ExitCode.FAILURE: fail,
    ExitCode.USAGE: ask_for_nothing,
    ExitCode.INCOMPLETE: meet_an_unreadable_file,
    ExitCode.CONFIG: have_no_config,
    ExitCode.NOT_FOUND: name_no_snapshot,
    ExitCode.LOSS: lose_everything,
    ExitCode.BUG: hit_a_bug,
    ExitCode.NOT_STARTED: not_start,
    ExitCode.CANCELLED: cancel,
}
# No command of today ends with them: `run` says 125 for a failing engine, and a lock is waited for for ten minutes.
NOT_YET = {ExitCode.LOCKED, ExitCode.ENGINE}


def test_every_code_has_a_scene_or_a_reason() -> None:
    assert SCENES.keys() | NOT_YET == set(ExitCode)
    assert not SCENES.keys() & NOT_YET


@pytest.mark.parametrize("code", SCENES, ids=lambda code: code.name)
def test_a_command_line_ends_with_the_code_of_what_happened(world: World, code: ExitCode) -> None:
    world.configure()
    write_files(world.project, {"a.txt": "one\n"})

    done = SCENES[code](world)

    assert done.code == code, done.err
    assert "Traceback" not in done.err
    if code not in (ExitCode.OK, ExitCode.CANCELLED):
        assert done.err


# What stops a run before the agent starts


def without_bwrap(world: World) -> Done:
    tools = world.folder / "tools"
    tools.mkdir()
    return world.agsekit("run", "rogue", cwd=world.project, env={"PATH": str(tools)})


def without_config(world: World) -> Done:
    world.config.unlink()
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_broken_config(world: World) -> Done:
    world.config.write_text("vms: {box: {cpus: 2}}\n")
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_config_that_is_a_folder(world: World) -> Done:
    return world.agsekit("run", "rogue", "--config", world.home, cwd=world.project)


def with_an_unknown_agent(world: World) -> Done:
    return world.agsekit("run", "rouge", cwd=world.project)


def with_an_unknown_vm(world: World) -> Done:
    return world.agsekit("run", "rogue", "--vm", "bxo", cwd=world.project)


def in_a_folder_without_a_mount(world: World) -> Done:
    (world.home / "elsewhere").mkdir()
    return world.agsekit("run", "rogue", world.home / "elsewhere")


def in_a_subfolder_that_does_not_exist(world: World) -> Done:
    return world.agsekit("run", "rogue", world.project / "nothing")


def with_a_missing_source(world: World) -> Done:
    shutil.rmtree(world.project)
    return world.agsekit("run", "rogue", world.project)


def with_a_store_in_the_source_behind_a_link(world: World) -> Done:
    (world.home / "link").symlink_to(world.project)
    world.configure(backup=str(world.home / "link/store"))
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_source_in_the_store_behind_a_link(world: World) -> Done:
    (world.home / "link").symlink_to(world.project.parent)
    world.configure(backup=str(world.home / "link"))
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_store_that_is_something_else(world: World) -> Done:
    write_files(world.store, {"holiday.jpg": "x"})
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_store_that_cannot_be_made(world: World) -> Done:
    world.configure(backup="/proc/store")
    return world.agsekit("run", "rogue", cwd=world.project)


def with_a_value_that_no_program_can_be_given(world: World) -> Done:
    world.configure(env={"KEY": "a\0b"})
    return world.agsekit("run", "rogue", cwd=world.project)


STOPPED: dict[Scene, tuple[str, str]] = {
    without_bwrap: ("bubblewrap is not installed", "install it: "),
    without_config: ("There is no configuration at ", "agsekit config-example"),
    with_a_broken_config: ("config.yaml:1: vms.box.cpus: ", "hint"),
    with_a_config_that_is_a_folder: ("is a folder, not a file", "config.yaml"),
    with_an_unknown_agent: ("There is no agent 'rouge'", "did you mean 'rogue'?"),
    with_an_unknown_vm: ("There is no VM 'bxo'", "did you mean 'box'?"),
    in_a_folder_without_a_mount: ("does not belong to a mount", "agsekit addmount "),
    in_a_subfolder_that_does_not_exist: ("/home/ubuntu/project/nothing does not exist", "mounts"),
    with_a_missing_source: ("/project does not exist", "check the path"),
    with_a_store_in_the_source_behind_a_link: ("lies inside the source", "beside the project"),
    with_a_source_in_the_store_behind_a_link: ("lies inside the store", "beside the project"),
    with_a_store_that_is_something_else: ("holds other things (holiday.jpg)", "an empty or a new folder"),
    with_a_store_that_cannot_be_made: ("/proc/store", ""),
    with_a_value_that_no_program_can_be_given: ("KEY", ""),
}


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
@pytest.mark.parametrize("scene", STOPPED, ids=lambda scene: scene.__name__)
def test_a_run_that_cannot_start_says_why_and_what_to_do_and_ends_with_125(world: World, scene: Scene) -> None:
    world.configure("touch it-ran")
    write_files(world.project, {"a.txt": "one\n"})
    message, hint = STOPPED[scene]

    done = scene(world)

    assert (done.code, done.out) == (125, ""), done.err
    error, _, advice = done.err.partition("hint: ")
    assert "error: " in error
    assert message in error
    assert not hint or hint in "hint: " + advice
    assert "Traceback" not in done.err
    assert not Path(world.project, "it-ran").exists()
    world.wait_for_nothing_left()
