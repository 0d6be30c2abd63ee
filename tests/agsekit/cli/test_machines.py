from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import Done, World

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="the machines of the fake need bubblewrap")

GIB = 1024**3


@pytest.fixture
def multipass(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A multipass without machines that the console script finds, and a configuration with the one VM `box`."""
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    configure(world, "box")
    return fake_multipass


def configure(world: World, *names: str, **settings: Any) -> None:
    """Write a configuration with these VMs, each with one processor, 1G of memory and 5G of disk."""
    size = {"cpu": 1, "ram": "1G", "disk": "5G", **settings}
    world.write_config({"vms": dict.fromkeys(names, size), "mounts": [{"source": str(world.project)}]})


def asked(multipass: FakeMultipass, *, but: Sequence[str] = ("exec", "get", "info")) -> list[tuple[str, ...]]:
    """Return the argv of all calls that may change something."""
    return [tuple(call.argv[1:]) for call in multipass.calls() if call.argv[1] not in but]


def launch_of(name: str, cpus: str = "1", ram: str = "1G", disk: str = "5G") -> tuple[str, ...]:
    """Return the one call that makes a VM."""
    sizes = ("--cpus", cpus, "-m", ram, "--disk", disk)
    return ("launch", "--name", name, *sizes, "--cloud-init", "-", "--timeout", "1800")


def read_inside(multipass: FakeMultipass, name: str, path: str) -> str:
    """Return the text of a file of a machine."""
    return (multipass.root(name) / path).read_text()


def public_key(world: World) -> str:
    """Return agsekit's key."""
    return (world.config.parent / "ssh/id_ed25519.pub").read_text().strip()


def assert_failed(done: Done, code: int, message: str, hint: str) -> None:
    """Check that a command ended with a code, a sentence and a hint, and nothing that only a developer reads."""
    assert done.code == code, done
    assert message in done.err
    assert "hint: " in done.err
    assert hint in done.err
    assert "Traceback" not in done.err


# create


def test_a_vm_is_launched_with_its_sizes_and_prepared(world: World, multipass: FakeMultipass) -> None:
    configure(world, "box", cpu=3, ram="1536M", disk="20G")

    done = world.agsekit("create-vm")

    assert (done.code, done.out) == (0, "VM box is created.\n"), done.err
    assert asked(multipass) == [launch_of("box", "3", "1536M", "20G")]
    assert read_inside(multipass, "box", "home/ubuntu/.ssh/authorized_keys") == public_key(world) + "\n"
    [known] = (world.config.parent / "ssh/known_hosts").read_text().splitlines()
    assert known.startswith("agsekit-box ssh-ed25519 AAAA")
    assert "box: Preparing image for box\n" in done.err
    assert "\x1b" not in done.err
    assert done.err.endswith("Next: agsekit mount --all\n")


def test_the_cloud_init_of_the_user_is_merged_with_what_agsekit_needs(world: World, multipass: FakeMultipass) -> None:
    mine = {
        "packages": ["ripgrep", "git"],
        "ssh_authorized_keys": ["ssh-rsa mine"],
        "write_files": [{"path": "/etc/motd", "content": "hé\n", "permissions": "0644"}],
    }
    configure(world, "box", **{"cloud-init": mine})

    world.agsekit("create-vm")

    given = multipass.instance("box")
    assert given is not None
    assert given.cloud_init.startswith("#cloud-config\n")
    data = yaml.safe_load(given.cloud_init)
    assert data["packages"] == ["ripgrep", "git", "rsync", "proxychains4", "sshfs"]
    assert data["ssh_authorized_keys"] == ["ssh-rsa mine", public_key(world)]
    assert data["write_files"] == mine["write_files"]


def test_a_second_run_changes_nothing_and_says_so(world: World, multipass: FakeMultipass) -> None:
    world.agsekit("create-vm")
    before = asked(multipass)

    again = world.agsekit("create-vm", "box")

    assert (again.code, again.out) == (0, "VM box is as configured; nothing to do.\n"), again.err
    assert asked(multipass) == before


def test_several_vms_are_made_and_the_document_tells_of_each(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("two", state="Stopped")

    done = world.agsekit("create-vms", "--json")

    assert done.code == 0, done.err
    entry: dict[str, Any] = {"engine": "multipass", "differences": [], "lacking": [], "error": None}
    assert done.document == {
        "vms": [
            {
                **entry,
                "name": "one",
                "result": "created",
                "state": "running",
                "prepared": done.document["vms"][0]["prepared"],
            },
            {**entry, "name": "two", "result": "unchanged", "state": "stopped", "prepared": []},
        ],
        "dry_run": False,
    }
    assert asked(multipass) == [launch_of("one")]


def test_one_vm_that_fails_does_not_stop_the_others(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("two", state="Deleted")

    done = world.agsekit("create-vms")

    assert done.out == "VM one is created.\n"
    assert_failed(done, 20, "two: VM two is deleted, but its name is still taken", "agsekit destroy-vm two")


def test_an_existing_vm_is_completed_with_key_packages_and_host_key(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")

    done = world.agsekit("create-vm")

    assert done.code == 0, done.err
    assert done.out.startswith("VM box was not complete; added: key, ")
    assert done.out.endswith("multipass-sshfs, host-key.\n")
    assert public_key(world) in read_inside(multipass, "box", "home/ubuntu/.ssh/authorized_keys")
    assert read_inside(multipass, "box", "var/tmp/fake-snap").endswith("install multipass-sshfs\n")
    assert asked(multipass) == []


def test_packages_of_an_existing_vm_come_through_its_proxy(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    configure(world, "box", proxychains="http://10.0.0.1:3128")

    done = world.agsekit("create-vm")

    assert done.code == 0, done.err
    options = "-o Acquire::http::Proxy=http://10.0.0.1:3128 -o Acquire::https::Proxy=http://10.0.0.1:3128"
    update, install = read_inside(multipass, "box", "var/tmp/fake-apt-get").splitlines()
    assert update == f"{options} update"
    assert install.startswith(f"{options} install -y ")


def test_what_cannot_be_installed_is_named_and_fails(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    (multipass.root("box") / "etc/no-network").touch()

    done = world.agsekit("create-vm")

    assert done.code == 1
    assert "still lacks" in done.err
    assert "multipass-sshfs; run the command again" in done.err


def test_differences_are_reported_with_both_values_and_left(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box", state="Stopped")
    configure(world, "box", cpu=2, ram="1500M", disk="4G")

    done = world.agsekit("create-vm")

    assert (done.code, done.out) == (0, "VM box was left as it is.\n")
    for sentence in (
        "VM box: cpu is 1, configured is 2\n",
        "VM box: ram is 1G, configured is 1500M\n",
        "VM box: disk is 5G, configured is 4G\n",
        "To change it: agsekit create-vm box --resize\n",
        "VM box is stopped, so it was not looked into.\n",
    ):
        assert sentence in done.err
    assert asked(multipass) == []


def test_a_size_that_multipass_prints_rounded_is_no_difference(world: World, multipass: FakeMultipass) -> None:
    world.agsekit("create-vm")
    multipass.change("box", memory=4097 * 1024**2)  # printed as 4.0GiB
    configure(world, "box", ram="4097M")

    assert world.agsekit("create-vm").out == "VM box is as configured; nothing to do.\n"


def test_resize_stops_sets_and_starts_and_never_shrinks_a_disk(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    configure(world, "box", cpu=2, ram="1500M", disk="4G")

    done = world.agsekit("create-vm", "--resize", "-y")

    assert done.code == 0, done.err
    assert asked(multipass) == [
        ("stop", "box"),
        ("set", "local.box.cpus=2"),
        ("set", "local.box.memory=1500M"),
        ("start", "box", "--timeout", "600"),
    ]
    assert done.out == "VM box is resized.\n"
    assert "disk is 5G, configured is 4G" in done.err
    assert "A disk only grows" in done.err


def test_resize_leaves_a_stopped_vm_stopped(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box", state="Stopped")
    configure(world, "box", disk="6G")

    world.agsekit("create-vm", "--resize", "-y")

    assert asked(multipass) == [("set", "local.box.disk=6G")]


def test_resize_needs_an_agreement(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    configure(world, "box", cpu=2)

    done = world.agsekit("create-vm", "--resize")

    assert_failed(done, 2, "nobody can be asked here", "--yes")
    assert "cpu is 1, configured is 2" in done.err
    assert asked(multipass) == []


def test_a_dry_run_tells_what_would_be_done(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two", "three", cpu=2)
    multipass.add("two")
    multipass.add("three")
    multipass.change("three", cpus=2)

    done = world.agsekit("create-vms", "-n", "--resize")

    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "VM one would be created.",
            "VM two: cpu is 1, configured is 2",
            "VM two would be resized.",
            "VM three exists and has the configured sizes.",
        ],
    )
    assert asked(multipass) == []
    assert not (world.config.parent / "ssh").exists()


@pytest.mark.parametrize("failure", ["timeout:2", "timeout", "response"])
def test_a_launch_that_fails_half_way_is_brought_to_its_end(
    world: World, multipass: FakeMultipass, failure: str
) -> None:
    multipass.situate(launch_failures=[failure], boot_states=["Starting", "Unknown"])

    done = world.agsekit("create-vm")

    assert (done.code, done.out) == (0, "VM box is created.\n"), done.err
    instance = multipass.instance("box")
    assert instance is not None
    assert instance.state == "Running"
    assert [argv[0] for argv in asked(multipass)].count("launch") == 1


def test_a_vm_that_an_interrupted_command_left_booting_is_waited_for(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    multipass.change("box", pending=["Starting", "Unknown", "Starting"])

    done = world.agsekit("create-vm")

    assert done.code == 0, done.err
    assert "Starting VM box\n" in done.err
    assert asked(multipass) == []


@pytest.mark.parametrize(
    ("situation", "message", "hint"),
    [
        ({"network": False}, "The image of VM box cannot be downloaded", "proxy"),
        ({"daemon": "down"}, "The Multipass service does not answer", "sudo snap restart multipass"),
        ({"daemon": "never-started"}, "The Multipass service has never been started", "sudo snap restart multipass"),
        (
            {"launch_failures": ["daemon-dies"]},
            "The Multipass service does not answer",
            "sudo snap restart multipass",
        ),
        ({"launch_failures": ["copy"]}, "The image of VM box cannot be copied", "disk"),
    ],
)
def test_a_launch_that_fails_is_told_with_a_hint(
    world: World, multipass: FakeMultipass, situation: dict[str, Any], message: str, hint: str
) -> None:
    multipass.situate(**situation)

    assert_failed(world.agsekit("create-vm"), 20, message, hint)


def test_errors_are_in_the_document_too(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("two", state="Deleted")

    done = world.agsekit("create-vms", "--json", "-n")

    assert done.code == 20
    [one, two] = done.document["vms"]
    assert (one["result"], one["state"], one["error"]) == ("created", "absent", None)
    assert (two["result"], two["state"]) == ("failed", None)
    assert "is deleted" in two["error"]["message"]


def test_cloud_init_that_cannot_be_added_to_is_refused_before_anything_is_made(
    world: World, multipass: FakeMultipass
) -> None:
    configure(world, "box", **{"cloud-init": {"packages": "git"}})

    done = world.agsekit("create-vm")

    assert_failed(done, 10, "vms.box.cloud-init.packages must be a list", "- entry")
    assert asked(multipass) == []


def test_a_sandbox_is_created_without_keys_and_packages(world: World) -> None:
    world.configure()

    first, second = world.agsekit("create-vm"), world.agsekit("create-vm")

    assert (first.out, second.out) == ("VM box is created.\n", "VM box is as configured; nothing to do.\n")
    assert (world.home / ".local/share/agsekit/vms/box/home").is_dir()
    assert not (world.config.parent / "ssh").exists()


# names


@pytest.mark.parametrize("command", ["create-vm", "start-vm", "stop-vm", "restart-vm", "destroy-vm"])
def test_with_several_vms_a_name_is_needed(world: World, multipass: FakeMultipass, command: str) -> None:
    configure(world, "one", "two")

    assert_failed(world.agsekit(command), 2, "several could be meant", "one, two")
    assert multipass.calls() == []


def test_a_vm_is_picked_on_a_terminal(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("two", state="Stopped")
    window = world.window("start-vm")
    window.expect("Which VM?")

    window.type("\x1b[B\r")

    assert window.finish() == 0
    assert asked(multipass) == [("start", "two", "--timeout", "600")]


def test_a_name_that_is_not_in_the_configuration_is_not_found(world: World, multipass: FakeMultipass) -> None:
    assert_failed(world.agsekit("start-vm", "bxo"), 12, "There is no VM 'bxo'", "box")


def test_a_name_and_all_exclude_each_other(world: World, multipass: FakeMultipass) -> None:
    assert_failed(world.agsekit("stop-vm", "box", "--all-vms"), 2, "exclude each other", "leave one of them out")


# start, stop, restart


def test_all_vms_are_started_and_waited_for(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two", "three")
    for name, state in (("one", "Stopped"), ("two", "Suspended"), ("three", "Running")):
        multipass.add(name, state=state)
    multipass.situate(boot_states=["Unknown", "Starting"])

    done = world.agsekit("start-vm", "--all-vms")

    assert (done.code, done.out) == (0, "VM one is running.\nVM two is running.\nVM three is running.\n")
    start = ("start", "--timeout", "600")
    assert sorted(asked(multipass)) == [(start[0], name, *start[1:]) for name in ("one", "two")]


def test_one_vm_that_cannot_start_does_not_stop_the_others(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("two", state="Stopped")

    done = world.agsekit("start-vm", "--all-vms")

    assert done.out == "VM two is running.\n"
    assert_failed(done, 20, "one: VM one does not exist", "agsekit create-vm one")


@pytest.mark.parametrize(("failure", "calls"), [("timeout", ["start"]), ("response", ["start", "stop", "start"])])
def test_a_start_that_loses_its_way_comes_to_its_end(
    world: World, multipass: FakeMultipass, failure: str, calls: list[str]
) -> None:
    multipass.add("box", state="Stopped")
    multipass.situate(start_failures=[failure], boot_states=["Starting"])

    done = world.agsekit("start-vm")

    assert (done.code, done.out) == (0, "VM box is running.\n"), done.err
    assert [argv[0] for argv in asked(multipass)] == calls


def test_vms_are_stopped_and_a_stopped_one_is_fine(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    multipass.add("one")
    multipass.add("two", state="Stopped")

    done = world.agsekit("stop-vm", "--all-vms")

    assert (done.code, done.out) == (0, "VM one is stopped.\nVM two is stopped.\n")
    assert asked(multipass) == [("stop", "one")]


def test_a_vm_that_boots_is_stopped_once_it_is_up(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")
    multipass.change("box", pending=["Starting", "Starting"])

    done = world.agsekit("stop-vm")

    assert (done.code, done.out) == (0, "VM box is stopped.\n")
    assert "it is stopped afterwards" in done.err
    assert asked(multipass) == [("stop", "box")]


def test_a_vm_in_an_unknown_state_is_stopped(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box", state="Unknown")

    assert world.agsekit("stop-vm").out == "VM box is stopped.\n"


def test_a_suspended_vm_is_stopped_only_by_force(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box", state="Suspended")

    refused, forced = world.agsekit("stop-vm"), world.agsekit("stop-vm", "--force")

    assert_failed(refused, 20, "VM box is suspended: stopping it would lose what it has in memory", "--force")
    assert (forced.code, forced.out) == (0, "VM box is stopped.\n")
    assert asked(multipass) == [("stop", "box", "--force")]


@pytest.mark.parametrize(("state", "calls"), [("Running", ["stop", "start"]), ("Stopped", ["start"])])
def test_a_vm_is_restarted(world: World, multipass: FakeMultipass, state: str, calls: list[str]) -> None:
    multipass.add("box", state=state)

    assert world.agsekit("restart-vm").out == "VM box is running.\n"

    assert [argv[0] for argv in asked(multipass)] == calls


def test_a_sandbox_needs_no_start_and_no_stop(world: World) -> None:
    world.configure()

    for command in ("start-vm", "stop-vm", "restart-vm"):
        done = world.agsekit(command)
        assert (done.code, done.out[:34]) == (0, "box (bubblewrap) needs no start an")


def test_interrupt_ends_the_wait_for_machines_that_boot(world: World, multipass: FakeMultipass) -> None:
    configure(world, "one", "two")
    for name in ("one", "two"):
        multipass.add(name, state="Starting")
    window = world.window("start-vm", "--all-vms")
    window.expect("Starting VM")

    window.type("\x03")

    assert window.finish() == 130
    assert "Cancelled." in window.everything


# destroy


def test_a_vm_is_destroyed_alone_and_the_project_stays(world: World, multipass: FakeMultipass) -> None:
    (world.project / "kept.txt").write_text("kept")
    multipass.add("other", state="Deleted")
    world.agsekit("create-vm")

    done = world.agsekit("destroy-vm", "-y")

    assert (done.code, done.out) == (0, "VM box is deleted.\n")
    assert "VM box (multipass, running) and everything in it\n" in done.err
    assert f"Project folders and their snapshots are not touched.\n  {world.project}, {world.store}\n" in done.err
    assert asked(multipass)[1:] == [("delete", "--purge", "box")]
    assert multipass.instance("box") is None
    assert multipass.instance("other") is not None
    assert (world.project / "kept.txt").exists()
    assert (world.config.parent / "ssh/known_hosts").read_text() == ""


@pytest.mark.parametrize("state", ["Running", "Stopped", "Suspended", "Starting", "Unknown", "Deleted"])
def test_a_vm_is_destroyed_in_every_state(world: World, multipass: FakeMultipass, state: str) -> None:
    multipass.add("box", state=state)

    done = world.agsekit("destroy-vm", "box", "-y")

    assert (done.code, done.out) == (0, "VM box is deleted.\n"), done.err
    assert multipass.instance("box") is None


def test_without_an_agreement_nothing_is_destroyed(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")

    refused = world.agsekit("destroy-vm")
    window = world.window("destroy-vm")
    window.expect("Delete box?")
    window.type("\r")

    assert_failed(refused, 2, "nobody can be asked here", "--yes")
    assert window.finish() == 130
    assert asked(multipass) == []


def test_a_dry_run_lists_and_destroys_nothing(world: World, multipass: FakeMultipass) -> None:
    multipass.add("box")

    done = world.agsekit("destroy-vm", "-n")

    assert done.code == 0
    assert "VM box (multipass, running) and everything in it" in done.err
    assert asked(multipass) == []


@pytest.mark.parametrize(("typed", "left"), [("2", []), ("3", ["one", "two"])])
def test_to_destroy_all_their_number_has_to_be_typed(
    world: World, multipass: FakeMultipass, typed: str, left: list[str]
) -> None:
    configure(world, "one", "two", "three")
    multipass.add("one")
    multipass.add("two")
    window = world.window("destroy-vm", "--all")
    window.expect("Type their number (2)")

    window.type(typed + "\r")

    assert window.finish() == (130 if left else 0)
    assert [name for name in ("one", "two") if multipass.instance(name)] == left


def test_a_vm_that_does_not_exist_is_no_error_to_destroy(world: World, multipass: FakeMultipass) -> None:
    done = world.agsekit("destroy-vm", "-y")

    assert (done.code, done.out) == (0, "VM box does not exist; nothing to delete.\n")
    assert asked(multipass) == []


def test_a_sandbox_is_destroyed_with_its_home_whatever_an_agent_left_there(world: World) -> None:
    world.configure()
    world.agsekit("create-vm")
    home = world.home / ".local/share/agsekit/vms/box/home"
    (home / "closed").mkdir()
    (home / "closed/file").write_text("x")
    (home / "closed").chmod(0)
    (home / "link").symlink_to(world.project)
    (world.project / "kept.txt").write_text("kept")

    done = world.agsekit("destroy-vm", "-y")

    assert (done.code, done.out) == (0, "VM box is deleted.\n"), done.err
    assert str(home.parent) in done.err
    assert not home.parent.exists()
    assert (world.project / "kept.txt").exists()


def test_without_multipass_the_user_is_told_how_to_get_on(world: World, tmp_path: Path) -> None:
    configure(world, "box")
    tools = tmp_path / "tools"
    tools.mkdir()

    for command in ("create-vm", "start-vm", "stop-vm", "destroy-vm"):
        done = world.agsekit(command, env={"PATH": str(tools)})
        assert_failed(done, 20, "Multipass is not installed", "agsekit prepare")
