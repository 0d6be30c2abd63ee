"""Every tunnel of the configuration, each on its own: what dies is started again, what changes is picked up."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit.background import Background, start_background
from agsekit.config.model import GUEST_HOME, Config, PortForward, Vm
from agsekit.config.watch import POLL_SECONDS, WatchedConfig
from agsekit.engines.base import Engine, State
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.network.backoff import Backoff
from agsekit.network.forwarding import rule_arguments
from agsekit.network.ssh import host_alias, tunnel_arguments
from agsekit.network.tunnel import Look, Status, Tunnel
from agsekit.process import ProgramMissing, Runner

GUEST_USER = GUEST_HOME.name
_FIRST_LOOK, _LONGEST_LOOK = 2.0, 15.0

Key = tuple[str, str, PortForward]


@dataclass(frozen=True)
class Surroundings:
    """What a supervisor works with.

    `engine_of` returns the engine of a VM, `ssh_folder` holds keys and known hosts. `on_status` is called for every
    change of a tunnel, `on_problem` with a sentence about anything else. Only VMs in `only` count, if it is given.
    """

    runner: Runner
    engine_of: Callable[[Vm], Engine]
    ssh_folder: Path
    on_status: Callable[[Status], None]
    on_problem: Callable[[AgsekitError], None]
    only: Optional[str] = None


class Supervisor:
    """Runs until an exception ends it, which a handler of signals may raise at any point; no tunnel is left then."""

    def __init__(self, watched: WatchedConfig, around: Surroundings) -> None:
        self._watched = watched
        self._around = around
        self._tunnels: dict[Key, Tunnel] = {}
        self._places: dict[str, _Place] = {}

    def run(self) -> None:
        """Keep all tunnels up."""
        try:
            self._adopt(self._watched.config)
            while True:
                self._attempt_due()
                self._wait()
                changed, problem = self._watched.refresh()
                if problem:
                    self._around.on_problem(problem)
                if changed:
                    self._adopt(self._watched.config)
        finally:
            self._end()

    def _adopt(self, config: Config) -> None:
        """End the tunnels of rules that are gone, and add those of new ones; the rest is not touched."""
        wanted = {
            (vm.name, vm.engine, rule): None
            for vm in forwarding_vms(config, self._around.engine_of, only=self._around.only)
            for rule in vm.port_forwarding
        }
        for key in [key for key in self._tunnels if key not in wanted]:
            self._tunnels.pop(key).retire()
        self._places = {
            vm.name: _Place(vm, self._around.engine_of(vm)) for vm in config.vms.values() if vm.port_forwarding
        }
        for key in wanted:
            if key not in self._tunnels:
                self._tunnels[key] = Tunnel(key[0], key[2], self._around.on_status)

    def _attempt_due(self) -> None:
        for tunnel in self._tunnels.values():
            now = time.monotonic()
            if tunnel.due is not None and tunnel.due <= now:
                look = self._places[tunnel.vm].look(now)
                tunnel.attempt(look, lambda address, tunnel=tunnel: self._start(tunnel, address), now)  # type: ignore[misc]

    def _start(self, tunnel: Tunnel, address: str) -> Background:
        argv = tunnel_arguments(
            self._around.ssh_folder, host_alias(tunnel.vm), GUEST_USER, address, rule_arguments(tunnel.rule)
        )
        self._around.runner.trace(argv)
        try:
            return start_background(argv, self._around.runner.environment)
        except FileNotFoundError:
            raise ProgramMissing(argv[0]) from None

    def _wait(self) -> None:
        """Wait until a tunnel needs attention, one is due, or the configuration is to be looked at."""
        now = time.monotonic()
        due = [tunnel.due for tunnel in self._tunnels.values() if tunnel.due is not None]
        wait = max(0.0, min([now + POLL_SECONDS, *due]) - now)
        by_descriptor = {each: tunnel for tunnel in self._tunnels.values() for each in tunnel.descriptors}
        ready, _writable, _broken = select.select(list(by_descriptor), [], [], wait)
        for tunnel in {id(by_descriptor[each]): by_descriptor[each] for each in ready}.values():
            if not tunnel.attend(time.monotonic()):
                self._places[tunnel.vm].doubt()

    def _end(self) -> None:
        for tunnel in self._tunnels.values():
            tunnel.ask_to_end()
        for tunnel in self._tunnels.values():
            tunnel.end()
        self._tunnels = {}


def forwarding_vms(config: Config, engine_of: Callable[[Vm], Engine], *, only: Optional[str] = None) -> Iterable[Vm]:
    """Return the VMs with rules that need a tunnel: those with a system, and so an sshd, of their own."""
    return [
        vm
        for vm in config.vms.values()
        if vm.port_forwarding and only in (None, vm.name) and engine_of(vm).capabilities.own_system
    ]


class _Place:
    """Where a VM is. A VM that is down is looked for again and again, more and more rarely."""

    def __init__(self, vm: Vm, engine: Engine) -> None:
        self._vm = vm
        self._engine = engine
        self._backoff = Backoff(first=_FIRST_LOOK, longest=_LONGEST_LOOK)
        self._known: Optional[Look] = None

    def look(self, now: float) -> Look:
        """Return what is known, asking the engine when that has become old."""
        if self._known is None or (self._known.address is None and self._known.next <= now):
            self._known = self._ask(now)
        return self._known

    def doubt(self) -> None:
        """Have the engine asked anew at the next look: a connection broke."""
        if self._known and self._known.address is not None:
            self._known = None

    def _ask(self, now: float) -> Look:
        try:
            instance = self._engine.inspect(self._vm)
        except AgsekitError as error:
            return Look(None, error.message, time.monotonic() + self._backoff.next())
        if instance.state is State.RUNNING and instance.address:
            self._backoff.reset()
            return Look(instance.address)
        reason = _("the state of the VM is {state}").format(state=instance.state.value)
        return Look(None, reason, time.monotonic() + self._backoff.next())
