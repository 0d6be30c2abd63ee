"""Folders into machines and out again, and mounts that only look like some."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from agsekit.config.model import Config, Mount, Vm
from agsekit.engines.base import Engine, MountPoint, OnEvent, State
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.machines import guest

_LATE_SECONDS = 15.0
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Inside:
    """What a look into a VM found: its clock, in seconds since 1970, and the mounts that show nothing.

    Of those, `missing` are no mounts, and may be on their way; `stale` are mounts without anything behind them.
    """

    clock: int
    missing: Sequence[MountPoint]
    stale: Sequence[MountPoint]

    @property
    def broken(self) -> Sequence[MountPoint]:
        """All that show nothing."""
        return [*self.missing, *self.stale]


def points_of(mounts: Sequence[Mount]) -> list[MountPoint]:
    """Return mounts the way an engine takes them."""
    return [MountPoint(mount.source, mount.target) for mount in mounts]


def overlaps(config: Config, mount: Mount) -> list[str]:
    """Return a sentence for each other mount of the VM that shares folders with this one."""
    sentences = []
    real = Path(os.path.realpath(mount.source))
    for other in config.mounts:
        if other is mount or other.vm != mount.vm:
            continue
        if share(real, Path(os.path.realpath(other.source))):
            sentences.append(
                _("{source} and {other} are both mounted and one holds the other: changes show up in both").format(
                    source=mount.source, other=other.source
                )
            )
        elif share(mount.target, other.target):
            sentences.append(
                _("{source} and {other} are mounted one inside the other: {target} becomes a folder there").format(
                    source=mount.source, other=other.source, target=max(mount.target, other.target)
                )
            )
    return sentences


def share(one: PurePath, other: PurePath) -> bool:
    """Tell whether one path is the other or contains it."""
    return one == other or one in other.parents or other in one.parents


def mount_all(vm: Vm, engine: Engine, mounts: Sequence[MountPoint], *, on_event: OnEvent) -> None:
    """Start the VM if need be, mount what is missing, move what is at a wrong place, repair what shows nothing.

    Raises:
        EngineError: it cannot be done; a folder that can never be mounted is refused before anything is started.
    """
    for mount in mounts:
        engine.check_mount(vm, mount)
    if engine.capabilities.boots:
        engine.start(vm, on_event=on_event)
    engine.make_ready(vm, mounts, on_event=on_event)
    if engine.capabilities.lasting_mounts:
        repair(vm, engine, mounts, on_event=on_event)


def repair(
    vm: Vm,
    engine: Engine,
    mounts: Sequence[MountPoint],
    *,
    on_event: OnEvent,
    found: Inside | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Mount again what shows nothing inside although the host has something there.

    After a restart of its service a machine runs for some seconds before its mounts are back, so they get a
    moment first.

    Raises:
        EngineError: it shows nothing still.
    """
    deadline = now() + _LATE_SECONDS
    inside = found or look_inside(vm, engine, mounts)
    while inside.missing and now() < deadline:
        sleep(_POLL_SECONDS)
        inside = look_inside(vm, engine, mounts)
    if not inside.broken:
        return
    for mount in inside.broken:
        on_event(
            _("{source} shows nothing in VM {name}; mounting it again").format(source=mount.source, name=vm.name)
        )
        engine.unmount(vm, mount.target)
    engine.make_ready(vm, mounts, on_event=on_event)
    still = look_inside(vm, engine, mounts).broken
    if still:
        raise EngineError(
            _("{source} shows nothing in VM {name}").format(source=still[0].source, name=vm.name),
            hint=_("Restart the VM: agsekit restart-vm {name}").format(name=vm.name),
        )


def look_inside(vm: Vm, engine: Engine, mounts: Sequence[MountPoint]) -> Inside:
    """Look into a VM that runs, in one call.

    Raises:
        EngineError: it cannot be reached.
    """
    checking = ["sh", "-c", guest.CHECK, "agsekit", *(str(mount.target) for mount in mounts)]
    done = engine.run_inside(vm, checking)
    first, *lines = done.text.splitlines() or [""]
    if done.returncode or not first.isdigit():
        raise EngineError(
            _("VM {name} cannot be looked into").format(name=vm.name),
            hint=_("Restart it: agsekit restart-vm {name}").format(name=vm.name),
            details=done.error_text or None,
        )
    said = {target: word for word, _space, target in (line.partition(" ") for line in lines)}
    missing = [mount for mount in mounts if said.get(str(mount.target)) == "missing"]
    dead = [mount for mount in mounts if said.get(str(mount.target)) == "dead"]
    empty = [mount for mount in mounts if said.get(str(mount.target)) == "empty"]
    return Inside(int(first), missing, [*dead, *(mount for mount in empty if _has_content(mount.source))])


def _has_content(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _entry in entries)
    except OSError:
        return False


def unmount(vm: Vm, engine: Engine, target: MountPoint) -> bool:
    """Remove a mount and say whether there was one; never starts a VM."""
    if not engine.capabilities.lasting_mounts or engine.inspect(vm).state in (State.ABSENT, State.DELETED):
        return False
    return engine.unmount(vm, target.target)
