"""Which VM, mount and agent is meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from agsekit.config.model import Agent, Config, Mount, Vm
from agsekit.config.problems import did_you_mean
from agsekit.errors import NotFoundError
from agsekit.i18n import _

T = TypeVar("T")


def mount_for(config: Config, folder: Path, *, vm: str | None = None) -> Mount | None:
    """Return the mount with the longest source that is `folder` or contains it, by their real paths.

    Of several mounts of that source the one of `vm` is taken, else the first.
    """
    real_folder = Path(os.path.realpath(folder))
    around = (real_folder, *real_folder.parents)
    candidates = [(Path(os.path.realpath(mount.source)), mount) for mount in config.mounts]
    containing = [(source, mount) for source, mount in candidates if source in around]
    if not containing:
        return None
    return max(containing, key=lambda each: (len(each[0].parts), each[1].vm == vm))[1]


def mount_of_source(config: Config, source: Path) -> Mount:
    """Return the first mount of exactly this folder, by real paths, or raise `NotFoundError` with the known ones."""
    real = os.path.realpath(source)
    for mount in config.mounts:
        if os.path.realpath(mount.source) == real:
            return mount
    known = [str(mount.source) for mount in config.mounts]
    raise NotFoundError(
        _("{folder} is not the source of a mount in the configuration").format(folder=source),
        hint=_hint(str(source), known, config.path),
    )


def vm_for_run(config: Config, *, requested: str | None, mount: Mount | None, agent: Agent | None) -> Vm:
    """Return the VM that was asked for, else the mount's, else the agent's, else the first.

    Raises:
        NotFoundError: the configuration has no VM of that name.
    """
    if requested is not None:
        return vm_named(config, requested)
    if mount is not None:
        return vm_named(config, mount.vm)
    if agent is not None and agent.vm is not None:
        return vm_named(config, agent.vm)
    return config.first_vm


def vm_named(config: Config, name: str) -> Vm:
    """Return the VM of that name, or raise `NotFoundError` with the known ones."""
    return _named(config.vms, name, _("There is no VM '{name}' in the configuration"), config.path)


def mounts_of(config: Config, folder: Path, *, vm: str | None = None) -> list[Mount]:
    """Return the mounts of the source that is `folder` or contains it, one for each VM that has it.

    Raises:
        NotFoundError: there is none, or none in `vm`.
    """
    if vm is not None:
        vm_named(config, vm)
    found = mount_for(config, folder, vm=vm)
    source = os.path.realpath(found.source) if found else None
    mounts = [each for each in config.mounts if os.path.realpath(each.source) == source and vm in (None, each.vm)]
    if not mounts:
        missing = _("{folder} does not belong to a mount of the configuration").format(folder=folder)
        if vm is not None and found:
            missing = _("{folder} is not mounted in the VM '{vm}'").format(folder=folder, vm=vm)
        raise NotFoundError(
            missing, hint=_hint(str(folder), [str(each.source) for each in config.mounts], config.path)
        )
    return mounts


def agent_named(config: Config, name: str) -> Agent:
    """Return the agent of that name, or raise `NotFoundError` with the known ones."""
    return _named(config.agents, name, _("There is no agent '{name}' in the configuration"), config.path)


def hint_for_unmounted(config: Config, folder: Path) -> str:
    """Return what to do about a folder that no mount contains: the name that was meant, and how to add the folder."""
    import shlex

    hint = _("add it: agsekit addmount {folder}").format(folder=shlex.quote(str(folder)))
    suggestion = did_you_mean(str(folder), [str(each.source) for each in config.mounts])
    return f"{suggestion} {hint}" if suggestion else hint


def _named(known: Mapping[str, T], name: str, missing: str, path: Path) -> T:
    try:
        return known[name]
    except KeyError:
        raise NotFoundError(missing.format(name=name), hint=_hint(name, known, path)) from None


def _hint(name: str, known: Iterable[str], path: Path) -> str:
    names = ", ".join(known)
    if not names:
        return _("there are none yet; add one to {path}").format(path=path)
    hint = _("known names: {names} ({path})").format(names=names, path=path)
    suggestion = did_you_mean(name, known)
    return f"{suggestion} {hint}" if suggestion else hint
