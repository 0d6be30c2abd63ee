"""Where an agent may be used."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from agsekit.config.model import Agent, AllowedAgents, Config, Mount, Vm
from agsekit.errors import AgsekitError
from agsekit.i18n import _


def refuse_forbidden(config: Config, agent: Agent, vm: Vm, mount: Mount | None) -> None:
    """Refuse an agent that `allowed-agents` of the VM or of the mount does not name.

    The innermost mount around the folder that has a list decides for it. A folder inside is seen through the mount
    as well, so an agent that is not allowed there is not allowed in the whole.

    Raises:
        AgsekitError: it is not allowed; the message says where that is written, the hint what is allowed.
    """
    _check(agent, _("in VM '{vm}'").format(vm=vm.name), vm.allowed_agents)
    if mount is None:
        return
    source = _real(mount)
    around = [each for each in config.mounts if _real(each) == source or _real(each) in source.parents]
    decisive = _innermost(each for each in around if each.allowed_agents is not None)
    if decisive is not None:
        _check(agent, _("in {folder}").format(folder=decisive.source), decisive.allowed_agents)
    for inner in config.mounts:
        if source in _real(inner).parents:
            where = _("in {folder}, which can be seen through {outer}").format(
                folder=inner.source, outer=mount.source
            )
            _check(agent, where, inner.allowed_agents)


def is_allowed(agent: Agent, vm: Vm) -> bool:
    """Tell whether a VM lets an agent be used in it, whatever its mounts say."""
    return vm.allowed_agents is None or agent.name in vm.allowed_agents.names


def _innermost(mounts: Iterable[Mount]) -> Mount | None:
    return max(mounts, key=lambda mount: len(_real(mount).parts), default=None)


def _real(mount: Mount) -> Path:
    return Path(os.path.realpath(mount.source))


def _check(agent: Agent, where: str, allowed: AllowedAgents | None) -> None:
    if allowed is None or agent.name in allowed.names:
        return
    names = ", ".join(allowed.names)
    raise AgsekitError(
        _("the agent '{name}' is not allowed {where}").format(name=agent.name, where=where),
        hint=(_("allowed are {names} ({place})") if names else _("no agent is allowed there ({place})")).format(
            names=names, place=allowed.place
        ),
    )
