"""Which program an agent is."""

from __future__ import annotations

from collections.abc import Sequence

from agsekit.agent_types import agent_types
from agsekit.config.model import Agent
from agsekit.errors import AgsekitError
from agsekit.i18n import _


def program_of(agent: Agent) -> Sequence[str]:
    """Return the command of an agent, without arguments.

    Raises:
        AgsekitError: a custom profile has no command.
    """
    if agent.command:
        return agent.command
    binary = agent_types()[agent.type].binary
    if binary is None:
        raise AgsekitError(_("the agent '{name}' has no command").format(name=agent.name))
    return [binary]
