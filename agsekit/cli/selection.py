"""Which VMs a command is about, their engines, and what becomes of several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import typer

from agsekit.cli import render
from agsekit.cli.choice import choose_vm
from agsekit.cli.context import Context
from agsekit.config.model import Vm
from agsekit.engines.base import Engine
from agsekit.engines.registry import engine_for
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit.machines.parallel import for_each

R = TypeVar("R")


def choose_vms(context: Context, name: str | None, *, every: bool, flag: str) -> list[Vm]:
    """Return one VM, or with `every`, which is what `flag` says, all of the configuration."""
    if name is not None and every:
        raise UsageError(_("VM and {flag} exclude each other").format(flag=flag), hint=_("leave one of them out"))
    config = context.load_config()
    return list(config.vms.values()) if every else [choose_vm(context, config, name)]


def engines_of(context: Context, vms: Sequence[Vm]) -> Mapping[str, Engine]:
    """Return the engine of each VM by the name of the VM."""
    runner = context.runner()
    return {vm.name: engine_for(vm, runner, data_folder=context.data_folder) for vm in vms}


def teller(context: Context) -> Callable[[str], None]:
    """Return what tells the user of each thing that begins."""
    return (lambda text: None) if context.quiet else (lambda text: render.say(render.safe(text)))


def for_each_vm(vms: Sequence[Vm], work: Callable[[Vm], R]) -> list[R | AgsekitError]:
    """Do something for several VMs at once, and return what came of each; for one alone, errors are raised."""
    if len(vms) == 1:
        return [work(vms[0])]
    outcomes = for_each(vms, work, AgsekitError)
    return [
        outcome for outcome in outcomes if isinstance(outcome, AgsekitError) or not isinstance(outcome, Exception)
    ]


def finish(vms: Sequence[Vm], outcomes: Sequence[object]) -> None:
    """Show the errors among the outcomes, each with its VM, and end with the code of the first."""
    failed = [(vm, each) for vm, each in zip(vms, outcomes) if isinstance(each, AgsekitError)]
    for vm, error in failed:
        render.print_error(f"{vm.name}: {error.message}", error.hint, error.details)
    if failed:
        raise typer.Exit(failed[0][1].exit_code)
