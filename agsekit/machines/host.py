"""What this machine lacks for its VMs, and the commands that install it with the tools it has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agsekit.config.model import Config
from agsekit.i18n import _

_PROGRAMS: Mapping[str, Sequence[str]] = {"multipass": ("multipass",), "bubblewrap": ("bwrap",)}
_ALWAYS = ("rsync", "ssh-keygen")


@dataclass(frozen=True)
class Manager:
    """A package manager: its program, what to run before and for an installation, and its names for programs."""

    program: str
    install: Sequence[str]
    packages: Mapping[str, str]
    refresh: Sequence[str] = ()
    as_root: bool = True
    families: Sequence[str] = ()


_COMMON = {"rsync": "rsync", "bwrap": "bubblewrap"}
MANAGERS: Sequence[Manager] = (
    Manager(
        "apt-get",
        ("apt-get", "install", "-y"),
        {**_COMMON, "ssh-keygen": "openssh-client", "proxychains4": "proxychains4", "snap": "snapd"},
        refresh=("apt-get", "update"),
        families=("debian", "ubuntu"),
    ),
    Manager(
        "dnf",
        ("dnf", "install", "-y"),
        {**_COMMON, "ssh-keygen": "openssh", "proxychains4": "proxychains-ng", "snap": "snapd"},
        families=("fedora", "rhel", "centos"),
    ),
    # snapd is in the AUR only, which no package manager of the distribution installs from.
    Manager(
        "pacman",
        ("pacman", "-S", "--needed", "--noconfirm"),
        {**_COMMON, "ssh-keygen": "openssh", "proxychains4": "proxychains-ng"},
        families=("arch",),
    ),
    Manager(
        "brew",
        ("brew", "install"),
        {"rsync": "rsync", "ssh-keygen": "openssh", "proxychains4": "proxychains-ng"},
        as_root=False,
        families=("darwin",),
    ),
)


@dataclass(frozen=True)
class Host:
    """This machine: what it is, what it has, and whether snaps can run on it.

    `families` are the names of the distribution and of those it is like, `darwin` on a Mac; `path` is where
    programs are looked for.
    """

    families: Sequence[str]
    path: str
    is_root: bool
    has_systemd: bool
    is_container: bool
    has_kvm: bool

    def has(self, program: str) -> bool:
        """Whether a program is there."""
        return shutil.which(program, path=self.path) is not None

    @property
    def manager(self) -> Manager | None:
        """The package manager of the distribution, else any that is there."""
        own = [each for each in MANAGERS if any(family in each.families for family in self.families)]
        return next((each for each in [*own, *MANAGERS] if self.has(each.program)), None)


def this_host(environment: Mapping[str, str], platform: str) -> Host:
    """Return what can be seen of this machine."""
    return Host(
        families=("darwin",) if platform == "darwin" else _families(_read("/etc/os-release")),
        # Some systems keep these out of the PATH of users, and snapd adds its own at the next login only.
        path=os.pathsep.join([environment.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/snap/bin"]),
        is_root=os.geteuid() == 0,
        has_systemd=os.path.isdir("/run/systemd/system"),
        is_container=any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv", "/run/systemd/container"))),
        has_kvm=os.path.exists("/dev/kvm"),
    )


def _families(os_release: str) -> Sequence[str]:
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def needed_programs(config: Config | None) -> Sequence[str]:
    """Return the programs that a configuration needs; without one, those of the default engine."""
    engines = dict.fromkeys(vm.engine for vm in config.vms.values()) if config else ["multipass"]
    proxied = config is not None and any(vm.proxy for vm in config.vms.values())
    programs = [program for engine in engines for program in _PROGRAMS.get(engine, ())]
    return [*_ALWAYS, *programs, *(["proxychains4"] if proxied else [])]


@dataclass(frozen=True)
class Step:
    """A command that installs something; `as_root` ones need the rights of root."""

    argv: Sequence[str]
    as_root: bool

    def on(self, host: Host, *, ask: bool) -> Sequence[str]:
        """Return what to run; `ask` says whether sudo may ask for a password."""
        if not self.as_root or host.is_root:
            return self.argv
        return ["sudo", *([] if ask else ["-n"]), *self.argv]


@dataclass(frozen=True)
class Preparation:
    """What is missing, the steps that install it, and sentences about what nothing here can install."""

    missing: Sequence[str]
    steps: Sequence[Step] = ()
    obstacles: Sequence[str] = field(default=())


def plan_preparation(host: Host, programs: Collection[str]) -> Preparation:
    """Find out what is missing and how it gets here. Repeatable: on a prepared machine there is nothing to do."""
    missing = [program for program in programs if not host.has(program)]
    manager = host.manager
    wanted = [program for program in missing if program != "multipass"]
    steps: list[Step] = []
    obstacles: list[str] = []
    if "multipass" in missing:
        more, snap_steps, obstacle = _multipass(host, manager)
        wanted += more
        steps += snap_steps
        obstacles += [obstacle] if obstacle else []
    unknown = [program for program in wanted if manager is None or program not in manager.packages]
    if unknown:
        obstacles.append(_("nothing here installs {programs}; do it by hand").format(programs=", ".join(unknown)))
    packages = [manager.packages[program] for program in wanted if program not in unknown] if manager else []
    return Preparation(missing, [*_install(manager, packages), *steps], obstacles)


def _install(manager: Manager | None, packages: Sequence[str]) -> list[Step]:
    if manager is None or not packages:
        return []
    refresh = [Step(manager.refresh, manager.as_root)] if manager.refresh else []
    return [*refresh, Step([*manager.install, *dict.fromkeys(packages)], manager.as_root)]


def _multipass(host: Host, manager: Manager | None) -> tuple[list[str], list[Step], str | None]:
    """Return the programs that are needed first, the steps for Multipass itself, and what is in the way."""
    if "darwin" in host.families:
        return [], [Step(["brew", "install", "--cask", "multipass"], as_root=False)], None
    obstacle = _no_snap(host)
    if obstacle:
        return [], [], obstacle
    steps = [Step(["snap", "install", "multipass"], as_root=True)]
    if host.has("snap"):
        return [], steps, None
    if manager is None or "snap" not in manager.packages:
        return (
            [],
            [],
            _("Multipass comes as a snap, and snapd is not in the packages here ({hint})").format(
                hint=_("on Arch it is in the AUR; or set `engine: bubblewrap` for the VM")
            ),
        )
    if manager.program == "dnf":
        steps.insert(0, Step(["systemctl", "enable", "--now", "snapd.socket"], as_root=True))
    return ["snap"], steps, None


def _no_snap(host: Host) -> str | None:
    """Say why Multipass cannot run here, which comes as a snap and makes virtual machines."""
    reason = None
    if host.is_container:
        reason = _("this is a container, where snaps cannot run")
    elif not host.has_systemd:
        reason = _("systemd does not run here, and snaps need it")
    elif not host.has_kvm:
        reason = _("there is no /dev/kvm, so no virtual machine can run here")
    if reason is None:
        return None
    return _("Multipass cannot be installed: {reason}. Set `engine: bubblewrap` for the VM instead").format(
        reason=reason
    )
