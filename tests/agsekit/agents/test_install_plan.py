from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from agsekit.agents.install_plan import plan, vms_of_agent
from agsekit.config.model import Agent, Config, Mount, Vm
from agsekit.errors import UsageError

ONE, TWO, THREE = Vm("one"), Vm("two"), Vm("three")


def config_with(*agents: Agent, mounted_in: tuple[str, ...] = ()) -> Config:
    """Return a configuration with three VMs."""
    mounts = [Mount(Path(f"/p/{vm}"), PurePosixPath("/p"), Path(f"/b/{vm}"), vm) for vm in mounted_in]
    return Config(Path("/c"), {vm.name: vm for vm in (ONE, TWO, THREE)}, mounts, {each.name: each for each in agents})


def names(*agents: Agent, **more: tuple[str, ...]) -> list[tuple[str, str, list[str], str]]:
    """Return VM, type, agents and version of each order."""
    orders = plan(config_with(*agents, **more), agents)
    return [(each.vm.name, each.name, [agent.name for agent in each.agents], each.wanted) for each in orders]


def test_a_type_is_installed_once_in_a_vm_however_many_profiles_use_it() -> None:
    first = Agent("first", "qwen")
    second = Agent("second", "qwen", version="1.2.3")
    elsewhere = Agent("elsewhere", "qwen", vm="two", version="latest")

    assert names(first, second, elsewhere) == [
        ("one", "qwen", ["first", "second"], "1.2.3"),
        ("two", "qwen", ["elsewhere"], "latest"),
    ]


def test_custom_agents_are_programs_of_their_own() -> None:
    mine, yours = (Agent(name, "custom", command=("x",)) for name in ("mine", "yours"))

    assert [each[1] for each in names(mine, yours)] == ["mine", "yours"]


def test_an_agent_is_meant_for_its_vm_else_for_those_of_the_mounts_else_for_the_first() -> None:
    agent, with_vm = Agent("a", "qwen"), Agent("b", "qwen", vm="three")
    mounted = config_with(agent, mounted_in=("two", "three", "two"))

    assert vms_of_agent(mounted, with_vm) == [THREE]
    assert vms_of_agent(mounted, agent) == [TWO, THREE]
    assert vms_of_agent(config_with(agent), agent) == [ONE]


def test_two_versions_of_one_type_in_one_vm_are_refused() -> None:
    first, second = Agent("first", "qwen", version="1.0"), Agent("second", "qwen", version="2.0")

    with pytest.raises(UsageError, match=r"first, second want different versions of qwen in VM one: 1\.0, 2\.0"):
        plan(config_with(first, second), [first, second])
