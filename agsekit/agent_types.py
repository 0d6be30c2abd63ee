"""The kinds of agent that agsekit knows, in the one place that every layer may read.

They are data, in `agent_scripts/types.json`, which is read at the first question: nothing is parsed for `--help`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agsekit.resources import agent_scripts

CUSTOM = "custom"
PROXY_WAYS = ("proxychains", "variables")


@dataclass(frozen=True)
class Approvals:
    """What has an agent act without asking: arguments to give it, and variables to set."""

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Login:
    """How an agent is logged in: arguments that have it do so, and the hosts of the pages it sends people to.

    Without arguments the agent asks by itself when it is started.
    """

    arguments: Sequence[str] = ()
    hosts: Sequence[str] = ()


@dataclass(frozen=True)
class AgentType:
    """A kind of agent.

    Attributes:
        name: what the configuration calls it; `aliases` are other words for it.
        title: what people call it.
        binary: the program to look for inside the VM; None when the profile brings its own `command`.
        script: the file in `agent_scripts/` that installs it; None when there is none.
        version: what is installed unless the configuration names another; None without a script.
        node: the oldest major version of Node that it runs on; None when it needs no Node.
        python: the Pythons that it runs on, as `OLDEST-NEWEST`; None when it needs none.
        state: files and folders below the home that hold its login and its settings.
        keys: variables that it takes its keys and its endpoint from.
        login: how it is logged in; None when it only takes keys.
        approvals_off: what has it act without asking.
        proxy: which ways of `network.proxychains` reach it, of PROXY_WAYS.
        minutes: how long an installation may take.
    """

    name: str
    title: str
    binary: str | None = None
    aliases: Sequence[str] = ()
    script: str | None = None
    version: str | None = None
    node: int | None = None
    python: str | None = None
    state: Sequence[str] = ()
    keys: Sequence[str] = ()
    login: Login | None = None
    approvals_off: Approvals = field(default_factory=Approvals)
    proxy: Sequence[str] = PROXY_WAYS
    minutes: int = 30


@functools.lru_cache(maxsize=1)
def agent_types() -> Mapping[str, AgentType]:
    """Return all types by name, in the order of the table.

    Raises:
        ValueError: the table that came with agsekit is broken.
    """
    import json

    with (agent_scripts() / "types.json").open(encoding="utf-8") as file:
        return parse_types(json.load(file))


def find_agent_type(name: str) -> AgentType | None:
    """Return the type of that name or alias, or None."""
    for agent_type in agent_types().values():
        if name == agent_type.name or name in agent_type.aliases:
            return agent_type
    return None


def parse_types(table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, AgentType]:
    """Return the types of a table that was read.

    Raises:
        ValueError: an entry has a key that does not exist, lacks one, or has a value of the wrong kind.
    """
    return {name: _parse(name, entry) for name, entry in table.items()}


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "title": str,
    "binary": str,
    "script": str,
    "version": str,
    "python": str,
    "node": int,
    "minutes": int,
    "aliases": list,
    "state": list,
    "keys": list,
    "proxy": list,
    "approvals_off": dict,
    "login": dict,
}


def _parse(name: str, entry: Mapping[str, Any]) -> AgentType:
    for key, value in entry.items():
        kind = _KINDS.get(key)
        if kind is None or not isinstance(value, kind):
            raise ValueError(f"{name}: {key} is no known key, or not of its kind")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ValueError(f"{name}: {key} must hold texts only")
    if (
        "title" not in entry
        or ("script" in entry) != ("version" in entry)
        or ("script" in entry) != ("binary" in entry)
    ):
        raise ValueError(f"{name}: needs a title, and a script needs a version and a binary")
    if not set(entry.get("proxy", ())) <= set(PROXY_WAYS):
        raise ValueError(f"{name}: proxy must be some of {', '.join(PROXY_WAYS)}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if "login" in entry:
        values["login"] = _parse_login(name, entry["login"])
    values["approvals_off"] = _parse_approvals(name, entry.get("approvals_off", {}))
    return AgentType(name, **values)


def _parse_approvals(name: str, entry: Mapping[str, Any]) -> Approvals:
    arguments, environment = entry.get("arguments", []), entry.get("environment", {})
    texts = [*arguments, *environment, *environment.values()]
    if not set(entry) <= {"arguments", "environment"} or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name}: approvals_off has arguments and environment, which are texts")
    return Approvals(tuple(arguments), dict(environment))


def _parse_login(name: str, entry: Mapping[str, Any]) -> Login:
    arguments, hosts = entry.get("arguments", []), entry.get("hosts", [])
    if not set(entry) <= {"arguments", "hosts"} or not all(isinstance(text, str) for text in [*arguments, *hosts]):
        raise ValueError(f"{name}: login has arguments and hosts, which are texts")
    return Login(tuple(arguments), tuple(hosts))
