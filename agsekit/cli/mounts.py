"""Commands that mount folders in VMs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import render
from agsekit.cli.choice import choose
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import engines_of, finish, for_each_vm, teller
from agsekit.config.model import Mount, Vm
from agsekit.config.select import mounts_of
from agsekit.errors import AgsekitError, NotFoundError, UsageError
from agsekit.i18n import _
from agsekit.machines.mounts import mount_all, overlaps, points_of
from agsekit.machines.mounts import unmount as unmount_one

FolderArgument = Annotated[
    Optional[Path], typer.Argument(metavar="SOURCE_DIR", help=_("The folder; the only mount when left out."))
]
SourceDirOption = Annotated[Optional[Path], typer.Option("--source-dir", metavar="FOLDER", help=_("The same."))]
AllOption = Annotated[bool, typer.Option("--all", help=_("All mounts of the configuration."))]
VmOption = Annotated[Optional[str], typer.Option("--vm", metavar="VM", help=_("Only in this VM."))]


@page(
    _("The VM is started if need be. Repairs what is amiss."),
    (_("Mount one folder"), "agsekit mount ~/project"),
    (_("Mount all folders of the configuration"), "agsekit mount --all"),
)
def mount(
    ctx: typer.Context,
    folder: FolderArgument = None,
    source_dir: SourceDirOption = None,
    every: AllOption = False,
    vm: VmOption = None,
) -> None:
    """Mount a folder of the configuration in its VM, which is started if need be. Repairs what is amiss."""
    context = context_of(ctx)
    mount_folders(context, _chosen(context, folder, source_dir, every=every, vm=vm))


def mount_folders(context: Context, mounts: Sequence[Mount]) -> None:
    """Mount folders, those of several VMs at once, and tell what was done."""
    config = context.load_config()
    for sentence in dict.fromkeys(text for each in mounts for text in overlaps(config, each)):
        render.warn(render.safe(sentence))
    vms = _vms_of(context, mounts)
    engines, tell = engines_of(context, vms), teller(context)

    def work(vm: Vm) -> None:
        mount_all(vm, engines[vm.name], points_of(_in(vm, mounts)), on_event=tell)

    outcomes = for_each_vm(vms, work)
    for vm, outcome in zip(vms, outcomes):
        if isinstance(outcome, AgsekitError):
            continue
        lasting = engines[vm.name].capabilities.lasting_mounts
        sentence = _("{source} is mounted in VM {name} at {target}.")
        if not lasting:
            sentence = _("{source} can be mounted in {name}, where every command gets it anew at {target}.")
        for each in _in(vm, mounts):
            render.result(
                sentence.format(
                    source=render.safe(str(each.source)), name=vm.name, target=render.safe(str(each.target))
                )
            )
    finish(vms, outcomes)


@page(
    _("The folder itself is not touched."),
    (_("Unmount one folder"), "agsekit umount ~/project"),
    (_("Unmount all of them from one VM"), "agsekit umount --all --vm agent"),
)
def umount(
    ctx: typer.Context,
    folder: FolderArgument = None,
    source_dir: SourceDirOption = None,
    every: AllOption = False,
    vm: VmOption = None,
) -> None:
    """Unmount a folder of the configuration from its VM. The folder itself is not touched."""
    context = context_of(ctx)
    mounts = _chosen(context, folder, source_dir, every=every, vm=vm)
    vms = _vms_of(context, mounts)
    engines = engines_of(context, vms)

    def work(machine: Vm) -> Sequence[bool]:
        points = points_of(_in(machine, mounts))
        return [unmount_one(machine, engines[machine.name], point) for point in points]

    outcomes = for_each_vm(vms, work)
    for machine, outcome in zip(vms, outcomes):
        if isinstance(outcome, AgsekitError):
            continue
        for each, was_mounted in zip(_in(machine, mounts), outcome):
            sentence = _("{source} is no longer mounted in VM {name}.")
            if not was_mounted:
                sentence = _("{source} was not mounted in VM {name}.")
            render.result(sentence.format(source=render.safe(str(each.source)), name=machine.name))
    finish(vms, outcomes)


def _chosen(
    context: Context, folder: Optional[Path], source_dir: Optional[Path], *, every: bool, vm: Optional[str]
) -> list[Mount]:
    """Return the mounts that the command line stands for."""
    if sum((folder is not None, source_dir is not None, every)) > 1:
        raise UsageError(
            _("SOURCE_DIR, --source-dir and --all exclude each other"), hint=_("leave all but one of them out")
        )
    config = context.load_config()
    if not config.mounts:
        raise NotFoundError(
            _("The configuration has no mounts"), hint=_("add one to `mounts:` in {path}").format(path=config.path)
        )
    named = folder or source_dir
    if named:
        return mounts_of(config, context.working_folder() / named, vm=vm)
    candidates = [each for each in config.mounts if vm in (None, each.vm)]
    if every or len(candidates) == 1:
        return candidates
    sources = list(dict.fromkeys(str(each.source) for each in candidates or config.mounts))
    chosen = choose(
        context,
        sources,
        _("Which folder?"),
        _("name one of these folders, or give --all: {names}"),
        flag="SOURCE_DIR",
    )
    return mounts_of(config, Path(chosen), vm=vm)


def _vms_of(context: Context, mounts: Sequence[Mount]) -> list[Vm]:
    names = dict.fromkeys(mount.vm for mount in mounts)
    return [context.load_config().vms[name] for name in names]


def _in(vm: Vm, mounts: Sequence[Mount]) -> list[Mount]:
    return [mount for mount in mounts if mount.vm == vm.name]
