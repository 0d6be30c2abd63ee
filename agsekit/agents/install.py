"""Installing agents: what is there, what has to be done, and doing it, one after the other in a VM."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from agsekit.agent_types import CUSTOM
from agsekit.agents import scripts
from agsekit.agents.environment import resolve_environment
from agsekit.agents.install_log import InstallLog
from agsekit.agents.install_plan import LATEST, Order
from agsekit.agents.programs import program_of
from agsekit.config.model import Agent, Proxy, Vm
from agsekit.engines.base import Engine
from agsekit.errors import AgsekitError, EngineError
from agsekit.i18n import _
from agsekit.network.proxychains import choose_proxy
from agsekit.process import Runner

_PROBE_SECONDS = 30.0
_FOUND = re.compile(r"(?P<name>[A-Za-z0-9_-]+)\t(?P<version>[0-9A-Za-z.+_-]*)\t(?P<path>/[^\t]*)")
_DONE = re.compile(r"agsekit-installed \S+ (?P<version>[0-9A-Za-z.+_-]+) (?P<path>/.*)")


@dataclass(frozen=True)
class Installed:
    """A program that is there inside; `version` is None when it is not known."""

    version: Optional[str]
    path: str


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    `result` is `installed`, `upgraded` (or another version than before), `unchanged`, `manual` (a custom agent that
    is missing and that nothing is configured to install), or `failed`, with the `error`. `log` holds all output.
    """

    order: Order
    result: str
    version: Optional[str] = None
    before: Optional[str] = None
    path: Optional[str] = None
    log: Optional[Path] = None
    seconds: float = 0.0
    error: Optional[AgsekitError] = None
    withheld: Sequence[str] = ()


@dataclass(frozen=True)
class Settings:
    """How to install: `proxy` is what `--proxychains` says; `environment` and `home` are those of this machine."""

    environment: Mapping[str, str] = field(repr=False)
    home: Path
    log_folder: Path
    proxy: Optional[str] = None
    upgrade: bool = False


@dataclass(frozen=True)
class Hooks:
    """How an installation reports: each order when it begins and ends, and each line of output; from any thread."""

    on_begin: Callable[[Order], None] = lambda order: None
    on_line: Callable[[Vm, str], None] = lambda vm, line: None
    on_end: Callable[[Outcome], None] = lambda outcome: None


def find_installed(engine: Engine, vm: Vm, agent: Agent) -> Optional[Installed]:
    """Return what is installed of an agent in a VM that runs; None when it is not. Costs one call to the engine."""
    return survey(engine, vm, [agent]).get(agent.name)


def survey(
    engine: Engine, vm: Vm, agents: Sequence[Agent], *, timeout: float = _PROBE_SECONDS
) -> Mapping[str, Installed]:
    """Return what is installed of some agents in a VM that runs, by the name of the profile, in one call.

    Raises:
        EngineError: the VM cannot be asked.
    """
    words = [word for agent in agents for word in (agent.name, agent.type, program_of(agent)[0])]
    done = engine.run_inside(vm, ["bash", "-c", scripts.PROBE, "agsekit", *words], timeout=timeout)
    if done.returncode:
        raise EngineError(
            _("VM {name} did not tell what is installed in it").format(name=vm.name),
            hint=_("Look into it with `agsekit shell {name}`").format(name=vm.name),
            details=done.error_text,
        )
    found = filter(None, (_FOUND.fullmatch(line) for line in done.text.splitlines()))
    return {match["name"]: Installed(match["version"] or None, match["path"]) for match in found}


class Installation:
    """Installs agents in VMs; `install` may run in several threads, one for each VM."""

    def __init__(self, engines: Mapping[str, Engine], settings: Settings, hooks: Hooks) -> None:
        self._engines = engines
        self._settings = settings
        self._hooks = hooks
        self._running: dict[str, tuple[Vm, str]] = {}

    def install(self, orders: Sequence[Order]) -> Sequence[Outcome]:
        """Carry out the orders of one VM, one after the other; one that fails does not stop the next."""
        vm = orders[0].vm
        engine = self._engines[vm.name]
        try:
            engine.make_ready(vm, (), on_event=lambda text: self._hooks.on_line(vm, text))
            found = survey(engine, vm, [order.agent for order in orders])
        except AgsekitError as error:
            outcomes = [Outcome(order, "failed", error=error) for order in orders]
            for outcome in outcomes:
                self._hooks.on_end(outcome)
            return outcomes
        return [self._carry_out(engine, order, found.get(order.agent.name)) for order in orders]

    def end_all(self) -> None:
        """End what still runs inside after the user has given up; on other engines it ended with its client."""
        for vm in [vm for vm, _run_id in self._running.values()]:
            self._end(vm)

    def _end(self, vm: Vm) -> None:
        _vm, run_id = self._running.pop(vm.name)
        if not self._engines[vm.name].capabilities.ends_with_client:
            try:
                self._engines[vm.name].terminate(vm, run_id)
            except AgsekitError:
                pass  # the VM cannot be asked; what failed before is the news

    def _carry_out(self, engine: Engine, order: Order, found: Optional[Installed]) -> Outcome:
        outcome = _settled(order, found, upgrade=self._settings.upgrade)
        if outcome is None:
            self._hooks.on_begin(order)
            began = time.monotonic()
            outcome = self._attempt(engine, order, found)
            outcome = replace(outcome, seconds=time.monotonic() - began)
        self._hooks.on_end(outcome)
        return outcome

    def _attempt(self, engine: Engine, order: Order, found: Optional[Installed]) -> Outcome:
        vm, agent, settings = order.vm, order.agent, self._settings
        before = found.version if found else None
        run_id = f"install-{secrets.token_hex(4)}"
        path = settings.log_folder / f"{vm.name}-{order.name}.log"
        try:
            proxy: Optional[Proxy] = choose_proxy(settings.proxy, agent, vm)
            own = resolve_environment(
                {name: value for name, value in agent.env.items() if scripts.is_about_the_network(name)},
                Runner(settings.environment),
                on_warning=lambda text: self._hooks.on_line(vm, text),
            )
            network = scripts.network_settings(
                settings.environment, own, own_network=engine.capabilities.own_system, proxy=proxy
            )
            sent = scripts.installation(
                agent,
                order.type,
                order.wanted,
                environment={**network.variables, "AGSEKIT_RUN_ID": run_id},
                proxy=proxy,
                home=settings.home,
            )
            with InstallLog(path, lambda line: self._hooks.on_line(vm, line)) as log:
                log.note(f"{order.type.name} {order.wanted}, VM {vm.name}")
                code = self._run(engine, vm, run_id, sent, 60.0 * order.type.minutes, log)
        except AgsekitError as error:
            return Outcome(order, "failed", before=before, log=path if path.exists() else None, error=error)
        done = _DONE.fullmatch(log.last_line)
        if code or not done:
            failure = _failure(order, log, code, path)
            return Outcome(order, "failed", before=before, log=path, error=failure, withheld=network.withheld)
        version = None if done["version"] == "-" else done["version"]
        result = "installed" if found is None else "unchanged" if version and version == before else "upgraded"
        return Outcome(order, result, version, before, done["path"], path, withheld=network.withheld)

    def _run(self, engine: Engine, vm: Vm, run_id: str, sent: bytes, seconds: float, log: InstallLog) -> int:
        self._running[vm.name] = (vm, run_id)
        try:
            done = engine.run_inside(vm, scripts.RECEIVE, stdin=sent, timeout=seconds, on_output=log.read)
        except AgsekitError:  # above all that its time is over
            self._end(vm)
            raise
        del self._running[vm.name]  # not after ^C: `end_all` has to know of it
        log.note_errors(done.error_text)
        return done.returncode


def _settled(order: Order, found: Optional[Installed], *, upgrade: bool) -> Optional[Outcome]:
    """Return the outcome when nothing has to be done or can be done."""
    if order.type.name == CUSTOM and not order.agent.install:
        if found:
            return Outcome(order, "unchanged", found.version, found.version, found.path)
        return Outcome(order, "manual")
    if found is None:
        return None
    wrong = order.explicit not in (None, LATEST) and found.version != order.explicit
    newer = upgrade and (order.wanted == LATEST or _is_newer(order.wanted, found.version))
    if wrong or newer or (upgrade and order.type.name == CUSTOM):
        return None
    return Outcome(order, "unchanged", found.version, found.version, found.path)


def _is_newer(wanted: str, there: Optional[str]) -> bool:
    """Tell whether a version is newer than the one that is there: agents also bring themselves up to date."""
    return there is None or _numbers(wanted) > _numbers(there)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", version.split("-")[0])]


def _failure(order: Order, log: InstallLog, code: int, path: Path) -> AgsekitError:
    return AgsekitError(
        _("{type} could not be installed in VM {vm}: {reason}").format(
            type=order.name,
            vm=order.vm.name,
            reason=log.reason or _("it ended with the exit code {code}").format(code=code),
        ),
        hint=_("all that it said is in {path}").format(path=path),
    )
