"""Commands about the services of the user's session."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agsekit import paths, resources
from agsekit.cli import render
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.shared_options import DryRunOption, JsonOption
from agsekit.i18n import _
from agsekit.services.systemd import BACKUPS, PORTFORWARD, Installation, Systemd, UnitStatus, find_command


@page(
    _("Brings them up to date with this installation of agsekit, too. They run from login on."),
    (_("Install them"), "agsekit systemd install"),
    (_("Install those for port forwarding alone"), "agsekit systemd install --no-backups"),
)
def install(
    ctx: typer.Context,
    backups: Annotated[
        bool, typer.Option("--backups/--no-backups", help=_("Also take snapshots of all mounts at their intervals."))
    ] = True,
    dry_run: DryRunOption = False,
) -> None:
    """Install and start the services, or bring them up to date with this installation of agsekit."""
    context = context_of(ctx)
    context.load_config()
    installation = Installation(
        find_command(sys.argv[0], sys.executable, context.environment),
        context.find_config().absolute(),
        resources.project_folder(),
        resources.systemd_units(),
        _config_folder(context),
        unit_folder(context),
    )
    manager = _manager(context, dry_run=dry_run)
    manager.install(installation, [PORTFORWARD, BACKUPS] if backups else [PORTFORWARD])
    if dry_run:
        return
    render.result(_("The services are installed and run. Next: agsekit systemd status"))
    _say_lingering(manager)


@page(
    "",
    (_("See what would be removed"), "agsekit systemd uninstall --dry-run"),
)
def uninstall(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Stop the services and remove them."""
    context = context_of(ctx)
    _manager(context, dry_run=dry_run).uninstall(_config_folder(context), unit_folder(context))
    if not dry_run:
        render.result(_("The services are stopped and removed."))


@page(
    "",
    (_("Look"), "agsekit systemd status"),
)
def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show whether the services are installed, and whether they run."""
    context = context_of(ctx)
    manager = Systemd(context.runner())
    units = manager.status(unit_folder(context))
    if as_json:
        render.print_json(
            {
                "units": [
                    {
                        "name": unit.name,
                        "link": str(unit.link) if unit.link else None,
                        "dangling": unit.dangling,
                        "enabled": unit.enabled,
                        "active": unit.active,
                    }
                    for unit in units
                ],
                "linger": manager.lingers(getpass.getuser()),
            }
        )
        return
    for unit in units:
        render.result(_describe(unit))
    _say_lingering(manager)


def bring_up(ctx: typer.Context, *, dry_run: bool) -> None:
    """Install and start the services unless they run already."""
    context = context_of(ctx)
    units = Systemd(context.runner()).status(unit_folder(context))
    if all(unit.link and not unit.dangling and unit.active == "active" for unit in units):
        render.result(_("The services run."))
    else:
        install(ctx, dry_run=dry_run)


def bring_down(context: Context, *, dry_run: bool) -> None:
    """Stop the services that are installed; they start again at the next login, or with `up`."""
    if _manager(context, dry_run=dry_run).stop(unit_folder(context)) and not dry_run:
        render.result(_("The services are stopped."))


def _describe(unit: UnitStatus) -> str:
    if unit.link is None:
        return _("{unit}: not installed").format(unit=unit.name)
    place = render.safe(str(unit.link))
    if unit.dangling:
        return _("{unit}: its file {path} is gone; repair it with `agsekit systemd install`").format(
            unit=unit.name, path=place
        )
    return _("{unit}: {active}, {enabled}, from {path}").format(
        unit=unit.name, active=unit.active, enabled=unit.enabled, path=place
    )


def _say_lingering(manager: Systemd) -> None:
    if manager.lingers(getpass.getuser()) is False:
        render.say(
            _("The services run only while you are logged in; from boot on with: {command}").format(
                command="loginctl enable-linger"
            )
        )


def _manager(context: Context, *, dry_run: bool) -> Systemd:
    def say(step: str) -> None:
        if dry_run:
            render.result(_("would {step}").format(step=render.safe(step)))
        elif not context.quiet:
            render.say(render.safe(step))

    return Systemd(context.runner(), on_step=say, dry_run=dry_run)


def _config_folder(context: Context) -> Path:
    return paths.config_folder(context.environment, context.home)


def unit_folder(context: Context) -> Path:
    """Return where systemd looks for units of the user: beside agsekit's own folder."""
    return Path(os.path.dirname(_config_folder(context))) / "systemd/user"
