from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agsekit.config.model import Config, Proxy, Vm
from agsekit.machines.host import Host, needed_programs, plan_preparation

ALL = ("rsync", "ssh-keygen", "multipass", "bwrap", "proxychains4")


def host(tmp_path: Path, *programs: str, **facts: Any) -> Host:
    """Return a machine that has these programs and can run snaps unless told otherwise."""
    for program in programs:
        (tmp_path / program).touch(mode=0o755)
    known = {"families": ("debian",), "is_root": False, "has_systemd": True, "is_container": False, "has_kvm": True}
    return Host(path=str(tmp_path), **{**known, **facts})


def commands(machine: Host, programs: Sequence[str] = ALL) -> list[str]:
    return [" ".join(step.on(machine, ask=True)) for step in plan_preparation(machine, programs).steps]


def test_debian_takes_packages_from_apt_and_multipass_from_snap(tmp_path: Path) -> None:
    machine = host(tmp_path, "apt-get")

    assert commands(machine) == [
        "sudo apt-get update",
        "sudo apt-get install -y rsync openssh-client bubblewrap proxychains4 snapd",
        "sudo snap install multipass",
    ]


def test_fedora_takes_packages_from_dnf_and_starts_snapd(tmp_path: Path) -> None:
    machine = host(tmp_path, "dnf", families=("fedora",))

    assert commands(machine) == [
        "sudo dnf install -y rsync openssh bubblewrap proxychains-ng snapd",
        "sudo systemctl enable --now snapd.socket",
        "sudo snap install multipass",
    ]


def test_arch_takes_packages_from_pacman_and_says_where_snapd_is(tmp_path: Path) -> None:
    machine = host(tmp_path, "pacman", families=("arch",))

    assert commands(machine) == ["sudo pacman -S --needed --noconfirm rsync openssh bubblewrap proxychains-ng"]
    [obstacle] = plan_preparation(machine, ALL).obstacles
    assert "AUR" in obstacle
    assert "bubblewrap" in obstacle


def test_arch_with_snapd_installs_multipass(tmp_path: Path) -> None:
    assert commands(host(tmp_path, "pacman", "snap", families=("arch",)), ["multipass"]) == [
        "sudo snap install multipass"
    ]


def test_a_mac_takes_all_from_brew_without_sudo(tmp_path: Path) -> None:
    machine = host(tmp_path, "brew", families=("darwin",), has_systemd=False, has_kvm=False)

    assert commands(machine, ["rsync", "multipass"]) == [
        "brew install rsync",
        "brew install --cask multipass",
    ]


def test_root_needs_no_sudo_and_nobody_to_ask_means_no_password(tmp_path: Path) -> None:
    root, user = host(tmp_path, "apt-get", is_root=True), host(tmp_path, "apt-get")

    step = plan_preparation(user, ["rsync"]).steps[-1]

    assert step.on(root, ask=True) == ["apt-get", "install", "-y", "rsync"]
    assert step.on(user, ask=False) == ["sudo", "-n", "apt-get", "install", "-y", "rsync"]


def test_only_what_is_missing_is_installed(tmp_path: Path) -> None:
    machine = host(tmp_path, "apt-get", "rsync", "ssh-keygen", "multipass")

    assert commands(machine, ["rsync", "ssh-keygen", "multipass"]) == []
    assert commands(machine, ["rsync", "bwrap"])[-1] == "sudo apt-get install -y bubblewrap"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"is_container": True}, "container"),
        ({"has_systemd": False}, "systemd"),
        ({"has_kvm": False}, "/dev/kvm"),
    ],
)
def test_where_multipass_cannot_run_the_other_engine_is_named(
    tmp_path: Path, facts: dict[str, bool], reason: str
) -> None:
    machine = host(tmp_path, "apt-get", **facts)

    plan = plan_preparation(machine, ALL)

    [obstacle] = plan.obstacles
    assert reason in obstacle
    assert "engine: bubblewrap" in obstacle
    assert not any("snap" in word for step in plan.steps for word in step.argv)


def test_an_unknown_distribution_uses_the_package_manager_that_is_there(tmp_path: Path) -> None:
    machine = host(tmp_path, "dnf", families=("debian",))

    assert commands(machine, ["rsync"]) == ["sudo dnf install -y rsync"]


def test_without_any_package_manager_the_user_is_told(tmp_path: Path) -> None:
    plan = plan_preparation(host(tmp_path, families=()), ["rsync", "bwrap"])

    assert (plan.steps, plan.obstacles) == ([], ["nothing here installs rsync, bwrap; do it by hand"])


def test_what_is_needed_follows_from_the_configuration() -> None:
    def config(*vms: Vm) -> Config:
        return Config(Path("/c"), {vm.name: vm for vm in vms}, (), {})

    proxied = Vm("b", proxy=Proxy("http", "h", 1))

    assert needed_programs(None) == ["rsync", "ssh-keygen", "multipass"]
    assert needed_programs(config(Vm("a", engine="bubblewrap"))) == ["rsync", "ssh-keygen", "bwrap"]
    assert needed_programs(config(Vm("a"), proxied)) == ["rsync", "ssh-keygen", "multipass", "proxychains4"]
