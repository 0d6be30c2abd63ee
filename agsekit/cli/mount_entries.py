"""Commands that put mounts into the configuration and take them out of it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import interactive, render
from agsekit.cli.candidates import Candidate
from agsekit.cli.context import Context
from agsekit.cli.mount_questions import ask_for_mount, wish_of
from agsekit.cli.mounts import mount_folders
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import engines_of
from agsekit.cli.shared_options import DryRunOption, YesOption
from agsekit.config.edit import add_mount, remove_mount, warnings_of_last_mount
from agsekit.config.model import Config, Mount
from agsekit.config.rewrite import read_draft, replace_config
from agsekit.config.select import mount_of_source, mounts_of, vm_named
from agsekit.errors import NotFoundError, UsageError
from agsekit.i18n import _
from agsekit.machines.mounts import points_of, unmount
from agsekit.machines.new_mount import Wish, check_new_mount, mount_of
from agsekit.protection import ignore_draft


@page(
    _(
        "Comments and everything else in the configuration stay as they are, and a copy of it is kept beside it. "
        "Without PATH, everything is asked for."
    ),
    (_("Add a project, and mount it at once"), "agsekit addmount ~/project --mount"),
    (_("Say everything, and answer nothing"), "agsekit addmount ~/p /srv/p ~/backups/p 10 --vm agent -y"),
)
def addmount(
    ctx: typer.Context,
    path: Annotated[
        Optional[str], typer.Argument(metavar="PATH", help=_("The project folder; asked for when left out."))
    ] = None,
    target: Annotated[
        Optional[str],
        typer.Argument(metavar="TARGET", help=_("Where it appears in the VM (default: /home/ubuntu/<folder>).")),
    ] = None,
    backup: Annotated[
        Optional[str],
        typer.Argument(metavar="BACKUP", help=_("Where its snapshots go (default: <parent>/backups-<folder>).")),
    ] = None,
    interval: Annotated[
        Optional[str],
        typer.Argument(metavar="INTERVAL", help=_("Minutes between snapshots while an agent runs (default: 5).")),
    ] = None,
    vm: Annotated[
        Optional[str], typer.Option("--vm", metavar="VM", help=_("The VM it is mounted in (default: the first)."))
    ] = None,
    mount: Annotated[bool, typer.Option("--mount", help=_("Mount it in the VM at once."))] = False,
    backupignore: Annotated[
        Optional[bool],
        typer.Option(
            "--backupignore/--no-backupignore",
            help=_("Write a .backupignore for what can be made again (default: ask)."),
        ),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Add a mount to the configuration."""
    context = context_of(ctx)
    config = context.load_config()
    draft = read_draft(config.path)
    wish = wish_of(context, [path, target, backup, interval], vm) if path else _asked(context, config, vm)
    new = mount_of(wish, config, home=context.home)
    engine = engines_of(context, [config.vms[new.vm]])[new.vm]
    check_new_mount(new, config, engine, home=context.home)
    data = add_mount(draft.data, config, new, home=context.home)
    if dry_run or not (yes and context.quiet):
        _show(_("This mount is added to {path}:"), config, new)
    for problem in warnings_of_last_mount(data, config, home=context.home):
        render.warn(render.safe(f"{new.source}: {problem}"))
    if dry_run:
        return
    interactive.confirm(context, _("Add it?"), yes=yes, flag="--yes")
    copy = replace_config(draft, data, now=time.time())
    render.result(_("Added {source} to {path}.").format(source=_shown(new.source), path=_shown(config.path)))
    _tell_copy(context, copy)
    _offer_backupignore(context, new, wanted=backupignore, ask=not yes)
    context.forget_config()
    if mount:
        mount_folders(context, [context.load_config().mounts[-1]])
    elif not context.quiet:
        render.say(_("Next: {command}").format(command=render.shell_line(["agsekit", "mount", str(new.source)])))


def _asked(context: Context, config: Config, vm: Optional[str]) -> Wish:
    if not context.may_ask():
        raise UsageError(
            _("PATH is missing, and nobody can be asked here"),
            hint=_("name the project folder: agsekit addmount PATH"),
        )
    return ask_for_mount(context, config, vm)


def _offer_backupignore(context: Context, mount: Mount, *, wanted: Optional[bool], ask: bool) -> None:
    """Write a `.backupignore` when the user wants one and it would have anything to say."""
    may_ask = ask and context.may_ask()
    silent = context.quiet and not may_ask and wanted is None
    lines = [] if wanted is False or silent else ignore_draft.draft(mount.source)
    if not lines:
        return
    if wanted is None:
        render.say(_("These folders can be made again, and need not be in snapshots:"))
        for line in lines:
            render.say(f"  {render.safe(line)}")
        if not may_ask:
            render.say(
                _("To leave them out, write these lines into {path}.").format(
                    path=_shown(mount.source / ignore_draft.NAME)
                )
            )
            return
        if not interactive.agree(_("Write them into .backupignore?"), flag="--backupignore", default=True):
            return
    if ignore_draft.write_draft(mount.source, lines):
        render.result(_("Wrote {path}.").format(path=_shown(mount.source / ignore_draft.NAME)))


@page(
    _(
        "The folder is unmounted first; when that fails, the configuration stays as it is. The project and its "
        "snapshots are not touched."
    ),
    (_("Remove the mount of a folder"), "agsekit removemount ~/project"),
    (_("Remove it from one VM, and answer nothing"), "agsekit removemount ~/project --vm agent -y"),
)
def removemount(
    ctx: typer.Context,
    path: Annotated[
        Optional[Path], typer.Argument(metavar="PATH", help=_("The project folder; the only mount when left out."))
    ] = None,
    vm: Annotated[
        Optional[str], typer.Option("--vm", metavar="VM", help=_("The VM, when several have the folder."))
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Unmount a folder, and remove its mount from the configuration."""
    context = context_of(ctx)
    config = context.load_config()
    draft = read_draft(config.path)
    index = _chosen(context, config, path, vm)
    old = config.mounts[index]
    data = remove_mount(draft.data, config, index, home=context.home)
    if dry_run or not (yes and context.quiet):
        _show(_("This mount is removed from {path}:"), config, old)
    if dry_run:
        return
    interactive.confirm(context, _("Remove it?"), yes=yes, flag="--yes")
    machine = config.vms[old.vm]
    was_mounted = unmount(machine, engines_of(context, [machine])[machine.name], points_of([old])[0])
    if was_mounted and not context.quiet:
        render.say(
            _("{source} is no longer mounted in VM {name}.").format(source=_shown(old.source), name=machine.name)
        )
    copy = replace_config(draft, data, now=time.time())
    render.result(_("Removed {source} from {path}.").format(source=_shown(old.source), path=_shown(config.path)))
    _tell_copy(context, copy)
    if os.path.isdir(old.backup) and not context.quiet:
        render.say(_("Its snapshots are kept in {path}.").format(path=_shown(old.backup)))


def _chosen(context: Context, config: Config, path: Optional[Path], vm: Optional[str]) -> int:
    """Return which mount of the configuration is meant."""
    if vm is not None:
        vm_named(config, vm)
    if not config.mounts:
        raise NotFoundError(_("The configuration has no mounts"), hint=_("there is nothing to remove"))
    found = [number for number, mount in enumerate(config.mounts) if vm in (None, mount.vm)]
    if path is not None:
        source = os.path.realpath(mount_of_source(config, context.working_folder() / path).source)
        found = [number for number in found if os.path.realpath(config.mounts[number].source) == source]
        if not found:
            mounts_of(config, Path(source), vm=vm)  # says which there are
    if not found:
        raise NotFoundError(
            _("No folder is mounted in the VM '{name}'").format(name=vm), hint=_("there is nothing to remove")
        )
    return found[0] if len(found) == 1 else _pick(context, config, found, by_vm=path is not None)


def _pick(context: Context, config: Config, found: Sequence[int], *, by_vm: bool) -> int:
    names = {number: config.mounts[number].vm if by_vm else str(config.mounts[number].source) for number in found}
    if not context.may_ask():
        hint = _("name one of these VMs with --vm: {names}") if by_vm else _("name one of these folders: {names}")
        raise UsageError(
            _("several could be meant"), hint=hint.format(names=", ".join(dict.fromkeys(names.values())))
        )
    candidates = [
        Candidate(f"{number + 1}. {config.mounts[number].source}", config.mounts[number].vm) for number in found
    ]
    chosen = interactive.select(_("Which mount?"), candidates, flag="--vm" if by_vm else "PATH")
    return int(chosen.partition(".")[0]) - 1


def _show(heading: str, config: Config, mount: Mount) -> None:
    render.say(heading.format(path=_shown(config.path)))
    rows = (
        (_("source"), str(mount.source)),
        (_("target"), str(mount.target)),
        (_("backup"), str(mount.backup)),
        (_("interval"), _("{count} min").format(count=f"{mount.interval:g}")),
        (_("VM"), mount.vm),
    )
    width = max(len(name) for name, _value in rows)
    for name, value in rows:
        render.say(f"  {name:{width}}  {render.safe(value)}")


def _tell_copy(context: Context, copy: Path) -> None:
    if not context.quiet:
        render.say(_("A copy of the configuration before is {path}.").format(path=_shown(copy)))


def _shown(path: Path) -> str:
    return render.safe(str(path))
