"""What every engine can be asked, whatever isolates underneath.

No caller asks which engine it talks to. What an engine cannot do it says in `Capabilities`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Optional, Protocol

from agsekit.config.model import Vm

OnEvent = Callable[[str], None]
"""Called with one translated sentence when something that takes long begins."""


class State(enum.Enum):
    """Where a VM is in its life."""

    ABSENT = "absent"
    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"
    SUSPENDED = "suspended"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class MountPoint:
    """A host folder that appears at `target` inside."""

    source: Path
    target: PurePosixPath


@dataclass(frozen=True)
class Instance:
    """A VM as it is now; `mounts` are those the engine has registered."""

    name: str
    state: State
    mounts: Sequence[MountPoint] = ()


@dataclass(frozen=True)
class Capabilities:
    """What differs between engines.

    `own_kernel`: a bug in the kernel of the guest does not reach the host.
    `ends_with_client`: when the host command dies, everything it started inside dies too; otherwise
    `terminate` has to be called.
    """

    own_kernel: bool
    ends_with_client: bool


@dataclass(frozen=True)
class GuestCommand:
    """What to run inside: `argv`, `env` (may hold secrets), and the folder to run in (None: the home).

    `run_id` names this run, so that `terminate` can find its processes; letters, digits and hyphens.
    `tty` says that the command gets the terminal of the caller: only when input and output both are one.
    """

    argv: Sequence[str]
    run_id: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Optional[PurePosixPath] = None
    tty: bool = False


@dataclass(frozen=True)
class HostCommand:
    """What to start on the host so that a `GuestCommand` runs inside.

    `argv` never holds a secret. `env` is the whole environment of the host process. Every descriptor in
    `inherit` must be passed on to the child, and closed by the caller once it has started; it can be read
    only once, so a command can be started only once. `private_terminal` asks for a terminal of its own
    through a pty pair, so that nothing inside can push input into the terminal of the user (TIOCSTI). An
    engine sets it for `GuestCommand.tty` only, and otherwise sees to it itself that nothing inside has a
    controlling terminal.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    inherit: Sequence[int] = ()
    private_terminal: bool = False


class Engine(Protocol):
    """An isolation engine. Every method raises `EngineError` when the engine fails or is missing."""

    name: str
    capabilities: Capabilities

    def home(self, vm: Vm) -> PurePosixPath:
        """Return the home folder inside."""
        ...

    def inspect(self, vm: Vm) -> Instance:
        """Return the VM as it is now, in one call to the engine; `State.ABSENT` when there is none."""
        ...

    def make_ready(self, vm: Vm, mounts: Sequence[MountPoint], *, on_event: OnEvent) -> None:
        """Start the VM if it is not running and mount what of `mounts` is missing. Repeatable.

        Costs one call to the engine when there is nothing to do.
        """
        ...

    def command(self, vm: Vm, mounts: Sequence[MountPoint], command: GuestCommand) -> HostCommand:
        """Return what to start on the host. `make_ready` was called with the same mounts before.

        Exactly the given mounts, and nothing else of the host, can be seen inside by an engine that
        mounts per command; an engine with lasting mounts ignores them here.
        """
        ...

    def terminate(self, vm: Vm, run_id: str) -> None:
        """End whatever the run still has inside. Nothing to end is not an error; never starts a VM."""
        ...

    def notice(self, vm: Vm) -> Optional[str]:
        """Return what the user should know about this VM's isolation, the first time only; else None."""
        ...
