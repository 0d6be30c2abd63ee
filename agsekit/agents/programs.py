"""Which program an agent is, and where inside programs of agents are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

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


def program_folders(home: PurePosixPath) -> Sequence[PurePosixPath]:
    """Return the folders that have to be on PATH inside so that agents are found; `home` is the home inside.

    An agent finds the shared Node by itself. That folder is for what else wants `node`, and should come last.
    """
    return (home / ".local/bin", home / ".local/share/agsekit/node/bin")
