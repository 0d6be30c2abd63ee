"""The wizard that writes a configuration."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.agent_types import CUSTOM, agent_types, find_agent_type
from agsekit.cli import interactive, render, wizard
from agsekit.cli.context import Context
from agsekit.cli.mount_questions import wish_of
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import engines_of
from agsekit.cli.shared_options import YesOption
from agsekit.config import fields
from agsekit.config.compose import NewAgent, NewVm, Plan, Reference, compose
from agsekit.config.edit import entry_of
from agsekit.config.example import create
from agsekit.config.fields import InvalidValueError
from agsekit.config.rewrite import read_draft, replace_config
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit.machines.engines_here import EngineHere, engines_here
from agsekit.machines.new_mount import check_new_mount, mount_of


@page(
    _(
        "It asks for VMs, project folders and agents, shows the result, and writes it after a yes. What options say "
        "is not asked for; with --yes nothing is, and what no option says has its default."
    ),
    (_("Be asked"), "agsekit config-gen"),
    (_("Answer nothing"), "agsekit config-gen --engine bubblewrap --mount ~/project --agent qwen --yes"),
)
def config_gen(
    ctx: typer.Context,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help=_("Replace an existing configuration; a copy of it is kept."))
    ] = False,
    vm: Annotated[Optional[str], typer.Option("--vm", metavar="VM", help=_("The name of the VM."))] = None,
    engine: Annotated[
        Optional[str], typer.Option("--engine", metavar="ENGINE", help=_("What isolates: multipass or bubblewrap."))
    ] = None,
    proxychains: Annotated[
        Optional[str],
        typer.Option("--proxychains", metavar="URL", help=_("A proxy for the VM, as scheme://host:port.")),
    ] = None,
    mount: Annotated[
        Optional[list[str]],
        typer.Option("--mount", metavar="FOLDER", help=_("A project folder; may be given several times.")),
    ] = None,
    agent: Annotated[
        Optional[list[str]],
        typer.Option("--agent", metavar="TYPE", help=_("A type of agent; may be given several times.")),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Ask for VMs, project folders and agents, and write a configuration."""
    context = context_of(ctx)
    path = Path(os.path.realpath(context.find_config()))
    _refuse_existing(path, overwrite=overwrite)
    if not yes and not context.may_ask():
        raise UsageError(
            _("nobody can be asked here"),
            hint=_(
                "say what you want: agsekit config-gen --mount FOLDER --agent TYPE --yes; or write an example to "
                "edit: agsekit config-example"
            ),
        )
    engines = engines_here(context.runner())
    ask = not yes
    plan = _vms(vm, engine, proxychains, engines, ask=ask)
    plan = _mounts(context, plan, path, mount or (), ask=ask)
    plan = _agents(context, plan, agent or (), ask=ask)
    config = wizard.read_plan(plan, path, home=context.home)
    if ask or not context.quiet:
        render.say(_("This is written to {path}:").format(path=render.safe(str(path))) + "\n")
        for line in compose(plan, hide=True).splitlines():
            render.say(f"  {render.safe(line)}".rstrip())
        render.say()
    if ask and not interactive.agree(_("Write it?"), flag="--yes", default=True):
        raise typer.Abort
    _write(context, path, compose(plan).encode(), overwrite=overwrite)
    for each in config.warnings:
        render.warn(render.safe(each))
    if not context.quiet:
        render.say(_("Next: {command}").format(command=render.shell_line(["agsekit", "up"])))


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if os.path.lexists(path) and not overwrite:
        raise AgsekitError(
            _("There is a configuration at {path} already; it was left alone").format(path=path),
            hint=_("replace it with --overwrite, write another with --config FILE, or edit it: agsekit config edit"),
        )


def _vms(
    name: Optional[str], engine: Optional[str], proxy: Optional[str], engines: Sequence[EngineHere], *, ask: bool
) -> Plan:
    """Return a plan with VMs, asked for unless the options say enough of them."""
    for flag, value, check in (
        ("--proxychains", proxy, wizard.check_proxy),
        ("--engine", engine, fields.parse_engine),
        ("--vm", name, fields.parse_vm_name),
    ):
        _check_option(flag, value, check)
    if ask and engine is None and name is None:
        return wizard.ask_for_vms(Plan([]), engines, proxy=proxy)
    if engine is None and not engines[0].works:
        render.warn(f"{engines[0].name}: {render.safe(engines[0].note)}")
    return Plan([NewVm(name or "agent", engine or engines[0].name, proxy=proxy or "")])


def _check_option(flag: str, value: Optional[str], check: Callable[[str], object]) -> None:
    try:
        if value is not None:
            check(value)
    except InvalidValueError as error:
        raise UsageError(f"{flag} {error}", hint=_("agsekit config-gen -h says what is possible")) from None


def _mounts(context: Context, plan: Plan, path: Path, folders: Sequence[str], *, ask: bool) -> Plan:
    for folder in folders:
        config = wizard.read_plan(plan, path, home=context.home)
        mount = mount_of(wish_of(context, [folder], None), config, home=context.home)
        engine = engines_of(context, [config.first_vm])[config.first_vm.name]
        check_new_mount(mount, config, engine, home=context.home)
        plan = replace(plan, mounts=[*plan.mounts, entry_of(mount, first_vm=config.first_vm.name)])
    return wizard.ask_for_mounts(context, plan, path) if ask and not folders else plan


def _agents(context: Context, plan: Plan, types: Sequence[str], *, ask: bool) -> Plan:
    for name in dict.fromkeys(types):
        kind = find_agent_type(name)
        if kind is None or kind.name == CUSTOM:
            raise UsageError(
                _("--agent {name} is no type of agent that can be added in this way").format(name=repr(name)),
                hint=_("there are {names}; for a program of yours edit the configuration").format(
                    names=", ".join(each for each in agent_types() if each != CUSTOM)
                ),
            )
        env = {key: Reference("env", key) for key in kind.keys if context.environment.get(key)}
        plan = replace(plan, agents=[*plan.agents, wizard.unasked(NewAgent(name, kind.name, env), kind)])
    return wizard.ask_for_agents(context, plan) if ask and not types else plan


def _write(context: Context, path: Path, data: bytes, *, overwrite: bool) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = create(path, data)
    except OSError as error:
        raise AgsekitError(
            _("{path} cannot be written: {reason}").format(path=path, reason=error.strerror),
            hint=_("give another path: --config FILE"),
        ) from None
    if not written:
        _refuse_existing(path, overwrite=overwrite)
        copy = replace_config(read_draft(path), data, now=time.time(), mode=0o600)
        if not context.quiet:
            render.say(_("A copy of the configuration before is {path}.").format(path=render.safe(str(copy))))
    render.result(_("Wrote {path}.").format(path=render.safe(str(path))))
