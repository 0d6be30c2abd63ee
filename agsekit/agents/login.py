"""Logging an agent in: inside its VM, with the browser of this machine."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.agent_types import CUSTOM, Login, agent_types
from agsekit.agents.environment import resolve_environment
from agsekit.agents.login_page import PageFinder, browser_command, is_known_page
from agsekit.agents.programs import program_of
from agsekit.agents.run import NOT_FOUND, new_run_id, own_home, refuse_missing_program
from agsekit.config.allowed import refuse_forbidden
from agsekit.config.model import Agent, Config, Vm
from agsekit.config.select import agent_named, vm_for_run
from agsekit.engines.base import Engine, GuestCommand
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.network.callback import CallbackPorts
from agsekit.network.proxychains import choose_proxy, through_proxy
from agsekit.process import ProgramMissing, Runner
from agsekit.terminal import run_foreground

OPEN_KEY = b"\x0f"  # ^O: no text that is typed or pasted holds it
_SETTLING = 0.3  # seconds for an address that is printed in pieces
_AGAIN, _MOST_OFTEN = 0.05, 20
_BASELINE = 10.0
_MOST_PAGES = 20


@dataclass(frozen=True)
class LoginPlan:
    """What logs an agent in, and the hosts of the pages it may send people to."""

    agent: Agent
    vm: Vm
    hosts: Sequence[str]
    command: GuestCommand


def plan_login(
    config: Config,
    name: str,
    runner: Runner,
    *,
    vm: Optional[str],
    arguments: Sequence[str] = (),
    tty: bool,
    on_warning: Callable[[str], None],
) -> LoginPlan:
    """Find the agent, its VM, and its way to log in; `arguments` take the place of those of its type.

    Raises:
        NotFoundError: the configuration has no such agent or VM.
        AgsekitError: it has no login, is not allowed there, or a value of its environment cannot be had.
    """
    agent = agent_named(config, name)
    machine = vm_for_run(config, requested=vm, mount=None, agent=agent)
    refuse_forbidden(config, agent, machine, None)
    login = _login_of(agent)
    env = resolve_environment(agent.env, runner, on_warning=on_warning)
    program = program_of(agent)
    argv = [*program, *(arguments or login.arguments)]
    proxied = through_proxy(argv, env, choose_proxy(None, agent, machine))
    command = GuestCommand(
        proxied.argv, new_run_id(), proxied.env, None, tty, home=own_home(agent), program=program[0]
    )
    return LoginPlan(agent, machine, login.hosts, command)


def _login_of(agent: Agent) -> Login:
    agent_type = agent_types()[agent.type]
    if agent_type.login is not None:
        return agent_type.login
    if agent.type == CUSTOM:
        return Login()
    raise AgsekitError(
        _("{title} has no login: it takes keys").format(title=agent_type.title),
        hint=_("put one of these into `env` of the agent: {names}").format(names=", ".join(agent_type.keys)),
    )


@dataclass(frozen=True)
class Browser:
    """How pages are opened: by `runner`, those of `hosts` unasked; with `wanted` False they are only named."""

    runner: Runner
    hosts: Sequence[str]
    wanted: bool = True


class LoginCompanion:
    """Goes on beside a login: forwards the port it waits on, and opens the page it names.

    `ports` is None where the VM shares the network of this machine, or cannot be reached.
    """

    def __init__(self, browser: Browser, ports: Optional[CallbackPorts], *, columns: int) -> None:
        self._browser = browser
        self._ports = ports
        self._finder = PageFinder(columns)
        self._look_at: Optional[float] = None
        self._named = 0
        self._postponed = 0
        self._opened = False
        self._offered: Optional[str] = None
        self._asked_for: Optional[str] = None

    @property
    def descriptors(self) -> Sequence[int]:
        """What to wait for."""
        return self._ports.descriptors if self._ports else ()

    @property
    def due(self) -> Optional[float]:
        """When to attend it at the latest."""
        moments = [self._look_at, self._ports.due if self._ports else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def see_output(self, data: bytes) -> None:
        """Take note of what the program prints."""
        self._finder.feed(data)
        if self._look_at is None:
            self._look_at = time.monotonic() + _SETTLING

    def see_keys(self, data: bytes) -> bytes:
        """Open the page that was offered at ^O; all other keys are the program's."""
        if self._offered is None or OPEN_KEY not in data:
            return data
        self._asked_for = self._offered
        self._look_at = time.monotonic()
        return data.replace(OPEN_KEY, b"")

    def attend(self) -> str:
        """Do what there is to do, and return the lines for the user."""
        said = list(self._ports.attend()) if self._ports else []
        if self._look_at is not None and self._look_at <= time.monotonic():
            # Not into the middle of a control sequence, unless that never ends.
            self._postponed = self._postponed + 1 if self._finder.in_the_middle else 0
            self._look_at = time.monotonic() + _AGAIN if 0 < self._postponed < _MOST_OFTEN else None
            if self._asked_for:
                said.append(self._open(self._asked_for))
                self._asked_for = None
            if self._look_at is None:
                pages = self._finder.found()[: _MOST_PAGES - self._named]
                self._named += len(pages)
                said += [self._offer(page) for page in pages]
        return "".join(f"\nagsekit: {line}\n" for line in said)

    def _offer(self, page: str) -> str:
        command = browser_command(page, self._browser.runner.environment, sys.platform)
        if not self._browser.wanted or command is None:
            return _("open this page in your browser: {page}").format(page=page)
        if is_known_page(page, self._browser.hosts) and not self._opened:
            self._opened = True  # once: a login has one page, and a browser is no toy for what runs in a VM
            return self._open(page)
        self._offered = page
        return _("^O opens this page in your browser: {page}").format(page=page)

    def _open(self, page: str) -> str:
        command = browser_command(page, self._browser.runner.environment, sys.platform)
        try:
            if command is not None:
                self._browser.runner.let_go(command)
                return _("opening in your browser: {page}").format(page=page)
        except (ProgramMissing, OSError):
            pass
        return _("open this page in your browser: {page}").format(page=page)


def log_in(
    plan: LoginPlan,
    engine: Engine,
    browser: Browser,
    ports: Optional[CallbackPorts],
    *,
    on_started: Callable[[Sequence[str]], None],
) -> int:
    """Run the login on the user's terminal, in a VM that is ready, and return its exit code; then end `ports`.

    Raises:
        ProgramNotInside: the agent is not installed in the VM.
    """
    companion = LoginCompanion(browser, ports, columns=_columns())
    try:
        if ports:
            _wait_for_baseline(ports)
        command = engine.command(plan.vm, (), plan.command)
        on_started(command.argv)
        # Also where the engine would share the user's terminal: what is printed has to be seen.
        code = run_foreground(
            dataclasses.replace(command, private_terminal=command.private_terminal or plan.command.tty),
            companion=companion,
        )
        if code == NOT_FOUND:
            refuse_missing_program(plan.vm, engine, plan.command)
        return code
    finally:
        if ports:
            ports.end()
        if not engine.capabilities.ends_with_client:
            try:
                engine.terminate(plan.vm, plan.command.run_id)
            except AgsekitError:
                pass  # the login has ended; that its VM cannot be asked any more is no failure of it


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 80


def _wait_for_baseline(ports: CallbackPorts) -> None:
    """Wait until it is known which ports are open before the login starts."""
    import select

    deadline = time.monotonic() + _BASELINE
    while not ports.knows_before and time.monotonic() < deadline:
        select.select(list(ports.descriptors), [], [], deadline - time.monotonic())
        ports.attend()
