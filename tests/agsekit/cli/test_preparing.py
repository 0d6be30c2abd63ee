from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import Done, World

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

_RECORDING = """#!/bin/sh
echo "{name} $*" >> {record}
{script}
"""
_INSTALLING = 'case "$*" in *install*|*-S*) for word; do last=$word; done; {made};; esac'


class Machine:
    """A machine whose programs are only those that a test puts there, and whose system is what it says.

    The console script runs with another /run, /dev/kvm and os-release around it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tools = world.folder / "tools"
        self.tools.mkdir()
        self.record = world.folder / "record"
        self._run = world.folder / "run"
        self._release = world.folder / "os-release"
        self._passwd = world.folder / "passwd"
        self._passwd.write_text("user:x:1000:1000::/:/bin/sh\n")
        self._run.mkdir()
        world.environment["PATH"] = str(self.tools)
        self.keep("sh", "ssh-keygen", "touch", "chmod")
        self.describe("debian", systemd=True)

    def keep(self, *programs: str) -> None:
        """Let the machine have programs of this one."""
        for program in programs:
            found = shutil.which(program)
            assert found is not None
            (self.tools / program).symlink_to(found)

    def add(self, name: str, script: str = "exit 0") -> None:
        """Give the machine a program that records how it was called."""
        path = self.tools / name
        path.write_text(_RECORDING.format(name=name, record=self.record, script=script))
        path.chmod(0o755)

    def add_manager(self, name: str, *made: str) -> None:
        """Give the machine a package manager that installs these programs, whatever it is asked for."""
        creating = "; ".join(
            f"printf '#!/bin/sh\\n' > {self.tools}/{each}; chmod +x {self.tools}/{each}" for each in made
        )
        self.add(name, _INSTALLING.format(made=creating or ":"))

    def describe(self, family: str, *, systemd: bool) -> None:
        """Say what system this is."""
        self._release.write_text(f"ID={family}\n")
        shutil.rmtree(self._run)
        (self._run / "systemd/system" if systemd else self._run).mkdir(parents=True)

    def agsekit(self, *arguments: str) -> Done:
        """Run a command line there."""
        return self.world.agsekit(*arguments, before=self._around())

    def _around(self) -> Sequence[str]:
        bwrap = shutil.which("bwrap")
        assert bwrap is not None
        # As an ordinary user, whoever runs the tests: only then is there something to ask sudo for.
        words = [bwrap, "--die-with-parent", "--unshare-user", "--uid", "1000", "--gid", "1000", "--tmpfs", "/"]
        for entry in sorted(Path("/").iterdir()):
            if entry.is_symlink():
                words += ["--symlink", os.readlink(entry), str(entry)]
            elif entry.is_dir() and entry.name not in ("run", "proc", "dev", "snap"):
                words += ["--bind", str(entry), str(entry)]
        words += ["--proc", "/proc", "--dev", "/dev", "--bind", "/dev/null", "/dev/kvm"]
        words += ["--bind", str(self._run), "/run"]
        release = Path("/etc/os-release").resolve()
        words += ["--ro-bind", str(self._release), str(release), "--ro-bind", str(self._passwd), "/etc/passwd"]
        return [*words, "--"]

    def called(self) -> list[str]:
        """Return the recorded calls."""
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture
def machine(world: World) -> Machine:
    return Machine(world)


SUDO = 'while [ "$1" = -n ]; do shift; done; exec "$@"'


def test_debian_is_prepared_with_apt_and_snap(machine: Machine) -> None:
    machine.add("sudo", SUDO)
    machine.add_manager("apt-get", "rsync")
    machine.add_manager("snap", "multipass")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 0, done.err
    assert "  sudo -n apt-get install -y rsync\n" in done.err
    assert "Missing: rsync, multipass\n" in done.err
    assert [line for line in machine.called() if not line.startswith("sudo ")] == [
        "apt-get update",
        "apt-get install -y rsync",
        "snap install multipass",
    ]
    key = machine.world.config.parent / "ssh/id_ed25519"
    assert f"The SSH key for the VMs: {key}\n" in done.out
    assert key.stat().st_mode & 0o777 == 0o600


def test_fedora_is_prepared_with_dnf(machine: Machine) -> None:
    machine.describe("fedora", systemd=True)
    machine.add("sudo", SUDO)
    machine.add("systemctl")
    machine.add_manager("dnf", "rsync")
    machine.add("apt-get")
    machine.add_manager("snap", "multipass")
    (machine.tools / "snap").rename(machine.tools / "snap.later")
    machine.add_manager("dnf", "rsync")
    with (machine.tools / "dnf").open("a") as dnf:
        dnf.write(f"mv {machine.tools}/snap.later {machine.tools}/snap\n")
    machine.keep("mv")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 0, done.err
    assert [line for line in machine.called() if not line.startswith("sudo ")] == [
        "dnf install -y rsync snapd",
        "systemctl enable --now snapd.socket",
        "snap install multipass",
    ]


def test_arch_is_prepared_with_pacman_and_told_where_snapd_is(machine: Machine) -> None:
    machine.describe("arch", systemd=True)
    machine.add("sudo", SUDO)
    machine.add_manager("pacman", "rsync")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 1
    assert machine.called()[-1] == "pacman -S --needed --noconfirm rsync"
    assert "error: Still missing: multipass\n" in done.err
    assert "AUR" in done.err
    assert (machine.world.config.parent / "ssh/id_ed25519").exists()


def test_without_systemd_the_other_engine_is_named(machine: Machine) -> None:
    machine.describe("debian", systemd=False)
    machine.add("sudo", SUDO)
    machine.add_manager("apt-get", "rsync")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 1
    assert "systemd does not run here, and snaps need it. Set `engine: bubblewrap`" in done.err
    assert "snap" not in " ".join(machine.called())


def test_what_the_configuration_does_not_need_is_not_installed(machine: Machine) -> None:
    machine.world.configure(engine="bubblewrap")
    machine.add("sudo", SUDO)
    machine.add_manager("apt-get", "rsync", "bwrap")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 0, done.err
    assert machine.called()[-1] == "apt-get install -y rsync bubblewrap"
    assert done.err.endswith("Next: agsekit create-vms\n")


def test_on_a_prepared_machine_nothing_is_run(machine: Machine) -> None:
    machine.add("rsync")
    machine.add("multipass")

    done = machine.agsekit("prepare")

    assert done.code == 0, done.err
    assert done.out.startswith("Nothing is missing: rsync, ssh-keygen, multipass.\n")
    assert machine.called() == []


def test_a_dry_run_shows_the_commands_and_runs_none(machine: Machine) -> None:
    machine.add("sudo", SUDO)
    machine.add_manager("apt-get", "rsync")

    done = machine.agsekit("prepare", "-n")

    assert done.code == 0, done.err
    assert "These commands would be run:\n" in done.err
    assert "snap install multipass\n" in done.err
    assert machine.called() == []
    assert not (machine.world.config.parent / "ssh").exists()


def test_without_an_agreement_nothing_is_run(machine: Machine) -> None:
    machine.add_manager("apt-get", "rsync")

    done = machine.agsekit("prepare")

    assert done.code == 2
    assert "hint: give your agreement with --yes" in done.err
    assert machine.called() == []


def test_a_command_that_fails_ends_it_and_is_named(machine: Machine) -> None:
    machine.add("sudo", SUDO)
    machine.add("apt-get", "echo 'E: no network' >&2; exit 100")

    done = machine.agsekit("prepare", "-y")

    assert done.code == 1
    assert "E: no network\n" in done.err
    assert "apt-get update failed with the exit code 100" in done.err
    assert "run it yourself" in done.err


def test_an_existing_rsa_key_is_used(machine: Machine) -> None:
    machine.add("rsync")
    machine.add("multipass")
    machine.agsekit("prepare")
    folder = machine.world.config.parent / "ssh"
    for suffix in ("", ".pub"):
        (folder / f"id_ed25519{suffix}").rename(folder / f"id_rsa{suffix}")

    done = machine.agsekit("prepare")

    assert f"The SSH key for the VMs: {folder}/id_rsa\n" in done.out
    assert not (folder / "id_ed25519").exists()


# up and down


@pytest.fixture
def multipass(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A multipass without machines, and a configuration with two VMs and a mount in each."""
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    (world.project / "file").touch()
    (world.home / "other").mkdir()
    size = {"cpu": 1, "ram": "1G", "disk": "5G"}
    world.write_config(
        {
            "vms": {"one": size, "two": size},
            "mounts": [{"source": str(world.project)}, {"source": str(world.home / "other"), "vm": "two"}],
        }
    )
    return fake_multipass


def asked(multipass: FakeMultipass) -> list[str]:
    """Return the first words of all calls that may change something."""
    return sorted(
        " ".join(call.argv[1:3]) for call in multipass.calls() if call.argv[1] not in ("exec", "get", "info")
    )


def test_up_brings_everything_about_and_a_second_one_nothing(world: World, multipass: FakeMultipass) -> None:
    multipass.add("two", state="Stopped")

    up = world.agsekit("up", "-y")
    first = asked(multipass)
    again = world.agsekit("up", "-y")

    assert up.code == 0, up.err
    other = world.home / "other"
    assert first == ["launch --name", f"mount {other}", f"mount {world.project}", "start two"]
    assert "  VM one is created.\n" in up.out
    headings = [line for line in up.err.splitlines() if not line.startswith(" ")]
    assert headings == ["This machine", "VMs", "Mounts"]
    assert "Next: agsekit mount" not in up.err
    assert f"{other} is mounted in VM two at /home/ubuntu/other.\n" in up.out
    assert again.code == 0, again.err
    assert "VM one is as configured; nothing to do.\n" in again.out
    assert asked(multipass) == first


def test_up_shows_what_it_would_do(world: World, multipass: FakeMultipass) -> None:
    done = world.agsekit("up", "-n")

    assert done.code == 0, done.err
    assert "VM one would be created.\n" in done.out
    assert f"{world.project} would be mounted in VM one.\n" in done.out
    assert asked(multipass) == []


def test_down_stops_what_up_started(world: World, multipass: FakeMultipass) -> None:
    world.agsekit("up", "-y")

    done = world.agsekit("down")

    assert (done.code, done.out) == (0, "VM one is stopped.\nVM two is stopped.\n"), done.err
    assert asked(multipass)[-2:] == ["stop one", "stop two"]
    assert multipass.instance("one") is not None


def test_up_and_down_see_to_the_services_when_ports_are_forwarded(world: World, multipass: FakeMultipass) -> None:
    record = _add_systemctl(world)
    forward = {"type": "local", "host-addr": "127.0.0.1:8080", "vm-addr": "127.0.0.1:80"}
    world.write_config({"vms": {"one": {"cpu": 1, "ram": "1G", "disk": "5G", "port-forwarding": [forward]}}})

    up = world.agsekit("up", "-y")
    down = world.agsekit("down")

    assert up.code == 0, up.err
    assert "The services are installed and run." in up.out
    assert (down.code, down.out) == (0, "The services are stopped.\nVM one is stopped.\n"), down.err
    calls = record.read_text().splitlines()
    units = "agsekit-portforward.service agsekit-backups.service"
    assert calls[-1] == f"--user stop {units}"
    assert f"--user restart {units}" in calls


def _add_systemctl(world: World) -> Path:
    tools, record = world.folder / "bin", world.folder / "systemctl-calls"
    tools.mkdir()
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {record}\n')
    (tools / "systemctl").chmod(0o755)
    world.environment["PATH"] = f"{tools}:{world.environment['PATH']}"
    return record


def test_without_services_the_rest_comes_up_all_the_same(world: World, multipass: FakeMultipass) -> None:
    record = _add_systemctl(world)
    (record.parent / "bin/systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    forward = {"type": "socks5", "vm-addr": "127.0.0.1:1080"}
    world.write_config({"vms": {"one": {"cpu": 1, "ram": "1G", "disk": "5G", "port-forwarding": [forward]}}})

    up = world.agsekit("up", "-y")

    assert up.code == 0, up.err
    assert "  VM one is created.\n" in up.out
    headings = [line for line in up.err.splitlines() if not line.startswith(" ")]
    assert headings == ["This machine", "VMs", "Services"]
    assert "warning: The service manager of this user cannot be reached" in up.err
