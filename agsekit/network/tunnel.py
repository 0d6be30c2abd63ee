"""One rule of port forwarding, and the ssh process that has it in force."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.background import Background
from agsekit.config.model import PortForward
from agsekit.i18n import _
from agsekit.network.backoff import Backoff
from agsekit.network.ssh import TUNNEL_UP

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_SOUND_SECONDS = 60.0  # a tunnel that held so long has earned a quick first attempt
_KEPT = 4096


class TunnelState(enum.Enum):
    """What became of a rule; the words are those of `--json`."""

    WAITING = "waiting"  # for its VM
    UP = "up"
    DOWN = "down"  # an attempt failed, or the connection broke; another attempt follows
    ENDED = "ended"  # the rule is no longer in the configuration


@dataclass(frozen=True)
class Status:
    """A rule of a VM, its state, and the reason when there is one."""

    vm: str
    rule: PortForward
    state: TunnelState
    reason: str = ""


@dataclass(frozen=True)
class Look:
    """What is known of a VM: the address to connect to, or why there is none and when to look again."""

    address: Optional[str]
    reason: str = ""
    next: float = 0.0


class Tunnel:
    """Keeps one rule in force. `due` is when `attempt` is to be called next, None while ssh runs."""

    def __init__(self, vm: str, rule: PortForward, on_status: Callable[[Status], None]) -> None:
        self.vm = vm
        self.rule = rule
        self.due: Optional[float] = 0.0
        self._on_status = on_status
        self._last: Optional[Status] = None
        self._backoff = Backoff(first=_FIRST_WAIT, longest=_LONGEST_WAIT)
        self._process: Optional[Background] = None
        self._up_since: Optional[float] = None
        self._output = b""
        self._errors = b""

    @property
    def descriptors(self) -> Sequence[int]:
        """What to wait for: when one is readable, `attend` has something to do."""
        return (self._process.output, self._process.errors) if self._process else ()

    def attempt(self, look: Look, start: Callable[[str], Background], now: float) -> None:
        """Start ssh when the VM has an address, else wait for it."""
        if look.address is None:
            self._tell(TunnelState.WAITING, look.reason)
            self.due = look.next
            return
        self._output = self._errors = b""
        self._up_since = None
        self._process = start(look.address)
        self.due = None

    def attend(self, now: float) -> bool:
        """Take note of what ssh says, and of its end; return False when it ended."""
        process = self._process
        if process is None:
            return True
        output, errors = process.read(process.output), process.read(process.errors)
        self._errors = (self._errors + (errors or b""))[-_KEPT:]
        if self._up_since is None:
            self._output = (self._output + (output or b""))[-_KEPT:]
            if TUNNEL_UP.encode() in self._output.splitlines():
                self._up_since = now
                self._tell(TunnelState.UP)
        if output != b"" and errors != b"":
            return True
        self._process = None
        self._errors += process.end()
        if self._up_since is not None and now - self._up_since >= _SOUND_SECONDS:
            self._backoff.reset()
        self.due = now + self._backoff.next()
        self._tell(TunnelState.DOWN, explain(self._errors.decode("utf-8", "backslashreplace"), self.vm))
        return False

    def ask_to_end(self) -> None:
        """Begin to end ssh."""
        if self._process:
            self._process.ask_to_end()

    def end(self) -> None:
        """End ssh, for good."""
        process, self._process, self.due = self._process, None, None
        if process:
            process.end()

    def retire(self) -> None:
        """End ssh because the rule is gone, and say so."""
        self.end()
        self._tell(TunnelState.ENDED)

    def _tell(self, state: TunnelState, reason: str = "") -> None:
        status = Status(self.vm, self.rule, state, reason)
        if status != self._last:
            self._last = status
            self._on_status(status)


def explain(errors: str, vm: str) -> str:
    """Return why ssh ended, from what it wrote to standard error."""
    if "Host key verification failed" in errors or "host key is known" in errors:
        return unknown_host_key(vm)
    if "Permission denied (" in errors:
        return _("the VM does not know agsekit's key; `agsekit create-vm {vm}` puts it there").format(vm=vm)
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if not lines:
        return _("the connection was closed")
    telling = [line for line in lines if "forwarding failed" in line or "in use" in line]
    return (telling or lines)[-1]


def unknown_host_key(vm: str) -> str:
    """Return what to say when the host key of a VM is not the one that is known."""
    return _("the host key of the VM is not known, or is another one; `agsekit create-vm {vm}` reads it anew").format(
        vm=vm
    )
