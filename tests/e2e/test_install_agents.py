"""Real agents, installed from the package registries into a sandbox, tell their version."""

from __future__ import annotations

import re

import pytest

from agsekit.agent_types import agent_types
from tests.support.real_agents import TYPES, VM, RealAgents


@pytest.mark.parametrize("name", TYPES)
def test_an_agent_is_installed_and_prints_its_version(real_agents: RealAgents, name: str) -> None:
    world = real_agents.world
    [done] = real_agents.install(name)

    version = world.agsekit("run", name, "--quiet", "--", "--version", cwd=world.home)

    assert done.code == 0, done.err
    assert version.code == 0, version.err
    wanted = agent_types()[name].version
    assert wanted is not None
    assert re.search(rf"(?<![0-9.]){re.escape(wanted)}(?![0-9.]*[0-9])", version.out), version.out


def test_all_of_them_are_listed_and_left_alone_the_next_time(real_agents: RealAgents) -> None:
    world = real_agents.world
    real_agents.install(*TYPES)

    listed = world.agsekit("agents", "list", "--json").document["agents"]
    again = world.agsekit("install-agents", "--all-agents", "--json").document["installations"]

    expected = {name: agent_types()[name].version for name in TYPES}
    assert {each["name"]: each["vms"][0]["version"] for each in listed} == expected
    assert {each["type"]: (each["vm"], each["result"]) for each in again} == dict.fromkeys(TYPES, (VM, "unchanged"))
