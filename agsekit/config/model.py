"""What the configuration says, checked and with its defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Optional, Union

from agsekit_storage.retention import Policy

GUEST_HOME = PurePosixPath("/home/ubuntu")


@dataclass(frozen=True)
class Proxy:
    """A proxy that commands are sent through; `scheme` is http, https, socks4 or socks5."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True)
class Address:
    """A host name or IP address, and a TCP port."""

    host: str
    port: int


@dataclass(frozen=True)
class PortForward:
    """One tunnel of a VM.

    `kind` is `local` (listen on the host, lead into the VM), `remote` (listen in the VM, lead to the
    host) or `socks5` (listen in the VM, lead into the host's network; `host_address` is None).
    """

    kind: str
    vm_address: Address
    host_address: Optional[Address]


@dataclass(frozen=True)
class AllowedAgents:
    """The only agents that may be used somewhere, and where that is written: `file:line: key.path`."""

    names: Sequence[str]
    place: str = field(compare=False)


@dataclass(frozen=True)
class Vm:
    """An isolated machine. `ram` and `disk` are bytes; `allowed_agents` None lets every agent in."""

    name: str
    engine: str = "multipass"
    cpu: int = 2
    ram: int = 4 * 1024**3
    disk: int = 20 * 1024**3
    cloud_init: Mapping[str, Any] = field(default_factory=dict)
    proxy: Optional[Proxy] = None
    port_forwarding: Sequence[PortForward] = ()
    allowed_agents: Optional[AllowedAgents] = None


@dataclass(frozen=True)
class Guard:
    """What a run must not do unnoticed.

    `risky` says what becomes of what the host would execute: report, quarantine, or off. `loss` says what happens
    when more than `share` of the files is gone or nearly empty: warn, pause, or off.
    """

    risky: str = "report"
    loss: str = "warn"
    share: float = 0.5


@dataclass(frozen=True)
class Mount:
    """A project folder, where it appears in the VM, and where its snapshots go.

    `source` and `backup` are absolute host paths with `~` expanded but links not resolved;
    `interval` is minutes between snapshots; `backend` None means what the store has; `exclude` holds trusted
    gitignore patterns; `keep` says how long snapshots are kept and how much they may take. `watch` tells whether
    edits are saved as they happen, None where the machine hears of all of them. `allowed_agents` None leaves it to
    the mounts around this one.
    """

    source: Path
    target: PurePosixPath
    backup: Path
    vm: str
    interval: float = 5.0
    backend: Optional[str] = None
    exclude: Sequence[str] = ()
    keep: Policy = field(default_factory=Policy)
    watch: Optional[bool] = None
    guard: Guard = field(default_factory=Guard)
    allowed_agents: Optional[AllowedAgents] = None


@dataclass(frozen=True)
class FromHost:
    """A value that is looked up on the host when an agent starts, so that the configuration need not hold it.

    `kind` is `env`, `file` or `command`, and `words` the name of the variable, the absolute path, or argv. `place`
    is where that is written: `file:line: key.path`.
    """

    kind: str
    words: Sequence[str]
    place: str = field(compare=False)


EnvValue = Union[str, FromHost]


@dataclass(frozen=True)
class Agent:
    """A profile of an agent. `type` is canonical (`claude` is read as `claude-code`).

    `env` may hold secrets: never log it. `own_home` gives it a home inside that no other profile uses.
    `command` is set for the type `custom` only; `vm` is None
    when the profile names none. `proxy` is None when the profile does not say, and then the VM decides;
    `proxy_disabled` is True when it says so explicitly with an empty value. `version` is None when the one of
    the table of types is meant; `latest` is the newest. `install` is for the type `custom`: what installs it.
    """

    name: str
    type: str
    env: Mapping[str, EnvValue] = field(default_factory=dict, repr=False)
    default_args: Sequence[str] = ()
    vm: Optional[str] = None
    proxy: Optional[Proxy] = None
    proxy_disabled: bool = False
    command: Sequence[str] = ()
    own_home: bool = False
    version: Optional[str] = None
    install: Sequence[str] = ()

    @property
    def holds_values(self) -> bool:
        """Whether values of the environment stand in the configuration itself; they may be keys."""
        return any(value and isinstance(value, str) for value in self.env.values())


@dataclass(frozen=True)
class Config:
    """Everything in one configuration file. `warnings` are problems that matter only when used."""

    path: Path
    vms: Mapping[str, Vm]
    mounts: Sequence[Mount]
    agents: Mapping[str, Agent]
    warnings: Sequence[str] = ()

    @property
    def first_vm(self) -> Vm:
        """The VM that is meant where none is named; a loaded configuration has at least one."""
        return next(iter(self.vms.values()))
