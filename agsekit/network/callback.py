"""The port that a login inside a VM waits on, forwarded from this machine for as long as the login lasts.

The program inside opens it on its own loopback, and the browser on this machine is sent to `localhost` at that port.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.background import Background
from agsekit.config.model import Address, PortForward
from agsekit.i18n import _
from agsekit.network.tunnel import Look, Status, Tunnel, TunnelState

LOOK = r"""
user=$(id -u)
while :; do
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v user="$user" '$4 == "0A" && $8 == user { print $2 } END { print "." }' || exit
  sleep 0.3
done
"""
"""For `sh -c` in the VM: prints again and again where its user listens, the way the kernel has it, and a dot."""

Listening = tuple[int, str]
"""A port, and the address of the loopback at which it can be reached."""

_MOST = 8  # ports; what opens more is no login
_LOWEST = 1024
_LOOPBACK_4, _LOOPBACK_6 = "127.0.0.1", "::1"
_ANYWHERE = ("0" * 8, "0" * 32)
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Means:
    """What the ports are watched and forwarded with.

    `watch` starts LOOK in the VM; `forward` starts the ssh of one rule, for the address of the VM.
    """

    vm: str
    address: str
    watch: Callable[[], Background]
    forward: Callable[[PortForward, str], Background]


class CallbackPorts:
    """Forwards every port of the loopback that is opened in a VM after this was made, until `end`.

    `descriptors` and `due` say when `attend` has something to do.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._watching: Optional[Background] = means.watch()
        self._received = b""
        self._before: Optional[frozenset[Listening]] = None
        self._tunnels: dict[int, Tunnel] = {}
        self._said: list[str] = []

    @property
    def descriptors(self) -> Sequence[int]:
        """What to wait for."""
        own = [self._watching.output] if self._watching else []
        return [*own, *(each for tunnel in self._tunnels.values() for each in tunnel.descriptors)]

    @property
    def due(self) -> Optional[float]:
        """When a tunnel is to be tried again."""
        return min((tunnel.due for tunnel in self._tunnels.values() if tunnel.due is not None), default=None)

    @property
    def knows_before(self) -> bool:
        """Whether it is known what was open before."""
        return self._before is not None or self._watching is None

    def attend(self) -> list[str]:
        """Look what is open now, and see to the tunnels; return sentences about what changed."""
        self._look()
        now = time.monotonic()
        for tunnel in self._tunnels.values():
            tunnel.attend(now)
            if tunnel.due is not None and tunnel.due <= now:
                start = functools.partial(self._means.forward, tunnel.rule)
                tunnel.attempt(Look(self._means.address), start, now)
        said, self._said = self._said, []
        return said

    def end(self) -> None:
        """End all of it."""
        for tunnel in self._tunnels.values():
            tunnel.ask_to_end()
        for tunnel in self._tunnels.values():
            tunnel.end()
        self._tunnels = {}
        if self._watching:
            self._watching.end()
            self._watching = None

    def _look(self) -> None:
        if self._watching is None:
            return
        received = self._watching.read(self._watching.output)
        if received == b"":
            self._watching.end()
            self._watching = None
            self._said.append(_("the VM cannot be watched any more: a port that the login opens is not forwarded"))
            return
        *looks, self._received = (self._received + (received or b"")).split(b".\n")
        self._received = self._received[-_LONGEST_LINE:]
        if looks:
            self._adopt(parse_listening(looks[-1].decode("ascii", "replace")))

    def _adopt(self, open_now: frozenset[Listening]) -> None:
        if self._before is None:
            self._before = open_now
            return
        self._before &= open_now  # what was closed and is opened again is new
        for port, tunnel in list(self._tunnels.items()):
            if (port, tunnel.rule.vm_address.host) not in open_now:
                self._tunnels.pop(port).end()
        for port, host in sorted(open_now - self._before):
            if port >= _LOWEST and port not in self._tunnels and len(self._tunnels) < _MOST:
                rule = PortForward("local", Address(host, port), Address("localhost", port))
                self._tunnels[port] = Tunnel(self._means.vm, rule, self._tell)

    def _tell(self, status: Status) -> None:
        port = status.rule.vm_address.port
        if status.state is TunnelState.UP:
            self._said.append(
                _("the login waits at port {port}, which leads into the VM meanwhile").format(port=port)
            )
        elif status.state is TunnelState.DOWN:
            self._said.append(
                _("port {port} cannot be forwarded to the login in the VM: {reason}").format(
                    port=port, reason=status.reason
                )
            )


def parse_listening(text: str) -> frozenset[Listening]:
    """Return what listens where it can be reached through the loopback.

    `text` has an `ADDRESS:PORT` a line, in the hexadecimal form of /proc/net/tcp.
    """
    found = set()
    for line in text.splitlines():
        address, _colon, port = line.strip().partition(":")
        try:
            number, host = int(port, 16), _loopback(address)
        except ValueError:
            continue
        if host is not None:
            found.add((number, host))
    return frozenset(found)


def _loopback(address: str) -> Optional[str]:
    octets = bytes.fromhex(address)
    if address in _ANYWHERE:
        return _LOOPBACK_4
    # Words of four octets, each in the order of the machine; those that agsekit knows are little-endian.
    octets = b"".join(octets[start : start + 4][::-1] for start in range(0, len(octets), 4))
    if len(octets) == 4 or octets[:12] == b"\0" * 10 + b"\xff\xff":
        return ".".join(map(str, octets[-4:])) if octets[-4] == 127 else None
    return _LOOPBACK_6 if octets == b"\0" * 15 + b"\1" else None
