"""Commands that reach into a VM: a shell, ssh, and port forwarding."""

import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Annotated, Any, Optional

import typer

from agsekit.cli import render
from agsekit.cli.choice import choose_vm
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import teller
from agsekit.config.model import Config, Vm
from agsekit.config.select import vm_named
from agsekit.config.watch import WatchedConfig
from agsekit.engines.base import Engine, MountPoint
from agsekit.engines.registry import engine_for
from agsekit.errors import AgsekitError, ExitCode, UsageError
from agsekit.i18n import _
from agsekit.machines.wake import wake
from agsekit.network.connect import ssh_into
from agsekit.network.forwarding import address_text, ends, open_to_others
from agsekit.network.noted import Noted
from agsekit.network.shell import TunnelsBeside, open_shell
from agsekit.network.supervisor import Supervisor, Surroundings, forwarding_vms
from agsekit.network.tunnel import Status


@page(
    _("Everything after the VM goes to ssh as it is."),
    (_("Log in"), "agsekit ssh agent"),
    (_("Reach a port of the VM on this machine"), "agsekit ssh agent -N -L 8080:localhost:8080"),
    (_("Run one command"), "agsekit ssh agent uname -a"),
)
def ssh(
    ctx: typer.Context,
    vm: Annotated[str, typer.Argument(metavar="VM", help=_("The name of the VM in the configuration."))],
    ssh_args: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="SSH_ARGS", help=_("Goes to ssh as it is: options, a command."), show_default=False),
    ] = None,
) -> None:
    """Connect to a VM with agsekit's own key. Everything after the VM goes to ssh as it is."""
    context = context_of(ctx)
    try:
        config = context.load_config()
        machine = vm_named(config, vm)
        engine = _engine(context, machine)
        ssh_into(machine, engine, context.ssh_folder, context.runner(), ssh_args or (), on_event=teller(context))
    except (AgsekitError, OSError) as error:
        render.print_failure(error)
        raise typer.Exit(ExitCode.NOT_STARTED) from None


@page(
    _("The forwarding lasts as long as the shell is open."),
    (_("Open a shell in the only VM"), "agsekit shell"),
    (_("Open one in a VM of several"), "agsekit shell agent"),
)
def shell(
    ctx: typer.Context,
    vm: Annotated[
        Optional[str], typer.Argument(metavar="VM", help=_("The name of the VM; not needed if there is one."))
    ] = None,
) -> None:
    """Open a shell in a VM, with its port forwarding for as long as the shell is open."""
    context = context_of(ctx)
    try:
        code = _open_shell(context, context.load_config(), vm)
    except UsageError:
        raise
    except (AgsekitError, OSError) as error:
        render.print_failure(error)
        raise typer.Exit(ExitCode.NOT_STARTED) from None
    raise typer.Exit(code)


def _open_shell(context: Context, config: Config, name: Optional[str]) -> int:
    machine = choose_vm(context, config, name)
    engine, runner, say = _engine(context, machine), context.runner(), teller(context)
    notice = engine.notice(machine)
    if notice:
        say(notice)
    engine.make_ready(machine, (), on_event=say)
    mounts = () if engine.capabilities.lasting_mounts else _mounts_of(config, machine)
    if engine.capabilities.lasting_mounts:
        wake(machine, engine, engine.inspect(machine).mounts, folder=context.runtime_folder / "vms", on_event=say)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    if not machine.port_forwarding:
        return open_shell(machine, engine, mounts, tty=tty, on_started=runner.trace)
    if not engine.capabilities.own_system:
        say(_without_forwarding(machine))
        return open_shell(machine, engine, mounts, tty=tty, on_started=runner.trace)
    with TunnelsBeside(machine, config.path, context.environment) as tunnels:
        _say_statuses(tunnels, tunnels.first_statuses(), say)
        code = open_shell(machine, engine, mounts, tty=tty, on_started=runner.trace)
        _say_statuses(tunnels, tunnels.statuses(), say)
        return code


def _say_statuses(tunnels: TunnelsBeside, statuses: list[dict[str, Any]], say: Any) -> None:
    for line in tunnels.complaints:
        render.say(render.safe(line))
    tunnels.complaints.clear()
    for status in statuses:
        say(status_line(status))


def _mounts_of(config: Config, machine: Vm) -> list[MountPoint]:
    """Return the mounts of a VM whose folders exist: one that is away must not keep the user out."""
    mounts = [mount for mount in config.mounts if mount.vm == machine.name]
    for mount in mounts:
        if not mount.source.is_dir():
            render.warn(
                _("{folder} does not exist, and is not mounted").format(folder=render.safe(str(mount.source)))
            )
    return [MountPoint(mount.source, mount.target) for mount in mounts if mount.source.is_dir()]


# Port forwarding


@page(
    _("Until it is stopped; changes of the configuration are picked up."),
    (_("Keep the tunnels of all VMs up"), "agsekit portforward"),
    (_("Follow those of one VM in a program"), "agsekit portforward --vm agent --json"),
)
def portforward(
    ctx: typer.Context,
    vm: Annotated[Optional[str], typer.Option("--vm", metavar="VM", help=_("Only the rules of this VM."))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print one JSON document a line."))] = False,
) -> None:
    """Keep the port forwarding of all VMs up, until it is stopped. Changes of the configuration are picked up."""
    from agsekit.config.load import load_config

    context = context_of(ctx)
    path = context.find_config()
    watched = WatchedConfig(path, lambda: load_config(path, home=context.home))
    if vm is not None:
        vm_named(watched.config, vm)
    _say_what_is_odd(context, watched.config, vm)

    noted = Noted(context.runtime_folder)

    def on_status(status: Status) -> None:
        document = status_document(status, now=time.time())
        noted.note(document)
        if as_json:
            render.print_json_line(document)
        else:
            clock = time.strftime("%H:%M:%S", time.localtime(document["time"]))
            render.result(f"{clock} {status_line(document)}")
        render.flush()

    around = Surroundings(
        context.runner(),
        lambda machine: _engine(context, machine),
        context.ssh_folder,
        on_status,
        _say_problem,
        vm,
    )
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    try:
        Supervisor(watched, around).run()
    finally:
        noted.remove()


def status_document(status: Status, *, now: float) -> dict[str, Any]:
    """Return a status the way `portforward --json` tells it."""
    rule = status.rule
    return {
        "time": round(now, 3),
        "vm": status.vm,
        "type": rule.kind,
        "vm_address": address_text(rule.vm_address),
        "host_address": address_text(rule.host_address) if rule.host_address else None,
        "listens": ends(rule)[0],
        "leads_to": ends(rule)[1],
        "state": status.state.value,
        "reason": render.safe(status.reason) or None,
    }


def status_line(status: Mapping[str, Any]) -> str:
    """Return the line that tells of a status: `VM: TYPE LISTENS -> LEADS_TO: STATE (REASON)`."""
    states = {"up": _("up"), "down": _("down"), "waiting": _("waiting"), "ended": _("ended")}
    state = states.get(status["state"], status["state"])
    reason = f" ({render.safe(status['reason'])})" if status["reason"] else ""
    return f"{status['vm']}: {status['type']} {status['listens']} -> {status['leads_to']}: {state}{reason}"


def _say_what_is_odd(context: Context, config: Config, only: Optional[str]) -> None:
    machines = [
        machine for machine in config.vms.values() if machine.port_forwarding and only in (None, machine.name)
    ]
    for machine in machines:
        if not _engine(context, machine).capabilities.own_system:
            render.warn(_without_forwarding(machine))
        for rule in machine.port_forwarding:
            if open_to_others(rule):
                render.warn(
                    _("VM '{vm}': other machines of the network can reach {listens}").format(
                        vm=machine.name, listens=ends(rule)[0]
                    )
                )
    if not forwarding_vms(config, lambda machine: _engine(context, machine), only=only):
        render.say(
            _("There is nothing to forward; waiting for a change of {path}").format(
                path=render.safe(str(config.path))
            )
        )


def _without_forwarding(machine: Vm) -> str:
    return _("VM '{vm}' uses the network of this machine: what it listens on is here already").format(vm=machine.name)


def _say_problem(error: AgsekitError) -> None:
    render.print_failure(error)
    render.say(_("The configuration from before stays in force."))


def _engine(context: Context, machine: Vm) -> Engine:
    return engine_for(machine, context.runner(), data_folder=context.data_folder)


def _end(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
