"""The questions of `config-gen`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

from agsekit.agent_types import CUSTOM, AgentType, agent_types
from agsekit.cli import interactive, render
from agsekit.cli.candidates import Candidate
from agsekit.cli.context import Context
from agsekit.cli.mount_questions import ask_for_mount
from agsekit.config import address_fields, fields, folder_fields, number_fields
from agsekit.config.compose import NewAgent, NewVm, Plan, Reference, Secret, Value, compose
from agsekit.config.edit import entry_of
from agsekit.config.load import parse_config
from agsekit.config.model import Config
from agsekit.config.problems import Problems
from agsekit.errors import UsageError
from agsekit.i18n import _
from agsekit.machines.engines_here import EngineHere
from agsekit.machines.new_mount import mount_of

_SIZES = (
    ("cpu", "2", number_fields.parse_cpu),
    ("ram", "4G", number_fields.parse_ram),
    ("disk", "20G", number_fields.parse_disk),
)


def ask_for_vms(plan: Plan, engines: Sequence[EngineHere], *, proxy: Optional[str]) -> Plan:
    """Ask for VMs until there are enough; those of the plan count."""
    while not plan.vms or interactive.agree(_("Another VM?")):
        plan = replace(plan, vms=[*plan.vms, _ask_for_vm(plan, engines, proxy)])
    return plan


def _ask_for_vm(plan: Plan, engines: Sequence[EngineHere], proxy: Optional[str]) -> NewVm:
    taken = [vm.name for vm in plan.vms]
    name = interactive.ask_checked(
        _("What is the VM called?"),
        flag="--vm",
        default="agent" if not taken else "",
        check=lambda text: _new_name(fields.parse_vm_name(text), taken),
    )
    for engine in engines:
        render.say(f"  {engine.name}: {render.safe(engine.note)}")
    engine_name = interactive.select(
        _("What isolates it?"), [Candidate(each.name) for each in engines], flag="--engine"
    )
    if proxy is None:
        proxy = interactive.ask_checked(
            _("Send commands through a proxy? scheme://host:port, or nothing"),
            flag="--proxychains",
            check=check_proxy,
        )
    if engine_name != "multipass":
        return NewVm(name, engine_name, proxy=proxy)
    sizes = {key: interactive.ask_checked(key, flag="", default=usual, check=parse) for key, usual, parse in _SIZES}
    return NewVm(name, engine_name, sizes, proxy, _ask_for_forwards())


def check_proxy(text: str) -> None:
    """Refuse what is neither a proxy nor nothing."""
    if text:
        address_fields.parse_proxy(text)


def _new_name(name: str, taken: Sequence[str]) -> None:
    if name in taken:
        raise UsageError(_("there is one of that name already"))


def _ask_for_forwards() -> Sequence[dict[str, str]]:
    kinds = [
        Candidate("local", _("see a server of the VM on this machine")),
        Candidate("remote", _("reach a service of this machine from the VM")),
        Candidate("socks5", _("a proxy in the VM that leads into the network of this machine")),
    ]
    forwards: list[dict[str, str]] = []
    while interactive.agree(_("Forward a port?") if not forwards else _("Forward another port?")):
        kind = interactive.select(_("In which direction?"), kinds, flag="")
        forward = {"type": kind}
        sides = {
            "host-addr": _("On this machine, host:port or a port"),
            "vm-addr": _("In the VM, host:port or a port"),
        }
        for key, question in sides.items():
            if (kind, key) != ("socks5", "host-addr"):
                forward[key] = interactive.ask_checked(question, flag="", check=address_fields.parse_address)
        forwards.append(forward)
    return forwards


def ask_for_mounts(context: Context, plan: Plan, path: Path) -> Plan:
    """Ask for project folders until there are enough."""
    question = _("Add a project folder?")
    while interactive.agree(question, flag="--mount", default=not plan.mounts):
        config = read_plan(plan, path, home=context.home)
        mount = mount_of(ask_for_mount(context, config, None), config, home=context.home)
        plan = replace(plan, mounts=[*plan.mounts, entry_of(mount, first_vm=config.first_vm.name)])
        question = _("Add another one?")
    return plan


def read_plan(plan: Plan, path: Path, *, home: Path) -> Config:
    """Return the configuration that a plan would make."""
    return parse_config(compose(plan).encode(), Problems(path), home=home)


def ask_for_agents(context: Context, plan: Plan) -> Plan:
    """Ask for agents until there are enough."""
    question = _("Add an agent?")
    while interactive.agree(question, flag="--agent", default=not plan.agents):
        plan = replace(plan, agents=[*plan.agents, _ask_for_agent(context, plan)])
        question = _("Add another one?")
    return plan


def _ask_for_agent(context: Context, plan: Plan) -> NewAgent:
    found = [Candidate(each.name, each.title) for each in agent_types().values()]
    kind = agent_types()[interactive.select(_("Which agent?"), found, flag="--agent")]
    taken = [agent.name for agent in plan.agents]
    name = interactive.ask_checked(
        _("What is it called in commands?"),
        flag="",
        default="" if kind.name in taken or kind.name == CUSTOM else kind.name,
        check=lambda text: _new_name(fields.parse_agent_name(text), taken),
    )
    command: Sequence[str] = ()
    if kind.name == CUSTOM:
        command = [interactive.ask_checked(_("Which program does it run?"), flag="", check=_program)]
    agent = NewAgent(name, kind.name, _ask_for_keys(context, kind), command=command, vm=_ask_for_vm_of_agent(plan))
    off = kind.approvals_off
    if (off.arguments or off.environment) and interactive.agree(
        _("Let it work without asking? It is isolated, and snapshots are taken"), default=True
    ):
        agent = unasked(agent, kind)
    return agent


def unasked(agent: NewAgent, kind: AgentType) -> NewAgent:
    """Return the agent as one that acts without asking for approval."""
    off = kind.approvals_off
    return replace(agent, default_args=[*off.arguments], env={**agent.env, **off.environment})


def _program(text: str) -> None:
    if not fields.parse_argument(text).strip():
        raise UsageError(_("name a program"))


def _ask_for_vm_of_agent(plan: Plan) -> Optional[str]:
    if len(plan.vms) < 2:
        return None
    found = [Candidate(vm.name, vm.engine) for vm in plan.vms]
    return interactive.select(_("In which VM, for folders that are no mount?"), found, flag="")


def _ask_for_keys(context: Context, kind: AgentType) -> dict[str, Value]:
    """Ask where each variable that the agent takes its keys from gets its value."""
    env: dict[str, Value] = {}
    for name in kind.keys:
        is_set = bool(context.environment.get(name))
        leave = Candidate(_("leave it out"), _("or log in inside the VM"))
        host = Candidate(_("from my environment"), _("{name} is set there now").format(name=name) if is_set else "")
        file = Candidate(_("from a file"), _("read when the agent starts"))
        typed = Candidate(_("type it in"), _("it is kept in the configuration"))
        order = [host, leave, file, typed] if is_set else [leave, host, file, typed]
        way = interactive.select(_("Where does {name} come from?").format(name=name), order, flag="")
        if way == host.value:
            env[name] = Reference("env", name)
        elif way == file.value:
            check: Callable[[str], object] = lambda text: folder_fields.parse_host_folder(text, home=context.home)  # noqa: E731
            env[name] = Reference("file", interactive.ask_checked(_("Which file?"), flag="", check=check))
        elif way == typed.value:
            env[name] = Secret(interactive.ask_secret(_("What is {name}? (not shown)").format(name=name)))
    return env
