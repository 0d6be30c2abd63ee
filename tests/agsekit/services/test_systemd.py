"""systemd install, uninstall, status; systemctl is a program that writes down what it is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agsekit import resources
from agsekit.errors import AgsekitError
from agsekit.services.systemd import UNITS, find_command, is_snap, quoted
from tests.support.world import SCRIPT, World

PORTFORWARD, BACKUPS = "agsekit-portforward.service", "agsekit-backups.service"

_SYSTEMCTL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$SAID"
[ -z "$BUS_DOWN" ] || { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
case "$*" in
  *" show "*) printf 'UnitFileState=enabled\\nActiveState=active\\n' ;;
  *show-user*) echo "Linger=$LINGER" ;;
esac
[ "$(basename "$0")" != systemd-run ] || exit "$SANDBOX"
"""


class Manager:
    """A service manager that does nothing but remember."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tools = world.folder / "tools"
        self.tools.mkdir()
        for name in ("systemctl", "loginctl", "systemd-run"):
            (self.tools / name).write_text(_SYSTEMCTL)
            (self.tools / name).chmod(0o755)
        self._said = world.folder / "said"
        self.folder = world.home / ".config/systemd/user"
        self.variables = world.home / ".config/agsekit/systemd.env"
        world.environment.update(SAID=str(self._said), LINGER="yes", SANDBOX="0", PATH=f"{self.tools}:/usr/bin:/bin")

    def said(self) -> list[str]:
        """Return what it was told since the last call."""
        lines = self._said.read_text().splitlines() if self._said.exists() else []
        self._said.write_text("")
        return lines

    def links(self) -> dict[str, str]:
        """Return the links below the folder of units, and where they lead."""
        found = [path for path in self.folder.rglob("*") if path.is_symlink()]
        return {str(path.relative_to(self.folder)): os.readlink(path) for path in found}


@pytest.fixture
def manager(world: World) -> Manager:
    world.configure()
    return Manager(world)


def test_install_links_enables_and_starts_both_units(manager: Manager) -> None:
    done = manager.world.agsekit("systemd", "install")

    assert done.code == 0, done.err
    assert [line for line in manager.said() if line.startswith("systemctl")] == [
        "systemctl --user daemon-reload",
        "systemctl --user daemon-reload",
        f"systemctl --user enable {PORTFORWARD} {BACKUPS}",
        f"systemctl --user restart {PORTFORWARD} {BACKUPS}",
    ]
    units = resources.systemd_units()
    assert {name: manager.links()[name] for name in UNITS} == {name: str(units / name) for name in UNITS}


def test_the_environment_has_absolute_paths_and_is_for_the_user_alone(manager: Manager) -> None:
    manager.world.agsekit(
        "systemd",
        "install",
        "--config",
        "config.yaml",
        cwd=manager.world.config.parent,
        env={"PATH": f".:{manager.tools}:/usr/bin:/bin"},
    )

    lines = dict(line.split("=", 1) for line in manager.variables.read_text().splitlines())
    assert lines["AGSEKIT_COMMAND"] == f'"{SCRIPT}"'
    assert lines["AGSEKIT_CONFIG"] == f'"{manager.world.config}"'
    assert lines["AGSEKIT_PROJECT"] == f'"{resources.project_folder()}"'
    assert lines["PATH"].startswith('"/')
    assert manager.variables.stat().st_mode & 0o777 == 0o600


def test_what_the_units_start_works_from_anywhere_with_that_environment(manager: Manager) -> None:
    manager.world.agsekit("systemd", "install")
    line = next(line for line in (manager.folder / BACKUPS).read_text().splitlines() if line.startswith("ExecStart="))
    # What systemd does with quotes and variables, a shell does as well.
    command = re.sub(r"\$\{(\w+)\}", r'"$\1"', line.partition("=")[2])
    script = f'set -a; . "{manager.variables}"; exec {command} --help'

    done = subprocess.run(
        ["sh", "-c", script], cwd="/", env={"HOME": str(manager.world.home)}, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert b"--quiet" in done.stdout


def test_backups_can_be_left_out_and_an_installed_unit_then_goes(manager: Manager) -> None:
    manager.world.agsekit("systemd", "install")
    manager.said()

    manager.world.agsekit("systemd", "install", "--no-backups")

    said = manager.said()
    assert f"systemctl --user disable --now {BACKUPS}" in said
    assert f"systemctl --user enable {PORTFORWARD}" in said
    assert BACKUPS not in manager.links()


def test_installing_from_another_place_replaces_links_and_environment(manager: Manager) -> None:
    manager.folder.mkdir(parents=True)
    for name in UNITS:
        (manager.folder / name).symlink_to("/gone/agsekit/" + name)
    manager.variables.write_text('AGSEKIT_COMMAND="/gone/agsekit"\n')

    done = manager.world.agsekit("systemd", "install")

    assert done.code == 0, done.err
    assert "/gone" not in repr(manager.links()) + manager.variables.read_text()


def test_uninstall_stops_disables_and_removes_all_of_it(manager: Manager) -> None:
    manager.world.agsekit("systemd", "install")
    manager.said()

    done = manager.world.agsekit("systemd", "uninstall")
    again = manager.world.agsekit("systemd", "uninstall")

    assert (done.code, again.code) == (0, 0)
    assert manager.said()[:3] == [
        "systemctl --user daemon-reload",
        f"systemctl --user disable --now {PORTFORWARD} {BACKUPS}",
        "systemctl --user daemon-reload",
    ]
    assert list(manager.folder.iterdir()) == []
    assert not manager.variables.exists()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_dry_run_changes_nothing_and_says_what_it_would_do(manager: Manager, command: str) -> None:
    if command == "uninstall":
        manager.world.agsekit("systemd", "install")
        manager.said()
    before = manager.links()

    done = manager.world.agsekit("systemd", command, "--dry-run")

    assert done.code == 0, done.err
    assert "would systemctl --user" in done.out
    assert PORTFORWARD in done.out
    assert not [line for line in manager.said() if line.startswith("systemctl")]
    assert manager.links() == before


@pytest.mark.parametrize(
    ("multipass", "sandbox", "expected"),
    [
        ("snap", "0", []),
        ("plain", "0", ["files.conf", "privileges.conf"]),
        ("plain", "1", ["privileges.conf"]),
        ("none", "0", ["files.conf", "privileges.conf"]),
    ],
)
def test_the_hardening_is_what_multipass_and_the_machine_can_live_with(
    manager: Manager, multipass: str, sandbox: str, expected: list[str]
) -> None:
    program = manager.tools / ("snap" if multipass == "snap" else "multipass")
    if multipass != "none":
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    if multipass == "snap":
        (manager.tools / "multipass").symlink_to("snap")

    manager.world.agsekit("systemd", "install", env={"SANDBOX": sandbox})

    assert sorted(Path(name).name for name in manager.links() if name.endswith(".conf")) == expected


def test_hardening_that_no_longer_fits_is_removed(manager: Manager) -> None:
    manager.world.agsekit("systemd", "install")
    before = len(manager.links())

    manager.world.agsekit("systemd", "install", env={"SANDBOX": "1"})

    assert (before, len(manager.links())) == (4, 3)


@pytest.mark.parametrize("linger", ["yes", "no"])
def test_it_is_told_when_services_end_with_the_login(manager: Manager, linger: str) -> None:
    done = manager.world.agsekit("systemd", "install", env={"LINGER": linger})

    assert ("loginctl enable-linger" in done.err) is (linger == "no")


def test_status_tells_of_each_unit(manager: Manager) -> None:
    manager.world.agsekit("systemd", "install", "--no-backups")

    shown = manager.world.agsekit("systemd", "status")
    document = manager.world.agsekit("systemd", "status", "--json").document

    place = str(resources.systemd_units() / PORTFORWARD)
    assert shown.out == f"{PORTFORWARD}: active, enabled, from {place}\n{BACKUPS}: not installed\n"
    assert document["linger"] is True
    assert document["units"][0] == {
        "name": PORTFORWARD,
        "link": place,
        "dangling": False,
        "enabled": "enabled",
        "active": "active",
    }
    assert document["units"][1]["link"] is None


def test_status_tells_of_an_installation_that_is_gone(manager: Manager) -> None:
    manager.folder.mkdir(parents=True)
    (manager.folder / PORTFORWARD).symlink_to("/gone/" + PORTFORWARD)

    done = manager.world.agsekit("systemd", "status")

    assert "its file /gone/agsekit-portforward.service is gone; repair it" in done.out


@pytest.mark.parametrize("command", ["install", "uninstall", "status"])
def test_without_a_manager_nothing_is_written_and_the_user_is_told(manager: Manager, command: str) -> None:
    done = manager.world.agsekit("systemd", command, env={"BUS_DOWN": "1"})
    (manager.tools / "systemctl").unlink()
    absent = manager.world.agsekit("systemd", command, env={"PATH": str(manager.tools)})

    assert (done.code, absent.code) == (1, 1)
    assert "The service manager of this user cannot be reached" in done.err
    assert "This machine has no systemd" in absent.err
    assert manager.links() == {}
    assert not manager.variables.exists()


def test_an_invalid_configuration_is_not_installed(manager: Manager) -> None:
    manager.world.write_config({"vms": {}})

    done = manager.world.agsekit("systemd", "install")

    assert done.code == 10
    assert manager.said() == []


# The parts


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("drop_ins", [False, True])
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path, drop_ins: bool) -> None:
    units, home, runtime = tmp_path / "units", tmp_path / "home", tmp_path / "run"
    shutil.copytree(resources.systemd_units(), units)
    if not drop_ins:
        for folder in units.glob("*.d"):
            shutil.rmtree(folder)
    (home / ".config/agsekit").mkdir(parents=True)
    (home / ".config/agsekit/systemd.env").write_text('AGSEKIT_COMMAND="/usr/bin/true"\n')
    runtime.mkdir(mode=0o700)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", *(str(units / name) for name in UNITS)],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "value", ["/plain", "/with blank", '/with "quotes"', "/back\\slash", "/$HOME/`id`", "/tick's", "/юникод"]
)
def test_a_value_comes_out_of_the_environment_file_as_it_was(value: str) -> None:
    # The quoting of environment files is that of double quotes in a shell.
    done = subprocess.run(["sh", "-c", f"printf %s {quoted(value)}"], capture_output=True, check=True)

    assert done.stdout.decode() == value


def test_a_value_of_two_lines_is_refused() -> None:
    with pytest.raises(AgsekitError):
        quoted("/a\nLD_PRELOAD=/evil.so")


def test_a_program_in_the_folder_of_snap_is_a_snap(tmp_path: Path) -> None:
    (tmp_path / "multipass").write_text("")
    (tmp_path / "multipass").chmod(0o755)

    assert not is_snap("multipass", {"PATH": str(tmp_path)})
    assert not is_snap("absent", {"PATH": str(tmp_path)})


def test_the_command_is_the_one_that_was_started_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "agsekit").symlink_to("real")

    assert find_command(str(tmp_path / "agsekit"), "/nowhere/python", {"PATH": ""}) == tmp_path / "agsekit"


def test_without_its_name_the_command_is_the_one_beside_python(tmp_path: Path) -> None:
    (tmp_path / "agsekit").write_text("")
    (tmp_path / "agsekit").chmod(0o755)

    assert find_command("-c", str(tmp_path / "python"), {"PATH": ""}) == tmp_path / "agsekit"


def test_a_command_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgsekitError, match="cannot be found"):
        find_command("-c", str(tmp_path / "python"), {"PATH": str(tmp_path)})
