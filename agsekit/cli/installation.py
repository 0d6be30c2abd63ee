"""Commands about this installation of agsekit: which one it is, and bringing it up to date."""

import shlex
from typing import Annotated

import typer

from agsekit.cli import render
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.shared_options import JsonOption
from agsekit.i18n import _


@page("", (_("Everything that a bug report needs"), "agsekit version"))
def version(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show which agsekit this is, where it came from, and what it runs on."""
    import platform
    import sys

    from agsekit.installation import environment_folder, find_installation

    found = find_installation()
    document = {
        "version": found.version,
        "origin": found.kind,
        "place": found.place,
        "installed_by": found.tool or None,
        "environment": environment_folder(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "configuration": str(context_of(ctx).find_config()),
    }
    if as_json:
        render.print_json(document)
        return
    render.result(f"agsekit {found.version}")
    origin = {
        "index": _("a package index"),
        "vcs": _("a repository, {place}"),
        "checkout": _("a folder, {place}"),
        "archive": _("a file, {place}"),
        "unknown": _("unknown"),
    }[found.kind].format(place=render.safe(str(found.place)))
    for title, text in (
        (_("installed from"), origin),
        (_("installed by"), found.tool or _("unknown")),
        (_("environment"), document["environment"]),
        (_("Python"), f"{document['python']} ({sys.executable})"),
        (_("system"), document["system"]),
        (_("configuration"), document["configuration"]),
    ):
        render.result(f"  {title}: {render.safe(str(text))}")


@page(
    _("It upgrades from where this installation came from, and refuses when that cannot be told."),
    (_("See what it would do"), "agsekit pip-upgrade --dry-run"),
)
def pip_upgrade(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help=_("Only show the commands that would be run."))
    ] = False,
) -> None:
    """Upgrade agsekit in the environment that it runs from."""
    from agsekit.errors import AgsekitError
    from agsekit.installation import check_candidate, find_installation, installed_version, upgrade_commands

    runner = context_of(ctx).runner()
    found = find_installation()
    commands = upgrade_commands(found)
    for argv in commands:
        render.say("$ " + render.safe(shlex.join(argv)))
    if dry_run:
        return
    check_candidate(found, runner)
    for argv in commands:
        code = runner.show(argv)
        if code:
            raise AgsekitError(
                _("{command} failed with exit code {code}").format(command=shlex.join(argv[:2]), code=code),
                hint=_("agsekit {version} is still here; what the command said is above").format(
                    version=installed_version(runner)
                ),
            )
    now = installed_version(runner)
    if now == found.version:
        render.say(_("agsekit {version} is the newest there.").format(version=now))
    else:
        render.say(_("agsekit {old} was upgraded to {new}.").format(old=found.version, new=now))
