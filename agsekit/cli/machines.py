"""Commands about VMs: made, started, stopped, destroyed."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Optional, Union

import typer

from agsekit.cli import interactive, machine_texts, render
from agsekit.cli.choice import choose_vm
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.selection import choose_vms, engines_of, finish, for_each_vm, teller
from agsekit.cli.shared_options import DryRunOption, JsonOption, YesOption
from agsekit.config.model import Vm
from agsekit.engines.base import Engine, OnEvent
from agsekit.errors import AgsekitError, ExitCode
from agsekit.i18n import _
from agsekit.machines.create import Finding, Outcome, bring_about, look, open_access

NameArgument = Annotated[Optional[str], typer.Argument(metavar="VM", help=_("The VM; the only one when left out."))]
AllVmsOption = Annotated[bool, typer.Option("--all-vms", help=_("All VMs of the configuration."))]
ResizeOption = Annotated[
    bool, typer.Option("--resize", help=_("Give existing VMs the configured sizes; stops and starts them."))
]


@page(
    _("An existing one is compared with the configuration, and finished if need be."),
    (_("Make the only VM of the configuration"), "agsekit create-vm"),
    (_("Give a VM its new size"), "agsekit create-vm agent --resize"),
)
def create_vm(
    ctx: typer.Context,
    name: NameArgument = None,
    resize: ResizeOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a VM and prepare it. An existing one is compared with the configuration, and finished if need be."""
    context = context_of(ctx)
    vms = [choose_vm(context, context.load_config(), name)]
    create(context, vms, resize=resize, dry_run=dry_run, yes=yes, as_json=as_json)


@page(
    _("Several at once. Repeatable: existing ones are compared with the configuration."),
    (_("Make all VMs"), "agsekit create-vms"),
    (_("See how they differ from the configuration"), "agsekit create-vms --dry-run"),
)
def create_vms(
    ctx: typer.Context,
    resize: ResizeOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make and prepare all VMs of the configuration, several at once. Repeatable."""
    context = context_of(ctx)
    vms = list(context.load_config().vms.values())
    create(context, vms, resize=resize, dry_run=dry_run, yes=yes, as_json=as_json)


def create(
    context: Context,
    vms: Sequence[Vm],
    *,
    resize: bool = False,
    start: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    as_json: bool = False,
    goes_on: bool = False,
) -> None:
    """Make and prepare VMs and tell what was done; ends with a code when anything failed.

    `goes_on` leaves out what comes next, which the command does itself.
    """
    engines = engines_of(context, vms)
    findings = for_each_vm(vms, lambda vm: look(vm, engines[vm.name]))
    outcomes: Sequence[Union[Finding, Outcome, AgsekitError]] = findings
    if not dry_run:
        if resize:
            _agree_to_resize(context, findings, yes=yes)
        outcomes = _bring_about(context, findings, engines, resize=resize, start=start)
    if as_json:
        render.print_json(machine_texts.document(vms, outcomes, resize=resize, dry_run=dry_run))
    else:
        machine_texts.show(context, outcomes, resize=resize, goes_on=goes_on)
    finish(vms, outcomes)
    if any(isinstance(each, Outcome) and each.lacking for each in outcomes):
        raise typer.Exit(ExitCode.FAILURE)


def _agree_to_resize(context: Context, findings: Sequence[Union[Finding, AgsekitError]], *, yes: bool) -> None:
    changing = [each for each in findings if isinstance(each, Finding) and each.applicable]
    for finding in changing:
        for difference in finding.applicable:
            render.say(machine_texts.difference(finding.vm, difference))
    if changing:
        question = _("Resize {names}? What runs in them is stopped.").format(
            names=", ".join(each.vm.name for each in changing)
        )
        interactive.confirm(context, question, yes=yes, flag="--yes")


def _bring_about(
    context: Context,
    findings: Sequence[Union[Finding, AgsekitError]],
    engines: Any,
    *,
    resize: bool,
    start: bool,
) -> Sequence[Union[Outcome, AgsekitError]]:
    tell = teller(context)
    good = [each for each in findings if isinstance(each, Finding)]
    wants_access = any(engines[each.vm.name].capabilities.own_system for each in good)
    access = open_access(context.ssh_folder, context.runner(), on_event=tell) if wants_access else None
    by_name = {each.vm.name: each for each in good}

    def work(vm: Vm) -> Outcome:
        return bring_about(by_name[vm.name], engines[vm.name], access, resize=resize, start=start, on_event=tell)

    done = iter(for_each_vm([each.vm for each in good], work) if good else [])
    return [next(done) if isinstance(each, Finding) else each for each in findings]


@page(
    _("Waits until they run."),
    (_("Start one VM"), "agsekit start-vm agent"),
    (_("Start all of them"), "agsekit start-vm --all-vms"),
)
def start_vm(ctx: typer.Context, name: NameArgument = None, all_vms: AllVmsOption = False) -> None:
    """Start a VM, or all of them, and wait until they run."""
    context = context_of(ctx)
    vms = choose_vms(context, name, every=all_vms, flag="--all-vms")
    _change(context, vms, lambda engine, vm, tell: engine.start(vm, on_event=tell), _("VM {name} is running."))


ForceOption = Annotated[
    bool, typer.Option("--force", help=_("Cut the power; a suspended VM loses what it has in memory."))
]


@page(
    _("Waits until they are off. Nothing in them is lost but what runs."),
    (_("Stop one VM"), "agsekit stop-vm agent"),
    (_("Stop one that does not answer"), "agsekit stop-vm agent --force"),
)
def stop_vm(
    ctx: typer.Context, name: NameArgument = None, all_vms: AllVmsOption = False, force: ForceOption = False
) -> None:
    """Stop a VM, or all of them, and wait until they are off. Nothing in them is lost but what runs."""
    context = context_of(ctx)
    vms = choose_vms(context, name, every=all_vms, flag="--all-vms")
    stop(context, vms, force=force)


def stop(context: Context, vms: Sequence[Vm], *, force: bool = False) -> None:
    """Stop VMs and tell what was done; ends with a code when one could not be."""
    _change(
        context, vms, lambda engine, vm, tell: engine.stop(vm, force=force, on_event=tell), _("VM {name} is stopped.")
    )


@page(
    _("One that was off is started."),
    (_("Restart one VM"), "agsekit restart-vm agent"),
)
def restart_vm(
    ctx: typer.Context, name: NameArgument = None, all_vms: AllVmsOption = False, force: ForceOption = False
) -> None:
    """Stop a VM, or all of them, and start it again; one that was off is started."""
    context = context_of(ctx)
    vms = choose_vms(context, name, every=all_vms, flag="--all-vms")

    def restart(engine: Engine, vm: Vm, tell: OnEvent) -> None:
        engine.stop(vm, force=force, on_event=tell)
        engine.start(vm, on_event=tell)

    _change(context, vms, restart, _("VM {name} is running."))


def _change(context: Context, vms: Sequence[Vm], work: Callable[[Engine, Vm, OnEvent], None], done: str) -> None:
    """Do something to VMs that boot, and say for the others that there is nothing to do."""
    engines, tell = engines_of(context, vms), teller(context)

    def one(vm: Vm) -> str:
        if not engines[vm.name].capabilities.boots:
            return _("{name} ({engine}) needs no start and no stop: it is there while a command runs in it.").format(
                name=vm.name, engine=vm.engine
            )
        work(engines[vm.name], vm, tell)
        return done.format(name=vm.name)

    outcomes = for_each_vm(vms, one)
    for outcome in outcomes:
        if isinstance(outcome, str):
            render.result(outcome)
    finish(vms, outcomes)


@page(
    _("Project folders and snapshots stay."),
    (_("See what would be deleted"), "agsekit destroy-vm agent --dry-run"),
    (_("Delete all VMs, as in a script"), "agsekit destroy-vm --all --yes"),
)
def destroy_vm(
    ctx: typer.Context,
    name: NameArgument = None,
    every: Annotated[bool, typer.Option("--all", help=_("All VMs of the configuration."))] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Delete a VM and everything in it. Project folders and snapshots stay."""
    from agsekit.machines.destroy import destroy

    context = context_of(ctx)
    vms = choose_vms(context, name, every=every, flag="--all")
    engines = engines_of(context, vms)
    doomed = machine_texts.show_doomed(context.load_config(), vms, engines)
    if dry_run or not doomed:
        return
    if every:
        question = _("Type their number ({count}) to delete them, or give --yes:").format(count=len(doomed))
        interactive.confirm_number(context, question, len(doomed), yes=yes, flag="--yes")
    else:
        interactive.confirm(context, _("Delete {name}?").format(name=doomed[0].name), yes=yes, flag="--yes")
    outcomes = for_each_vm(doomed, lambda vm: destroy(vm, engines[vm.name], context.ssh_folder))
    for vm, outcome in zip(doomed, outcomes):
        if not isinstance(outcome, AgsekitError):
            render.result(_("VM {name} is deleted.").format(name=vm.name))
    finish(doomed, outcomes)
