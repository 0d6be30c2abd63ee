"""The command `status`: how everything of the configuration is doing."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from agsekit.cli import render, value_texts
from agsekit.cli.context import Context
from agsekit.cli.doctor import surroundings
from agsekit.cli.network import status_line
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.shared_options import JsonOption
from agsekit.engines.base import State
from agsekit.i18n import _

_SECONDS = 2.0


@page(
    _("What cannot be asked is said so; the rest is shown. No VM is started."),
    (_("See what runs, and when the last snapshots were taken"), "agsekit status"),
    (_("Keep it on the screen"), "agsekit status --watch"),
)
def status(
    ctx: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help=_("Show it again every two seconds, until it is stopped."))
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how VMs, mounts, agents, tunnels and services are doing."""
    context = context_of(ctx)
    while True:
        document = _look(context)
        if watch and not as_json:
            render.clear_screen()
        if as_json and watch:
            render.print_json_line(document)
        elif as_json:
            render.print_json(document)
        else:
            _show(document, context.home)
        render.flush()
        if not watch:
            return
        time.sleep(_SECONDS)


def _look(context: Context) -> dict[str, Any]:
    from agsekit.overview.status import overview

    config = context.load_config()
    return overview(config, surroundings(context, config), context.runtime_folder)


def _show(document: Mapping[str, Any], home: Path) -> None:
    now = document["time"]
    _block(_("VMs"), [_vm_line(vm) for vm in document["vms"]])
    _block(_("Mounts"), [line for mount in document["mounts"] for line in _mount_lines(mount, now, home)])
    _block(_("Agents"), [_agent_line(agent, now, home) for agent in document["agents"]])
    _block(_("Tunnels"), [render.safe(status_line(tunnel)) for tunnel in document["tunnels"]])
    _block(_("Services"), [_unit_line(unit) for unit in document["units"]])


def _block(title: str, lines: Sequence[str]) -> None:
    if lines:
        render.heading(title)
        for line in lines:
            render.result("  " + line)


def _vm_line(vm: Mapping[str, Any]) -> str:
    parts = [f"{vm['name']} ({vm['engine']}):", vm["problem"] or State(vm["state"]).word]
    if vm["load"] is not None:
        parts.append(_("load {load}").format(load=vm["load"]))
    if vm["differences"]:
        keys = ", ".join(each["key"] for each in vm["differences"])
        parts.append(_("not as configured: {keys}").format(keys=keys))
    return render.safe(" ".join(parts))


def _mount_lines(mount: Mapping[str, Any], now: float, home: Path) -> list[str]:
    place = f"{_short(mount['source'], home)} -> {mount['vm']}:{mount['target']}"
    if mount["mounted"] is not None:
        place += " " + (_("(mounted)") if mount["mounted"] else _("(not mounted)"))
    lines = [place]
    if mount["problem"]:
        lines.append("  " + mount["problem"])
    last = mount["last_snapshot"]
    if last:
        lines.append(
            "  "
            + _("snapshots: {count}, the last {age} ago; size {size}").format(
                count=mount["snapshots"],
                age=value_texts.age(now - last["time"]),
                size=value_texts.size(mount["stored_bytes"]),
            )
        )
    else:
        lines.append("  " + _("no snapshots yet"))
    for run in mount["runs"]:
        age = value_texts.age(now - run["started"])
        lines.append("  " + _("protected by a run of {agent}, for {age}").format(agent=run["agent"], age=age))
    for loop in mount["protectors"]:
        said = _("protected by `{command}`").format(command=loop["command"])
        lines.append("  " + said + (f": {loop['problem']}" if loop["problem"] else ""))
    return [render.safe(line) for line in lines]


def _agent_line(agent: Mapping[str, Any], now: float, home: Path) -> str:
    line = f"{agent['name']} ({agent['type']}):"
    places = [
        _("{version} in {vm}").format(version=each["version"] or _("installed"), vm=each["vm"])
        for each in agent["installed"]
    ]
    runs = [
        _("runs in {folder} for {age}").format(
            folder=_short(run["source"], home), age=value_texts.age(now - run["started"])
        )
        for run in agent["runs"]
    ]
    return render.safe(f"{line} {'; '.join([*places, *(runs or [_('does not run')])])}")


def _unit_line(unit: Mapping[str, Any]) -> str:
    return render.safe(f"{unit['name']}: {unit['problem'] or unit['active'] or '?'}")


def _short(path: str, home: Path) -> str:
    """Return a path the way people write it."""
    try:
        return str("~" / Path(path).relative_to(home))
    except ValueError:
        return path
