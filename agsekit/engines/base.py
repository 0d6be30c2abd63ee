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
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import Completed


class ProgramNotInside(EngineError):
    """The program of a command is not installed inside."""


TERMINAL_VARIABLES = (
    *("TERM", "COLORTERM", "COLORFGBG", "TERM_PROGRAM", "TERM_PROGRAM_VERSION"),
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"),
)
"""What tells a program of the abilities of the user's terminal, and of its colours."""

OnOutput = Callable[[bytes], None]

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

    @property
    def word(self) -> str:
        """The state in the user's language."""
        words = {
            "absent": _("absent"),
            "running": _("running"),
            "stopped": _("stopped"),
            "starting": _("starting"),
            "suspended": _("suspended"),
            "deleted": _("deleted"),
            "unknown": _("unknown"),
        }
        return words[self.value]


@dataclass(frozen=True)
class MountPoint:
    """A host folder that appears at `target` inside."""

    source: Path
    target: PurePosixPath


@dataclass(frozen=True)
class Instance:
    """A VM as it is now; `mounts` are those the engine has registered.

    `folder` is the folder of the host that goes with the VM when it is deleted; None when the engine keeps
    its machines where nobody looks. `address` is the IP address of its ssh server; None unless it runs and
    has one. `load` is what `uptime` inside calls the load of the last minute; None where nobody measures it.
    """

    name: str
    state: State
    mounts: Sequence[MountPoint] = ()
    folder: Optional[Path] = None
    address: Optional[str] = None
    load: Optional[float] = None


@dataclass(frozen=True)
class Difference:
    """A size that is not what the configuration says; `key` is cpu, ram (bytes) or disk (bytes)."""

    key: str
    configured: int
    actual: int


@dataclass(frozen=True)
class Capabilities:
    """What differs between engines.

    `own_kernel`: a bug in the kernel of the guest does not reach the host.
    `ends_with_client`: when the host command dies, everything it started inside dies too; otherwise
    `terminate` has to be called.
    `boots`: a VM is started and stopped; otherwise it is there whenever a command needs it.
    `own_system`: what runs inside are programs of the VM, which have to be installed there, and an sshd.
    `sized`: a VM has the processors, the memory and the disk of the configuration.
    `lasting_mounts`: a mount stays until it is removed; otherwise each command gets its mounts anew.
    `pauses_vm`: `pause` stops everything in the VM; otherwise it stops that one run.
    """

    own_kernel: bool
    ends_with_client: bool
    boots: bool = False
    own_system: bool = False
    sized: bool = False
    lasting_mounts: bool = False
    pauses_vm: bool = False


@dataclass(frozen=True)
class GuestCommand:
    """What to run inside: `argv`, `env` (may hold secrets), and the folder to run in (None: the home).

    `run_id` names this run, so that `terminate` can find its processes; letters, digits and hyphens.
    `tty` says that the command gets the terminal of the caller: only when input and output both are one.
    `home` is a home folder of its own, below that of the VM; it is made when it is missing, for its user alone.
    `program` is what has to be installed inside where that is not the first word of `argv`.
    """

    argv: Sequence[str]
    run_id: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Optional[PurePosixPath] = None
    tty: bool = False
    home: Optional[PurePosixPath] = None
    program: Optional[str] = None


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

    def create(self, vm: Vm, user_data: str, *, on_event: OnEvent) -> None:
        """Make the VM, which is ABSENT, and wait until it runs and has finished its first start.

        `user_data` is for cloud-init, and means nothing to an engine without `own_system`. When this fails or
        is interrupted half-way, `inspect` tells how far it came, and `start` goes on from there.
        """
        ...

    def start(self, vm: Vm, *, on_event: OnEvent) -> None:
        """Return once the VM runs. A boot that is under way is waited for, a stuck one begun anew once."""
        ...

    def stop(self, vm: Vm, *, force: bool, on_event: OnEvent) -> None:
        """Return once the VM is stopped; `force` cuts the power and loses what a suspended VM had in memory."""
        ...

    def delete(self, vm: Vm) -> None:
        """Delete the VM and everything in it, whatever its state. An absent one is fine; other VMs stay."""
        ...

    def compare(self, vm: Vm) -> Sequence[Difference]:
        """Return how the sizes of an existing VM, running or not, differ from the configuration."""
        ...

    def resize(self, vm: Vm, differences: Sequence[Difference]) -> None:
        """Give a stopped VM the configured sizes; a disk that would shrink is refused by the engine."""
        ...

    def run_inside(
        self,
        vm: Vm,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        on_output: Optional[OnOutput] = None,
    ) -> Completed:
        """Run a command in a VM that runs, in its home folder and without a terminal, to its end.

        `on_output` gets what it prints on standard output as soon as it does. When that, or the time that it is
        given, ends the call early, an engine without `ends_with_client` leaves it running inside. Returns what it
        left, whatever its exit code; `argv` can be seen by every user on both sides. Sees no mount where the engine
        has no lasting ones.
        """
        ...

    def check_mount(self, vm: Vm, mount: MountPoint) -> None:
        """Raise `EngineError` when this folder can never be mounted: it is missing, or named in a way that fails.

        Costs no call to the engine.
        """
        ...

    def unmount(self, vm: Vm, target: PurePosixPath) -> bool:
        """Remove a mount and say whether there was one. The folder at `target` stays, empty."""
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

        Raises:
            ProgramNotInside: the program is not installed inside, as far as the engine can tell from outside; else
                the command ends with 127.
        """
        ...

    def terminate(self, vm: Vm, run_id: str) -> None:
        """End whatever the run still has inside. Nothing to end is not an error; never starts a VM."""
        ...

    def pause(self, vm: Vm, process: int) -> None:
        """Stop a run where it stands: nothing of it goes on until `resume`, whatever it has started.

        `process` is the process id of its `HostCommand`.
        """
        ...

    def resume(self, vm: Vm, process: int) -> None:
        """Let go on what `pause` has stopped. A run that has ended meanwhile is fine."""
        ...

    def notice(self, vm: Vm) -> Optional[str]:
        """Return what the user should know about this VM's isolation, the first time only; else None."""
        ...
