"""addmount and removemount, tried with the real console script."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import LIKE_OTHERS, Done, World, write_files

CONFIG = """\
# my machines
vms:
  box: {engine: bubblewrap}   # the usual one
  second:
    engine: bubblewrap
mounts:
  # the old project
  - source: ~/old     # since 2020
    backup: '~/backups-old'

agents: {}
"""


@pytest.fixture
def home(world: World) -> World:
    """A home with a configuration that a person wrote, an old project that is mounted, and a new one."""
    world.config.parent.mkdir(parents=True)
    world.config.write_text(CONFIG)
    world.config.chmod(0o600)
    write_files(world.home / "old", {"a": "a"})
    write_files(world.project, {"Cargo.toml": "", "target/x": ""})
    return world


def copies(world: World) -> list[Path]:
    return sorted(world.config.with_name("config.yaml.backups").glob("*.yaml"))


def assert_refused(done: Done, world: World, code: int, message: str) -> None:
    assert (done.code, done.out) == (code, ""), done
    assert message in done.err
    assert "hint: " in done.err
    assert world.config.read_text() == CONFIG
    assert copies(world) == []


# addmount


def test_a_mount_is_added_with_its_defaults_and_everything_else_stays(home: World) -> None:
    done = home.agsekit("addmount", "project", "-y")

    assert (done.code, done.out) == (0, f"Added {home.project} to {home.config}.\n"), done.err
    new = f"  - source: {home.project}\n    target: /home/ubuntu/project\n    backup: {home.store}\n    interval: 5\n"
    assert home.config.read_text() == CONFIG.replace("'~/backups-old'\n", f"'~/backups-old'\n{new}")
    assert home.config.stat().st_mode & 0o777 == 0o600
    (copy,) = copies(home)
    assert copy.read_text() == CONFIG
    assert str(copy) in done.err
    assert f"agsekit mount {home.project}" in done.err


def test_every_parameter_can_be_said(home: World) -> None:
    words = ["project", "/srv/p", "stores/p", "0.5", "--vm", "second", "--yes", "-q"]

    done = home.agsekit("addmount", *words)

    assert (done.code, done.err) == (0, "")
    assert yaml.safe_load(home.config.read_text())["mounts"][1] == {
        "source": str(home.project),
        "target": "/srv/p",
        "backup": f"{home.home}/stores/p",
        "interval": 0.5,
        "vm": "second",
    }


def test_adding_and_removing_gives_the_same_bytes(home: World) -> None:
    home.agsekit("addmount", "project", "-y")

    done = home.agsekit("removemount", "project", "-y")

    assert (done.code, done.out) == (0, f"Removed {home.project} from {home.config}.\n"), done.err
    assert home.config.read_text() == CONFIG
    assert len(copies(home)) == 2


def test_nothing_is_written_with_dry_run_or_without_agreement(home: World) -> None:
    dry = home.agsekit("addmount", "project", "-n")
    silent = home.agsekit("addmount", "project")

    assert dry.code == 0
    assert "/home/ubuntu/project" in dry.err
    assert_refused(silent, home, 2, "nobody can be asked")
    assert "--yes" in silent.err


def test_a_link_to_the_configuration_stays_one(home: World) -> None:
    kept = home.home / "dotfiles/agsekit.yaml"
    kept.parent.mkdir()
    home.config.rename(kept)
    home.config.symlink_to(kept)

    assert home.agsekit("addmount", "project", "-y").code == 0

    assert home.config.is_symlink()
    assert str(home.project) in kept.read_text()
    assert kept.with_name("agsekit.yaml.backups").is_dir()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "PATH is missing"),
        (["gone"], 1, "does not exist"),
        (["."], 2, "must be a project folder"),
        (["/"], 2, "must be a project folder"),
        (["linked-home"], 1, "your home folder"),
        (["old"], 1, "is a mount of VM box already"),
        (["old-link"], 1, "is a mount of VM box already"),
        (["old/inner"], 1, "overlap"),
        (["backups-old"], 1, "backups-old"),
        (["project", "/home/ubuntu/old/x"], 1, "overlaps /home/ubuntu/old"),
        (["project", "relative"], 2, "TARGET must be an absolute path"),
        (["project", "/srv/x", "project/store"], 1, "lies inside the source"),
        (["project", "/srv/x", "old-link/store"], 1, "an agent could"),
        (["project", "/srv/x", "backups-old/more"], 1, "overlaps the backup folder"),
        (["project", "/srv/x", "full"], 1, "holds other things"),
        (["project", "/srv/x", "b", "soon"], 2, "INTERVAL must be a number of minutes"),
        (["project", "--vm", "nobody"], 12, "no VM 'nobody'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    home: World, words: list[str], code: int, message: str
) -> None:
    (home.home / "linked-home").symlink_to(home.home)
    (home.home / "old-link").symlink_to(home.home / "old")
    (home.home / "old/inner").mkdir()
    (home.home / "backups-old").mkdir()
    write_files(home.home / "full", {"mine": ""})

    assert_refused(home.agsekit("addmount", *words, "-y"), home, code, message)


def test_a_folder_that_holds_the_configuration_is_warned_of(home: World) -> None:
    done = home.agsekit("addmount", ".config", "-n")

    assert done.code == 0, done.err
    assert f"warning: {home.home}/.config: holds this configuration, so an agent could rewrite it" in done.err


def test_what_cannot_be_edited_safely_is_refused(home: World) -> None:
    text = "vms: {box: {engine: bubblewrap}}\nmounts: &all []\n"
    home.config.write_text(text)

    done = home.agsekit("addmount", "project", "-y")

    assert done.code == 10
    assert "cannot be edited safely: `mounts:` has an anchor or a tag" in done.err
    assert home.config.read_text() == text


def test_a_backupignore_is_written_only_when_wanted_and_never_over_another(home: World) -> None:
    ignore = home.project / ".backupignore"

    told = home.agsekit("addmount", "project", "-y")
    home.agsekit("removemount", "project", "-y")
    assert "  /target/" in told.err
    assert not ignore.exists()

    home.agsekit("addmount", "project", "-y", "--backupignore")
    home.agsekit("removemount", "project", "-y")
    assert ignore.read_text() == "/target/\n"

    ignore.write_text("mine\n")
    home.agsekit("addmount", "project", "-y", "--backupignore")
    assert ignore.read_text() == "mine\n"


def test_on_a_terminal_the_defaults_are_offered_one_by_one(home: World) -> None:
    window = home.window("addmount", columns=200, cwd=home.project)

    window.expect("In which VM? (--vm)")
    window.type("\x1b[B\r")
    window.expect("Which project folder? (PATH)")
    window.expect("project/")
    window.type("\r")
    window.expect("(TARGET)")
    window.type("\x15/srv/mine\r")
    window.expect("(BACKUP)")
    window.type("\r")
    window.expect("(INTERVAL)")
    window.type("\x15soon\r")
    window.expect("must be a number of minutes")
    window.type("\x157\r")
    window.expect("Add it? (--yes)")
    window.type("y\r")
    window.expect("Write them into .backupignore? (--backupignore)")
    window.type("\r")

    assert window.finish() == 0, window.everything
    assert yaml.safe_load(home.config.read_text())["mounts"][1] == {
        "source": str(home.project),
        "target": "/srv/mine",
        "backup": str(home.store),
        "interval": 7,
        "vm": "second",
    }
    assert (home.project / ".backupignore").read_text() == "/target/\n"


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_leaving_at_a_question_writes_nothing(home: World, key: str) -> None:
    window = home.window("addmount", "project", columns=200)

    window.expect("Add it? (--yes)")
    window.type(key)

    assert window.finish() == 130
    assert home.config.read_text() == CONFIG


# removemount


def test_without_a_path_the_only_mount_is_meant(home: World) -> None:
    home.agsekit("backup-once", cwd=home.home / "old")

    done = home.agsekit("removemount", "-y")

    assert done.code == 0, done.err
    assert home.config.read_text() == CONFIG.replace(
        "  # the old project\n  - source: ~/old     # since 2020\n    backup: '~/backups-old'\n", ""
    )
    assert f"snapshots are kept in {home.home}/backups-old" in done.err
    assert (home.home / "backups-old").is_dir()
    assert home.agsekit("removemount", "-y").code == 12


def test_several_mounts_need_a_path_and_several_vms_their_name(home: World) -> None:
    home.agsekit("addmount", "old", "/srv/o", "other-store", "--vm", "second", "-y")

    without, ambiguous = home.agsekit("removemount", "-y"), home.agsekit("removemount", "old", "-y")
    unknown, absent = home.agsekit("removemount", "project"), home.agsekit("removemount", "--vm", "nobody")
    done = home.agsekit("removemount", "old", "--vm", "second", "-y")

    assert without.code == ambiguous.code == 2
    assert "--vm: box, second" in ambiguous.err
    assert unknown.code == absent.code == 12
    assert done.code == 0
    assert home.config.read_text() == CONFIG


@pytest.fixture
def multipass(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A machine `box` of Multipass with the project, and nothing else, mounted in it."""
    if shutil.which("bwrap") is None:
        pytest.skip("the machines of the fake need bubblewrap")
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    world.config.parent.mkdir(parents=True)
    world.config.write_text("vms:\n  box:\n")
    write_files(world.project, {"first.txt": ""})
    fake_multipass.add("box")
    return fake_multipass


def test_a_mount_can_be_mounted_at_once_and_is_unmounted_before_it_is_removed(
    world: World, multipass: FakeMultipass
) -> None:
    added = world.agsekit("addmount", "project", "--mount", "-y")
    instance = multipass.instance("box")
    assert added.code == 0, added.err
    assert instance is not None
    assert list(instance.mounts) == ["/home/ubuntu/project"]

    removed = world.agsekit("removemount", "-y")

    assert removed.code == 0, removed.err
    assert f"{world.project} is no longer mounted in VM box." in removed.err
    assert ("umount", "box:/home/ubuntu/project") in [call.argv[1:] for call in multipass.calls()]
    assert world.config.read_text() == "vms:\n  box:\n"


@pytest.mark.parametrize("state", ["not mounted", "absent", "Deleted", "Stopped"])
def test_what_is_not_mounted_and_what_does_not_exist_count_as_unmounted(
    world: World, multipass: FakeMultipass, state: str
) -> None:
    world.agsekit("addmount", "project", "-y")
    if state == "absent":
        world.environment["FAKE_MULTIPASS_STATE"] = str(world.folder / "empty")
        os.mkdir(world.environment["FAKE_MULTIPASS_STATE"])
    elif state != "not mounted":
        multipass.change("box", state=state)

    done = world.agsekit("removemount", "-y")

    assert done.code == 0, done.err
    assert world.config.read_text() == "vms:\n  box:\n"


def test_the_configuration_stays_when_unmounting_fails(world: World, multipass: FakeMultipass) -> None:
    world.agsekit("addmount", "project", "--mount", "-y")
    before = world.config.read_text()
    multipass.situate(daemon="down")

    done = world.agsekit("removemount", "-y")

    assert done.code == 20
    assert world.config.read_text() == before


def test_a_folder_that_a_snap_does_not_get_at_is_refused(world: World, multipass: FakeMultipass) -> None:
    program = world.folder / "snap/bin/multipass"
    program.parent.mkdir(parents=True)
    program.symlink_to(str(shutil.which("multipass", path=world.environment["PATH"])))
    world.environment["PATH"] = f"{program.parent}:{world.environment['PATH']}"
    (world.home / ".hidden").mkdir()

    done = world.agsekit("addmount", ".hidden", "-y")

    assert done.code == 20
    assert "does not get at '.hidden'" in done.err
    assert world.config.read_text() == "vms:\n  box:\n"


def test_a_backup_folder_that_cannot_be_written_is_refused(home: World) -> None:
    closed = home.folder / "closed"
    closed.mkdir(mode=0o500)

    done = home.agsekit("addmount", "project", "/home/ubuntu/p", closed / "backups", "5", "-y", before=LIKE_OTHERS)

    assert done.code == 1
    assert f"you may not write to {closed}" in done.err
    assert "choose another backup folder" in done.err
