"""Installing agents: which are meant, what is shown meanwhile, and what came of it."""

from collections.abc import Sequence
from typing import Annotated, Any, Optional, Union

import typer

from agsekit.agents.install import Hooks, Installation, Outcome, Settings
from agsekit.agents.install_plan import Order, plan, vms_of_agent
from agsekit.cli import render, value_texts
from agsekit.cli.choice import choose
from agsekit.cli.context import Context
from agsekit.cli.machines import AllVmsOption
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import engines_of
from agsekit.cli.shared_options import JsonOption
from agsekit.cli.tails import Tails
from agsekit.config.allowed import refuse_forbidden
from agsekit.config.model import Agent, Config, Vm
from agsekit.config.select import agent_named, vm_named
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit.machines.parallel import for_each


@page(
    _(
        "Each type once in a VM, however many profiles use it, and several VMs at once. What is there is left, "
        "unless the configuration names another version. Without a VM: where the agent is meant to run."
    ),
    (_("One agent where it is meant to run"), "agsekit install-agents qwen"),
    (_("All of them, and newer versions where there are any"), "agsekit install-agents --all-agents --upgrade"),
)
def install_agents(
    ctx: typer.Context,
    agent: Annotated[
        Optional[str], typer.Argument(metavar="AGENT", help=_("The name of the agent in the configuration."))
    ] = None,
    vm: Annotated[Optional[str], typer.Argument(metavar="VM", help=_("Install it in this VM."))] = None,
    all_vms: AllVmsOption = False,
    all_agents: Annotated[bool, typer.Option("--all-agents", help=_("All agents of the configuration."))] = False,
    proxychains: Annotated[
        Optional[str],
        typer.Option(
            "--proxychains",
            metavar="URL",
            help=_("Download through this proxy (scheme://host:port); empty: through none."),
        ),
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help=_("Replace versions that are older than those that would be installed."))
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Install agents of the configuration in their VMs."""
    context = context_of(ctx)
    config = context.load_config()
    if all_agents and agent is not None:  # with --all-agents the only name is that of the VM
        if vm is not None:
            raise UsageError(_("AGENT and --all-agents exclude each other"), hint=_("leave one of them out"))
        agent, vm = None, agent
    agents = list(config.agents.values()) if all_agents else [_choose_agent(context, config, agent)]
    vms = _chosen_vms(config, vm, every=all_vms)
    orders = plan(config, agents, vms)
    if agents and not orders:
        refuse_forbidden(config, agents[0], (vms or vms_of_agent(config, agents[0]))[0], None)
    outcomes = carry_out(context, orders, proxy=proxychains, upgrade=upgrade)
    show(outcomes, as_json=as_json)
    finish(outcomes, named=not all_agents)


def _choose_agent(context: Context, config: Config, name: Optional[str]) -> Agent:
    if name is None:
        if not config.agents:
            raise UsageError(
                _("The configuration has no agents"),
                hint=_("add one to `agents:` in {path}").format(path=config.path),
            )
        hint = _("name one of these, or give --all-agents: {names}")
        name = choose(context, list(config.agents), _("Which agent?"), hint, flag="AGENT")
    return agent_named(config, name)


def _chosen_vms(config: Config, name: Optional[str], *, every: bool) -> Optional[Sequence[Vm]]:
    if name is not None and every:
        raise UsageError(_("VM and --all-vms exclude each other"), hint=_("leave one of them out"))
    if every:
        return list(config.vms.values())
    return [vm_named(config, name)] if name is not None else None


def carry_out(
    context: Context, orders: Sequence[Order], *, proxy: Optional[str] = None, upgrade: bool = False
) -> Sequence[Outcome]:
    """Install what is missing, several VMs at once, and show how it goes; nothing that fails stops the rest."""
    vms = list({order.vm.name: order.vm for order in orders}.values())
    settings = Settings(context.environment, context.home, context.state_folder / "install", proxy, upgrade)
    with Tails(quiet=context.quiet) as tails:
        hooks = Hooks(
            on_begin=lambda order: tails.begin(
                order.vm.name,
                _("{vm}: installing {agent}").format(
                    vm=order.vm.name, agent=_with(order.name, order.wanted if order.type.script else None)
                ),
            ),
            on_line=lambda vm, line: tails.say(vm.name, line),
            on_end=lambda outcome: tails.end(outcome.order.vm.name, _sentence(outcome)),
        )
        installation = Installation(engines_of(context, vms), settings, hooks)

        def work(vm: Vm) -> Sequence[Outcome]:
            return installation.install([order for order in orders if order.vm.name == vm.name])

        try:
            done = for_each(vms, work, AgsekitError)
        except BaseException:
            installation.end_all()
            raise
    outcomes: list[Outcome] = []
    for each in done:
        if isinstance(each, Exception):
            raise each
        outcomes.extend(each)
    return outcomes


def _sentence(outcome: Outcome) -> str:
    """Return what is said when an installation ends; nothing where there was nothing to do."""
    order = outcome.order
    sentences = {
        "installed": _("{vm}: {agent} is installed ({time})"),
        "upgraded": _("{vm}: {agent} is installed in place of {before} ({time})"),
        "again": _("{vm}: {agent} is installed again ({time})"),
        "failed": _("{vm}: {agent} failed ({time})"),
    }
    kind = "again" if outcome.result == "upgraded" and outcome.before is None else outcome.result
    return sentences.get(kind, "").format(
        vm=order.vm.name,
        agent=_with(order.name, outcome.version),
        before=outcome.before,
        time=value_texts.age(outcome.seconds),
    )


def _with(name: str, version: Optional[str]) -> str:
    return f"{name} {version}" if version else name


def show(outcomes: Sequence[Outcome], *, as_json: bool = False) -> None:
    """Print what came of it: a table, or one document."""
    if as_json:
        render.print_json({"installations": [_entry(outcome) for outcome in outcomes]})
        return
    results = {
        "installed": _("installed"),
        "upgraded": _("upgraded"),
        "unchanged": _("unchanged"),
        "manual": _("not installed"),
        "failed": _("failed"),
    }
    rows = [
        [
            outcome.order.vm.name,
            outcome.order.name,
            outcome.version or outcome.before or "",
            results[outcome.result],
            ", ".join(agent.name for agent in outcome.order.agents),
            render.safe(outcome.path or ""),
        ]
        for outcome in outcomes
    ]
    titles = (_("VM"), _("TYPE"), _("VERSION"), _("RESULT"), _("AGENTS"), _("PATH"))
    render.table([(title, "left") for title in titles], rows, spare=(5, 4))


def _entry(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "vm": outcome.order.vm.name,
        "type": outcome.order.type.name,
        "agents": [agent.name for agent in outcome.order.agents],
        "result": outcome.result,
        "version": outcome.version,
        "before": outcome.before,
        "path": outcome.path,
        "log": str(outcome.log) if outcome.log else None,
        "error": {"message": error.message, "hint": error.hint} if error else None,
    }


def finish(outcomes: Sequence[Outcome], *, named: bool = False) -> None:
    """Explain what is missing still, and end with the code of the first failure.

    With `named` an agent that nothing can install is a failure, too: it was asked for by its name.
    """
    withheld = dict.fromkeys(name for outcome in outcomes for name in outcome.withheld)
    if withheld:
        render.warn(
            _(
                "{names} of this machine was not passed on, because it holds a password; "
                "put it into `env` of the agent if the VM may know it"
            ).format(names=", ".join(withheld))
        )
    errors: list[Union[AgsekitError, UsageError]] = []
    for outcome in outcomes:
        if outcome.error:
            errors.append(outcome.error)
        elif outcome.result == "manual" and not _in_the_folder(outcome.order.agent.command[0]):
            missing = _by_hand(outcome)
            if named:
                errors.append(missing)
            else:
                render.warn(render.safe(f"{missing.message}; {missing.hint}"))
    shown = {(each.message, each.hint): each for each in errors}
    for error in shown.values():
        render.print_error(error.message, error.hint, error.details)
    if errors:
        raise typer.Exit(errors[0].exit_code)


def _in_the_folder(program: str) -> bool:
    """Whether a program is named by a path in the folder that the agent works in, where it is not looked for."""
    return "/" in program and not program.startswith("/")


def _by_hand(outcome: Outcome) -> AgsekitError:
    agent, vm = outcome.order.agent, outcome.order.vm
    return AgsekitError(
        _("{program} of the agent {agent} is not in VM {vm}, and agsekit does not know how to install it").format(
            program=agent.command[0], agent=agent.name, vm=vm.name
        ),
        hint=_("give the agent an `install`, or install it with `agsekit shell {vm}`").format(vm=vm.name),
    )
