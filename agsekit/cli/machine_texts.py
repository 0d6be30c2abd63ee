"""What is said about VMs: findings, outcomes, what is about to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

from agsekit.cli import render
from agsekit.cli.context import Context
from agsekit.config.model import Config, Vm
from agsekit.engines.base import Difference, Engine, State
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.machines.create import Finding, Outcome

Outcomes = Sequence[Union[Finding, Outcome, AgsekitError]]


def amount(key: str, value: int) -> str:
    """Return a size the way the configuration has it."""
    if key == "cpu":
        return str(value)
    for unit, factor in (("G", 1024**3), ("M", 1024**2)):
        if value % factor == 0:
            return f"{value // factor}{unit}"
    return f"{value / 1024**3:.1f}G"


def difference(vm: Vm, found: Difference) -> str:
    """Return a sentence about a size that is not as configured."""
    return _("VM {name}: {key} is {actual}, configured is {configured}").format(
        name=vm.name,
        key=found.key,
        actual=amount(found.key, found.actual),
        configured=amount(found.key, found.configured),
    )


def show(context: Context, outcomes: Outcomes, *, resize: bool, goes_on: bool) -> None:
    """Tell what was done, or for findings what would be, and what comes next unless the command goes on to it."""
    for each in outcomes:
        if isinstance(each, Finding):
            _show_finding(each, resize=resize)
        elif isinstance(each, Outcome):
            _show_outcome(each)
    made = [each for each in outcomes if isinstance(each, Outcome) and each.result == "created"]
    if made and not goes_on and context.load_config().mounts and not context.quiet:
        render.say(_("Next: agsekit mount --all"))


def _show_finding(finding: Finding, *, resize: bool) -> None:
    name = finding.vm.name
    if not finding.exists:
        render.result(_("VM {name} would be created.").format(name=name))
        return
    for each in finding.differences:
        render.result(difference(finding.vm, each))
    if resize and finding.applicable:
        render.result(_("VM {name} would be resized.").format(name=name))
    elif not finding.differences:
        render.result(_("VM {name} exists and has the configured sizes.").format(name=name))


def _show_outcome(outcome: Outcome) -> None:
    name = outcome.vm.name
    sentences = {
        "created": _("VM {name} is created."),
        "resized": _("VM {name} is resized."),
        "prepared": _("VM {name} was not complete; added: {added}."),
        "unchanged": _("VM {name} is as configured; nothing to do."),
        "different": _("VM {name} was left as it is."),
    }
    render.result(sentences[outcome.result].format(name=name, added=", ".join(map(render.safe, outcome.prepared))))
    for each in outcome.remaining:
        render.warn(difference(outcome.vm, each))
    if any(each.key != "disk" or each.configured > each.actual for each in outcome.remaining):
        render.say("  " + _("To change it: agsekit create-vm {name} --resize").format(name=name))
    elif outcome.remaining:
        render.say("  " + _("A disk only grows; destroy the VM and create it again for a smaller one."))
    if outcome.lacking:
        missing = ", ".join(map(render.safe, outcome.lacking))
        render.warn(_("VM {name} still lacks {missing}; run the command again").format(name=name, missing=missing))
    if not outcome.checked:
        state = outcome.state.word
        render.say(_("VM {name} is {state}, so it was not looked into.").format(name=name, state=state))


def document(vms: Sequence[Vm], outcomes: Outcomes, *, resize: bool, dry_run: bool) -> dict[str, Any]:
    """Return the document of create-vm and create-vms; docs/machines.md describes it."""
    entries = [_entry(vm, each, resize=resize) for vm, each in zip(vms, outcomes)]
    return {"vms": entries, "dry_run": dry_run}


def _entry(vm: Vm, outcome: Finding | Outcome | AgsekitError, *, resize: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": vm.name,
        "engine": vm.engine,
        "result": "failed",
        "state": None,
        "differences": [],
        "prepared": [],
        "lacking": [],
        "error": None,
    }
    if isinstance(outcome, AgsekitError):
        return {**entry, "error": {"message": outcome.message, "hint": outcome.hint}}
    if isinstance(outcome, Finding):
        left, result = outcome.differences, _expected(outcome, resize=resize)
    else:
        left, result = outcome.remaining, outcome.result
        entry.update(prepared=list(outcome.prepared), lacking=list(outcome.lacking))
    differences = [{"key": each.key, "configured": each.configured, "actual": each.actual} for each in left]
    return {**entry, "result": result, "state": outcome.state.value, "differences": differences}


def _expected(finding: Finding, *, resize: bool) -> str:
    if not finding.exists:
        return "created"
    if resize and finding.applicable:
        return "resized"
    return "different" if finding.differences else "unchanged"


def show_doomed(config: Config, vms: Sequence[Vm], engines: Mapping[str, Engine]) -> list[Vm]:
    """List what a destruction would delete and what it would not, and return the VMs that exist."""
    doomed: list[Vm] = []
    for vm in vms:
        found = engines[vm.name].inspect(vm)
        if found.state is State.ABSENT and not (found.folder and found.folder.exists()):
            render.result(_("VM {name} does not exist; nothing to delete.").format(name=vm.name))
            continue
        if not doomed:
            render.say(_("This is deleted for good:"))
        doomed.append(vm)
        where = f": {render.safe(str(found.folder))}" if found.folder else ""
        render.say(
            "  "
            + _("VM {name} ({engine}, {state}) and everything in it").format(
                name=vm.name, engine=vm.engine, state=found.state.word
            )
            + where
        )
    kept = [mount for mount in config.mounts if mount.vm in [vm.name for vm in doomed]]
    if doomed:
        render.say(_("Project folders and their snapshots are not touched."))
    for mount in kept:
        render.say(f"  {render.safe(str(mount.source))}, {render.safe(str(mount.backup))}")
    return doomed
