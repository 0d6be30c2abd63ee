"""What agents there are, and where they are installed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

import typer

from agsekit.agents.install import Installed, survey
from agsekit.agents.install_plan import vms_of_agent
from agsekit.cli import render
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import engines_of
from agsekit.cli.shared_options import JsonOption
from agsekit.config.model import Agent, Config, Vm
from agsekit.engines.base import Engine, State
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.machines.parallel import for_each

_SECONDS = 15.0


@dataclass(frozen=True)
class _Look:
    """What one VM told: `found` is None when it does not run."""

    state: State
    found: Optional[Mapping[str, Installed]] = None


@page(
    _("Only VMs that run are asked. An agent is listed for the VMs that it is meant for or installed in."),
    (_("For scripts"), "agsekit agents list --json"),
)
def list_agents(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the agents of the configuration, and where which version is installed."""
    context = context_of(ctx)
    config = context.load_config()
    looks = _look(context, config)
    places = [
        (agent, vm)
        for agent in config.agents.values()
        for vm in config.vms.values()
        if vm in vms_of_agent(config, agent) or _is_installed(agent, looks[vm.name])
    ]
    if as_json:
        render.print_json({"agents": [_entry(agent, places, looks) for agent in config.agents.values()]})
        return
    if not config.agents:
        render.say(_("The configuration has no agents."))
    else:
        titles = (_("AGENT"), _("TYPE"), _("VM"), _("VERSION"), _("PATH"))
        rows = [_row(agent, vm, looks[vm.name]) for agent, vm in places]
        render.table([(title, "left") for title in titles], rows, spare=(4,))
    for name, look in looks.items():
        if isinstance(look, AgsekitError):
            render.warn(render.safe(f"{name}: {look.message}"))


def _look(context: Context, config: Config) -> Mapping[str, Union[_Look, AgsekitError]]:
    """Ask the VMs, all at once; one that does not answer keeps nobody from hearing of the others."""
    vms = list(config.vms.values()) if config.agents else []
    engines = engines_of(context, vms)

    def work(vm: Vm) -> _Look:
        engine: Engine = engines[vm.name]
        state = engine.inspect(vm).state
        if state is not State.RUNNING:
            return _Look(state)
        return _Look(state, survey(engine, vm, list(config.agents.values()), timeout=_SECONDS))

    outcomes = for_each(vms, work, AgsekitError)
    return {vm.name: each for vm, each in zip(vms, outcomes) if isinstance(each, (_Look, AgsekitError))}


def _is_installed(agent: Agent, look: Union[_Look, AgsekitError]) -> bool:
    return isinstance(look, _Look) and look.found is not None and agent.name in look.found


def _row(agent: Agent, vm: Vm, look: Union[_Look, AgsekitError]) -> list[str]:
    version, path = _("not known"), ""
    if isinstance(look, _Look):
        version = _("not known ({state})").format(state=look.state.value)
        if look.found is not None:
            installed = look.found.get(agent.name)
            version = (installed.version or _("installed")) if installed else _("not installed")
            path = render.safe(installed.path) if installed else ""
    return [agent.name, agent.type, vm.name, version, path]


def _entry(
    agent: Agent, places: Sequence[tuple[Agent, Vm]], looks: Mapping[str, Union[_Look, AgsekitError]]
) -> dict[str, Any]:
    return {
        "name": agent.name,
        "type": agent.type,
        "vms": [_place(agent, vm, looks[vm.name]) for each, vm in places if each.name == agent.name],
    }


def _place(agent: Agent, vm: Vm, look: Union[_Look, AgsekitError]) -> dict[str, Any]:
    entry: dict[str, Any] = {"vm": vm.name, "state": None, "installed": None, "version": None, "path": None}
    if isinstance(look, AgsekitError):
        return {**entry, "error": look.message}
    installed = look.found.get(agent.name) if look.found is not None else None
    return {
        **entry,
        "state": look.state.value,
        "installed": None if look.found is None else installed is not None,
        "version": installed.version if installed else None,
        "path": installed.path if installed else None,
        "error": None,
    }
