"""Commands that bring everything about, and end it: prepare, up, down."""

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Optional

import typer

from agsekit.agent_types import CUSTOM
from agsekit.agents.install import Outcome
from agsekit.agents.install_plan import plan
from agsekit.cli import agent_installation, interactive, render
from agsekit.cli.context import Context
from agsekit.cli.machines import create, stop
from agsekit.cli.mounts import mount_folders
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import teller
from agsekit.cli.shared_options import DryRunOption, YesOption
from agsekit.config.model import Config
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.machines.create import open_access
from agsekit.machines.host import Host, Preparation, needed_programs, plan_preparation, this_host


@page(
    _("It also makes agsekit's own SSH key. Asks before anything runs."),
    (_("See what would be installed, and change nothing"), "agsekit prepare --dry-run"),
    (_("Install it without a question, as in a script"), "agsekit prepare --yes"),
)
def prepare(ctx: typer.Context, dry_run: DryRunOption = False, yes: YesOption = False) -> None:
    """Install what this machine lacks for its VMs, and make agsekit's own SSH key. Asks before anything runs."""
    context = context_of(ctx)
    config = context.load_config() if context.find_config().exists() else None
    prepare_host(context, config, dry_run=dry_run, yes=yes)
    if not dry_run:
        render.say(_("Next: agsekit create-vms") if config else _("Next: agsekit config-gen"))


def prepare_host(context: Context, config: Optional[Config], *, dry_run: bool, yes: bool) -> None:
    """Install what is missing and make the key; says so when there is nothing to do.

    Raises:
        AgsekitError: something is missing still.
    """
    programs = needed_programs(config)
    host = this_host(context.environment, sys.platform)
    plan = plan_preparation(host, programs)
    if not plan.missing:
        render.result(_("Nothing is missing: {programs}.").format(programs=", ".join(programs)))
    else:
        render.say(_("Missing: {programs}").format(programs=", ".join(plan.missing)))
    for obstacle in plan.obstacles:
        render.warn(obstacle)
    if plan.steps:
        _install(context, host, plan, dry_run=dry_run, yes=yes)
    if dry_run:
        return
    _make_key(context)
    left = [program for program in programs if not host.has(program)]
    if left:
        raise AgsekitError(
            _("Still missing: {programs}").format(programs=", ".join(left)),
            hint=" ".join(plan.obstacles) or _("see what the commands above said"),
        )


def _install(context: Context, host: Host, plan: Preparation, *, dry_run: bool, yes: bool) -> None:
    may_ask = not context.non_interactive and sys.stdin.isatty()
    commands = [step.on(host, ask=may_ask) for step in plan.steps]
    render.say(_("These commands would be run:") if dry_run else _("These commands are run:"))
    for command in commands:
        render.say("  " + render.shell_line(command))
    if dry_run:
        return
    interactive.confirm(context, _("Run them?"), yes=yes, flag="--yes")
    runner = context.runner()
    for command in commands:
        code = runner.show(command)
        if code:
            raise AgsekitError(
                _("{command} failed with the exit code {code}").format(command=shlex.join(command), code=code),
                hint=_("run it yourself, then `agsekit prepare` again"),
            )


def _make_key(context: Context) -> None:
    access = open_access(context.ssh_folder, context.runner(), on_event=teller(context))
    render.result(_("The SSH key for the VMs: {path}").format(path=render.safe(str(access.key.private))))


@page(
    _("This machine, VMs, mounts, agents, services: only what is missing. Repeatable."),
    (_("Bring everything about"), "agsekit up"),
    (_("See what is missing"), "agsekit up --dry-run"),
)
def up(ctx: typer.Context, dry_run: DryRunOption = False, yes: YesOption = False) -> None:
    """Bring everything of the configuration about, as far as it is missing."""
    context = context_of(ctx)
    config = context.load_config()
    with render.stage(_("This machine")):
        prepare_host(context, config, dry_run=dry_run, yes=yes)
    with render.stage(_("VMs")):
        create(context, list(config.vms.values()), start=True, dry_run=dry_run, yes=yes, goes_on=True)
    if config.mounts:
        with render.stage(_("Mounts")):
            _bring_up_mounts(context, config, dry_run=dry_run)
    installed = _install_agents(context, config, dry_run=dry_run)
    _bring_up_services(ctx, config, dry_run=dry_run)
    agent_installation.finish(installed)


def _install_agents(context: Context, config: Config, *, dry_run: bool) -> Sequence[Outcome]:
    """See to the agents that are missing; one that cannot be had keeps nothing else from being brought up."""
    orders = plan(config, list(config.agents.values()))
    if not orders:
        return ()
    with render.stage(_("Agents")):
        if dry_run:
            for order in orders:
                if order.type.name == CUSTOM and not order.agent.install:
                    continue  # nothing here installs it
                sentence = _("{agent} would be installed in VM {vm}, unless it is there.")
                render.result(sentence.format(agent=order.name, vm=order.vm.name))
            return ()
        outcomes = agent_installation.carry_out(context, orders)
        agent_installation.show(outcomes)
    return outcomes


def _bring_up_mounts(context: Context, config: Config, *, dry_run: bool) -> None:
    if not dry_run:
        mount_folders(context, config.mounts)
        return
    for mount in config.mounts:
        source = render.safe(str(mount.source))
        render.result(_("{source} would be mounted in VM {name}.").format(source=source, name=mount.vm))


def _bring_up_services(ctx: typer.Context, config: Config, *, dry_run: bool) -> None:
    """See to the tunnels; where no services can be had, the rest is of use all the same."""
    if not any(vm.port_forwarding for vm in config.vms.values()):
        return
    from agsekit.cli import services

    with render.stage(_("Services")):
        try:
            services.bring_up(ctx, dry_run=dry_run)
        except AgsekitError as error:
            hint = error.hint or _("start `agsekit portforward` some other way")
            render.warn(render.safe(f"{error.message}; {hint}"))


@page(
    _("They stay, with all that is in them."),
    (_("Stop everything"), "agsekit down"),
)
def down(
    ctx: typer.Context,
    dry_run: DryRunOption = False,
    force: Annotated[bool, typer.Option("--force", help=_("Cut the power of VMs that do not stop."))] = False,
) -> None:
    """Stop the services and all VMs of the configuration. They stay, with all that is in them."""
    from agsekit.cli import services

    context = context_of(ctx)
    vms = list(context.load_config().vms.values())
    # First of all: a tunnel would wait for its VM, which is about to go.
    try:
        services.bring_down(context, dry_run=dry_run)
    except AgsekitError as error:
        render.warn(render.safe(error.message))
    if dry_run:
        for vm in vms:
            render.result(_("VM {name} would be stopped.").format(name=vm.name))
        return
    stop(context, vms, force=force)
