"""What to install where: each type of agent once in a VM, however many profiles use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from agsekit.agent_types import CUSTOM, AgentType, agent_types
from agsekit.config.allowed import is_allowed
from agsekit.config.model import Agent, Config, Vm
from agsekit.errors import UsageError
from agsekit.i18n import _

LATEST = "latest"


@dataclass(frozen=True)
class Order:
    """One type for one VM. `agents` are the profiles that use it; the first decides about proxy and environment."""

    vm: Vm
    type: AgentType
    agents: Sequence[Agent]

    @property
    def agent(self) -> Agent:
        """The profile whose settings count."""
        return self.agents[0]

    @property
    def name(self) -> str:
        """What to call it: its type, or a custom agent's own name."""
        return self.agent.name if self.type.name == CUSTOM else self.type.name

    @property
    def explicit(self) -> Optional[str]:
        """The version that the configuration asks for."""
        return next((each.version for each in self.agents if each.version), None)

    @property
    def wanted(self) -> str:
        """The version to install."""
        return self.explicit or self.type.version or LATEST


def vms_of_agent(config: Config, agent: Agent) -> Sequence[Vm]:
    """Return the VMs that an agent is meant for: its own, else those of all mounts, else the first."""
    if agent.vm is not None and agent.vm in config.vms:
        return [config.vms[agent.vm]]
    names = dict.fromkeys(mount.vm for mount in config.mounts)
    return [config.vms[name] for name in names] or [config.first_vm]


def plan(config: Config, agents: Sequence[Agent], vms: Optional[Sequence[Vm]] = None) -> Sequence[Order]:
    """Return what to install where, each type once in a VM; without `vms` where the agents are meant for.

    VMs that do not allow an agent are left out.

    Raises:
        UsageError: two of the agents want different versions of one type in one VM.
    """
    orders: dict[tuple[str, str], Order] = {}
    for agent in agents:
        places = vms if vms is not None else vms_of_agent(config, agent)
        for vm in (each for each in places if is_allowed(agent, each)):
            # Every custom agent is a program of its own.
            key = (vm.name, agent.type if agent.type != CUSTOM else f"{CUSTOM} {agent.name}")
            known = orders.get(key)
            orders[key] = (
                replace(known, agents=(*known.agents, agent))
                if known
                else Order(vm, agent_types()[agent.type], [agent])
            )
    for order in orders.values():
        _refuse_two_versions(order)
    return list(orders.values())


def _refuse_two_versions(order: Order) -> None:
    asking = [each for each in order.agents if each.version]
    if len({each.version for each in asking}) > 1:
        raise UsageError(
            _("{agents} want different versions of {type} in VM {vm}: {versions}").format(
                agents=", ".join(each.name for each in asking),
                type=order.type.name,
                vm=order.vm.name,
                versions=", ".join(str(each.version) for each in asking),
            ),
            hint=_("give them one `version` in the configuration, or a VM each"),
        )
