"""Checks of VMs: can they be asked, are they as configured, do their clocks and their mounts work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from agsekit.config.model import Vm
from agsekit.engines.base import Difference, Engine, State
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.machines import wake
from agsekit.machines.mounts import look_inside, points_of
from agsekit.machines.parallel import for_each
from agsekit.overview.check import FAIL, OK, WARN, Check, Surroundings

_SKEW = 2


def check_machines(around: Surroundings) -> Iterator[Check]:
    """Yield the checks of all VMs, which are asked at the same time; none is started."""
    vms = list(around.config.vms.values()) if around.config else []
    for vm, outcome in zip(vms, for_each(vms, lambda vm: list(_check(vm, around)), AgsekitError)):
        if isinstance(outcome, AgsekitError):
            yield Check("vm", FAIL, outcome.message, outcome.hint, vm.name)
        elif not isinstance(outcome, Exception):
            yield from outcome


def _check(vm: Vm, around: Surroundings) -> Iterator[Check]:
    engine = around.engine_of(vm)
    instance = engine.inspect(vm)
    if instance.state is State.ABSENT:
        # An engine that boots nothing makes what it needs at the first run.
        result = WARN if engine.capabilities.boots else OK
        text = _("VM {name} does not exist yet").format(name=vm.name)
        yield Check("vm", result, text, _("make it: agsekit create-vm {name}").format(name=vm.name), vm.name)
        return
    if instance.state is State.UNKNOWN:
        text = _("VM {name} does not answer").format(name=vm.name)
        yield Check("vm", FAIL, text, _("restart it: agsekit restart-vm {name}").format(name=vm.name), vm.name)
        return
    yield Check("vm", OK, _("VM {name}: {state}").format(name=vm.name, state=instance.state.word), subject=vm.name)
    if engine.capabilities.sized:
        yield from _sizes(vm, engine.compare(vm))
    if instance.state is State.RUNNING and engine.capabilities.lasting_mounts:
        yield from _inside(vm, engine, around, {mount.target for mount in instance.mounts})


def _sizes(vm: Vm, differences: Sequence[Difference]) -> Iterator[Check]:
    if differences:
        names = ", ".join(each.key for each in differences)
        text = _("VM {name} has another size than the configuration says ({names})").format(name=vm.name, names=names)
        hint = _("apply it: agsekit create-vm {name} --resize").format(name=vm.name)
        yield Check("vm-size", WARN, text, hint, vm.name)


def _inside(vm: Vm, engine: Engine, around: Surroundings, mounted: set[object]) -> Iterator[Check]:
    mounts = around.config.mounts if around.config else ()
    own = points_of([mount for mount in mounts if mount.vm == vm.name])
    points = [point for point in own if point.target in mounted]
    found = look_inside(vm, engine, points)

    def repair() -> str:
        wake.check(vm, engine, points, on_event=lambda text: None)
        return _("the clock and the mounts of VM {name} were repaired").format(name=vm.name)

    off = abs(found.clock - time.time())
    if off > _SKEW:
        text = _("the clock of VM {name} is {seconds} s off").format(name=vm.name, seconds=round(off))
        hint = _("`agsekit doctor --fix` sets it")
        yield Check("vm-clock", WARN, text, hint, vm.name, repair)
    for point in found.broken:
        text = _("{source} shows nothing in VM {name}").format(source=point.source, name=vm.name)
        hint = _("`agsekit doctor --fix` mounts it again")
        yield Check("vm-mount", FAIL, text, hint, vm.name, repair)
