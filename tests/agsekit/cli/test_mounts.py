from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import Done, World, write_files

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="the machines of the fake need bubblewrap")

TARGET = "/home/ubuntu/project"


@pytest.fixture
def box(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A running machine `box` without mounts, whose configuration mounts the project."""
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    write_files(world.project, {"first.txt": "first\n"})
    fake_multipass.add("box")
    configure(world, {"source": str(world.project)})
    return fake_multipass


def configure(world: World, *mounts: dict[str, Any], vms: Sequence[str] = ("box",)) -> None:
    """Write a configuration with these mounts."""
    world.write_config({"vms": {name: {} for name in vms}, "mounts": list(mounts)})


def asked(box: FakeMultipass) -> list[Sequence[str]]:
    """Return the argv of all calls that may change something."""
    return [call.argv[1:] for call in box.calls() if call.argv[1] not in ("exec", "info")]


def mounted(box: FakeMultipass, name: str = "box") -> dict[str, str]:
    """Return source by target."""
    instance = box.instance(name)
    assert instance is not None
    return {target: entry["source_path"] for target, entry in instance.mounts.items()}


def assert_failed(done: Done, code: int, message: str, hint: str) -> None:
    assert done.code == code, done
    assert message in done.err
    assert "hint: " in done.err
    assert hint in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [[], ["{project}"], ["--source-dir", "{project}"], ["--all"], ["{project}/src"]])
def test_a_folder_is_mounted_whichever_way_it_is_named(world: World, box: FakeMultipass, words: list[str]) -> None:
    (world.project / "src").mkdir()

    done = world.agsekit("mount", *(word.format(project=world.project) for word in words))

    assert (done.code, done.out) == (0, f"{world.project} is mounted in VM box at {TARGET}.\n"), done.err
    assert asked(box) == [("mount", str(world.project), f"box:{TARGET}")]


def test_what_is_mounted_already_is_left_alone(world: World, box: FakeMultipass) -> None:
    world.agsekit("mount")

    again = world.agsekit("mount")

    assert (again.code, again.out) == (0, f"{world.project} is mounted in VM box at {TARGET}.\n")
    assert len(asked(box)) == 1


def test_a_stopped_vm_is_started(world: World, box: FakeMultipass) -> None:
    box.change("box", state="Stopped")

    done = world.agsekit("mount")

    assert done.code == 0, done.err
    assert [argv[0] for argv in asked(box)] == ["start", "mount"]


def test_a_mount_at_a_wrong_target_moves(world: World, box: FakeMultipass) -> None:
    box.add("box", mounts={"/home/ubuntu/elsewhere": world.project})

    world.agsekit("mount")

    assert mounted(box) == {TARGET: str(world.project)}


def test_a_mount_that_shows_nothing_is_mounted_again(world: World, box: FakeMultipass) -> None:
    box.add("box", mounts={TARGET: world.project})
    box.change("box", stale=[TARGET])

    done = world.agsekit("mount")

    assert done.code == 0, done.err
    assert "shows nothing in VM box; mounting it again" in done.err
    assert asked(box) == [("umount", f"box:{TARGET}"), ("mount", str(world.project), f"box:{TARGET}")]


def test_an_empty_folder_is_no_stale_mount(world: World, box: FakeMultipass) -> None:
    (world.project / "first.txt").unlink()

    world.agsekit("mount")

    assert [argv[0] for argv in asked(box)] == ["mount"]


def test_a_mount_that_is_late_is_waited_for(world: World, box: FakeMultipass) -> None:
    box.add("box", mounts={TARGET: world.project})
    box.situate(mounts_late=2)

    done = world.agsekit("mount")

    assert done.code == 0, done.err
    assert asked(box) == []


def test_the_folders_of_several_vms_are_mounted(world: World, box: FakeMultipass) -> None:
    box.add("other")
    source = str(world.project)
    configure(world, {"source": source}, {"source": source, "vm": "other", "backup": "/b"}, vms=("box", "other"))

    done = world.agsekit("mount", world.project)

    assert done.code == 0, done.err
    assert mounted(box) == mounted(box, "other") == {TARGET: source}
    world.agsekit("umount", world.project, "--vm", "other")
    assert (mounted(box), mounted(box, "other")) == ({TARGET: source}, {})


# What cannot be mounted is explained before Multipass is asked


def test_a_folder_that_does_not_exist_is_explained(world: World, box: FakeMultipass) -> None:
    configure(world, {"source": str(world.home / "gone")})

    done = world.agsekit("mount")

    assert_failed(done, 20, f"{world.home}/gone cannot be mounted: it does not exist", "correct `source`")
    assert box.calls() == []


def test_a_file_is_explained(world: World, box: FakeMultipass) -> None:
    configure(world, {"source": str(world.project / "first.txt")})

    assert_failed(world.agsekit("mount"), 20, "it is not a folder", "correct `source`")
    assert box.calls() == []


@pytest.mark.parametrize(("name", "part"), [(".hidden/project", ".hidden"), ("проект", "проект")])
@pytest.mark.parametrize("snap", [True, False])
def test_what_a_snap_does_not_get_at_is_explained_when_multipass_is_one(
    world: World, box: FakeMultipass, name: str, part: str, *, snap: bool
) -> None:
    source = world.home / name
    write_files(source, {"a": "a"})
    configure(world, {"source": str(source), "target": TARGET, "backup": str(world.store)})
    if snap:
        _install_as_snap(world)

    done = world.agsekit("mount")

    if snap:
        assert_failed(done, 20, f"it comes as a snap, which does not get at '{part}'", "engine: bubblewrap")
        assert box.calls() == []
    else:
        assert done.code == 0, done.err


def _install_as_snap(world: World) -> None:
    program = world.folder / "snap/bin/multipass"
    program.parent.mkdir(parents=True)
    real = shutil.which("multipass", path=world.environment["PATH"])
    assert real is not None
    program.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    program.chmod(0o755)
    world.environment["PATH"] = f"{program.parent}:{world.environment['PATH']}"


def test_mounts_that_share_folders_are_named(world: World, box: FakeMultipass) -> None:
    inner, other = world.project / "inner", world.home / "other"
    write_files(inner, {"a": "a"})
    write_files(other, {"a": "a"})
    configure(
        world,
        {"source": str(world.project)},
        {"source": str(inner), "target": "/home/ubuntu/inner", "backup": str(world.home / "b1")},
        {"source": str(other), "target": f"{TARGET}/deep", "backup": str(world.home / "b2")},
    )

    done = world.agsekit("mount", inner)
    outer = world.agsekit("mount", other)

    assert f"{inner} and {world.project} are both mounted and one holds the other" in done.err
    assert (
        f"{other} and {world.project} are mounted one inside the other: {TARGET}/deep becomes a folder" in outer.err
    )
    assert (done.code, outer.code) == (0, 0)


# Errors of Multipass


@pytest.mark.parametrize(
    ("situation", "message", "hint"),
    [
        ({"mount_failures": ["no-snap"]}, "lacks what mounting needs", "snap install multipass-sshfs"),
        ({"mount_failures": ["no-sshfs"]}, "lacks what mounting needs", "snap install multipass-sshfs"),
        ({"mount_failures": ["timeout"] * 9}, "`multipass mount` failed for VM box", "Try again"),
        ({"mount_failures": ["dropped"] * 9}, "the mounts of VM box are missing", "stop-vm box"),
        ({"daemon": "down"}, "The Multipass service does not answer", "snap restart multipass"),
    ],
)
def test_a_mount_that_fails_is_told_with_a_hint(
    world: World, box: FakeMultipass, situation: dict[str, Any], message: str, hint: str
) -> None:
    box.situate(**situation)

    assert_failed(world.agsekit("mount"), 20, message, hint)


def test_a_mount_that_failed_for_want_of_sshfs_does_not_block_the_next(world: World, box: FakeMultipass) -> None:
    box.situate(mount_failures=["no-sshfs"])
    world.agsekit("mount")

    assert world.agsekit("mount").code == 0


@pytest.mark.parametrize(
    ("state", "hint"), [("absent", "agsekit create-vm box"), ("Deleted", "multipass recover box")]
)
def test_a_vm_that_cannot_be_used_is_told(world: World, box: FakeMultipass, state: str, hint: str) -> None:
    if state == "absent":
        world.environment["FAKE_MULTIPASS_STATE"] = str(world.folder / "empty")
        Path(world.environment["FAKE_MULTIPASS_STATE"]).mkdir()
    else:
        box.change("box", state=state)

    assert_failed(world.agsekit("mount"), 20, "VM box ", hint)


# Which folder


def test_with_several_mounts_a_folder_is_needed(world: World, box: FakeMultipass) -> None:
    configure(world, {"source": str(world.project)}, {"source": str(world.home / "other")})

    assert_failed(world.agsekit("mount"), 2, "several could be meant", f"{world.project}, {world.home}/other")


def test_a_folder_of_no_mount_is_not_found(world: World, box: FakeMultipass) -> None:
    assert_failed(world.agsekit("umount", world.home / "x"), 12, "does not belong to a mount", str(world.project))


def test_a_folder_that_another_vm_has_is_not_found(world: World, box: FakeMultipass) -> None:
    configure(world, {"source": str(world.project)}, vms=("box", "other"))

    done = world.agsekit("mount", world.project, "--vm", "other")

    assert_failed(done, 12, f"{world.project} is not mounted in the VM 'other'", str(world.project))


def test_the_ways_to_name_a_folder_exclude_each_other(world: World, box: FakeMultipass) -> None:
    assert_failed(world.agsekit("mount", world.project, "--all"), 2, "exclude each other", "leave all but one")


def test_a_relative_folder_counts_from_where_the_user_is(world: World, box: FakeMultipass) -> None:
    assert world.agsekit("mount", "project", cwd=world.home).code == 0


# umount


def test_a_folder_is_unmounted_and_stays(world: World, box: FakeMultipass) -> None:
    world.agsekit("mount")

    done, again = world.agsekit("umount"), world.agsekit("umount")

    assert (done.code, done.out) == (0, f"{world.project} is no longer mounted in VM box.\n")
    assert (again.code, again.out) == (0, f"{world.project} was not mounted in VM box.\n")
    assert mounted(box) == {}
    assert (world.project / "first.txt").exists()


@pytest.mark.parametrize("state", ["absent", "Deleted", "Stopped"])
def test_unmounting_never_starts_a_vm(world: World, box: FakeMultipass, state: str) -> None:
    if state == "absent":
        configure(world, {"source": str(world.project)}, vms=("nosuch",))
    else:
        box.change("box", state=state)

    done = world.agsekit("umount")

    assert done.code == 0, done.err
    assert "start" not in [argv[0] for argv in asked(box)]


def test_a_sandbox_says_that_it_mounts_for_each_command(world: World) -> None:
    world.configure()

    done = world.agsekit("mount")

    assert done.code == 0, done.err
    assert done.out == (f"{world.project} can be mounted in box, where every command gets it anew at {TARGET}.\n")
    os.rmdir(world.project)
    assert_failed(world.agsekit("mount"), 20, "cannot be used", "remove the mount")
