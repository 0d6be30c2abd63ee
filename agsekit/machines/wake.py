"""After the host has slept: is the clock of a machine right, can it be reached, do its mounts show anything?

A machine that was warm before is asked only when there is a reason to: the kernel counts the time that the host
has spent asleep, and as long as that has not changed since the last look, nothing is asked at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agsekit.config.model import Vm
from agsekit.engines.base import Engine, MountPoint, OnEvent
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.machines import guest
from agsekit.machines.mounts import look_inside, repair

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE = 1.0  # seconds; the two clocks cannot be read at the same moment
_SKEW = 2  # seconds that a clock may be off: certificates and builds do not mind


def time_asleep() -> float:
    """Return the seconds that this host has spent suspended since it was started; 0 where nobody counts them."""
    # Linux counts sleep in BOOTTIME alone, macOS in all clocks but UPTIME_RAW.
    for with_sleep, without in (("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"), ("CLOCK_MONOTONIC_RAW", "CLOCK_UPTIME_RAW")):
        if hasattr(time, with_sleep) and hasattr(time, without):
            return max(
                0.0, time.clock_gettime(getattr(time, with_sleep)) - time.clock_gettime(getattr(time, without))
            )
    return 0.0


def wake(
    vm: Vm,
    engine: Engine,
    mounts: Sequence[MountPoint],
    *,
    folder: Path,
    on_event: OnEvent,
    asleep: Callable[[], float] = time_asleep,
) -> bool:
    """Check and repair a running VM if the host has slept since the last time; return whether it had.

    `folder` is where the last time is remembered. Costs no call to the engine when the host has not slept.

    Raises:
        EngineError: the VM cannot be reached, or shows nothing of a mount.
    """
    if not engine.capabilities.boots:
        return False
    slept, note = asleep(), folder / f"{vm.name}.awake"
    if abs(slept - _remembered(note)) <= _TOLERANCE:
        return False
    on_event(_("This machine has slept; checking VM {name}").format(name=vm.name))
    check(vm, engine, mounts, on_event=on_event)
    _remember(note, slept)
    return True


def check(vm: Vm, engine: Engine, mounts: Sequence[MountPoint], *, on_event: OnEvent) -> None:
    """Check and repair the clock and the mounts of a VM that runs.

    Raises:
        EngineError: the VM cannot be reached, or shows nothing of a mount.
    """
    inside = look_inside(vm, engine, mounts)
    if abs(inside.clock - time.time()) > _SKEW:
        on_event(_("The clock of VM {name} was wrong; setting it").format(name=vm.name))
        done = engine.run_inside(vm, [*guest.SET_CLOCK, f"@{time.time():.0f}"])
        if done.returncode:
            on_event(_("The clock of VM {name} could not be set").format(name=vm.name))
    repair(vm, engine, mounts, on_event=on_event, found=inside)


def _remembered(note: Path) -> float:
    """Return how long the host had slept at the last look; 0 when that was before its last start."""
    try:
        boot, slept = note.read_text(encoding="ascii").split()
        return float(slept) if boot == _boot() else 0.0
    except (OSError, ValueError):
        return 0.0


def _remember(note: Path, slept: float) -> None:
    try:
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = note.with_name(f".{note.name}.{os.getpid()}")
        draft.write_text(f"{_boot()} {slept:.1f}\n", encoding="ascii")
        os.replace(draft, note)
    except OSError as error:
        raise EngineError(_("{path} cannot be written: {reason}").format(path=note, reason=error.strerror)) from None


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "-"
