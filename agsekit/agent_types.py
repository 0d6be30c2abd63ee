"""The kinds of agent that agsekit knows, in the one place that every layer may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class AgentType:
    """A kind of agent: its name in the configuration, its program, and other names it is known by.

    `binary` is the program to look for inside the VM; None when the profile brings its own `command`.
    """

    name: str
    binary: str | None
    aliases: tuple[str, ...] = ()


CUSTOM = "custom"

AGENT_TYPES: Mapping[str, AgentType] = {
    agent_type.name: agent_type
    for agent_type in (
        AgentType("qwen", "qwen"),
        AgentType("codex", "codex"),
        AgentType("codex-glibc", "codex-glibc"),
        AgentType("claude-code", "claude", aliases=("claude",)),
        AgentType(CUSTOM, None),
    )
}


def find_agent_type(name: str) -> AgentType | None:
    """Return the type of that name or alias, or None."""
    for agent_type in AGENT_TYPES.values():
        if name == agent_type.name or name in agent_type.aliases:
            return agent_type
    return None
