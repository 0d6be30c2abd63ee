from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agsekit.config.model import Config
from agsekit.config.select import agent_named, mount_for, vm_for_run
from agsekit.errors import ExitCode, NotFoundError

Load = Callable[[str], Config]


@pytest.fixture
def config(load: Load, tmp_path: Path) -> Config:
    (tmp_path / "work/project/src").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(tmp_path / "work/project")
    return load(f"""
        vms: {{first: {{}}, second: {{}}, third: {{}}}}
        mounts:
          - {{source: {tmp_path}/work, backup: {tmp_path}/b1, vm: second}}
          - {{source: {tmp_path}/alias, backup: {tmp_path}/b2, vm: second}}
          - {{source: {tmp_path}/work/project, backup: {tmp_path}/b3, vm: third}}
        agents:
          placed: {{type: qwen, vm: third}}
          free: {{type: qwen}}
          lost: {{type: qwen, vm: forth}}
    """)


def test_the_longest_source_that_holds_the_folder_wins(config: Config, tmp_path: Path) -> None:
    inner = mount_for(config, tmp_path / "work/project/src")
    outer = mount_for(config, tmp_path / "work")

    assert inner is config.mounts[1]
    assert outer is config.mounts[0]


def test_of_mounts_with_one_source_that_of_the_vm_is_taken(config: Config, tmp_path: Path) -> None:
    assert mount_for(config, tmp_path / "work/project", vm="third") is config.mounts[2]


def test_a_folder_is_found_through_links_on_both_sides(config: Config, tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(tmp_path / "work")

    assert mount_for(config, tmp_path / "other/project/not yet there") is config.mounts[1]
    assert mount_for(config, tmp_path / "alias/src") is config.mounts[1]


def test_a_folder_beside_a_source_with_the_same_beginning_is_in_no_mount(config: Config, tmp_path: Path) -> None:
    assert mount_for(config, tmp_path / "workshop") is None


def test_the_vm_is_the_requested_one_then_the_mounts_then_the_agents_then_the_first(config: Config) -> None:
    mount = config.mounts[0]
    agent = config.agents["placed"]

    assert vm_for_run(config, requested="first", mount=mount, agent=agent).name == "first"
    assert vm_for_run(config, requested=None, mount=mount, agent=agent).name == "second"
    assert vm_for_run(config, requested=None, mount=None, agent=agent).name == "third"
    assert vm_for_run(config, requested=None, mount=None, agent=config.agents["free"]).name == "first"
    assert vm_for_run(config, requested=None, mount=None, agent=None).name == "first"


def test_an_unknown_vm_is_an_error_with_the_known_ones(config: Config) -> None:
    with pytest.raises(NotFoundError) as raised:
        vm_for_run(config, requested="secnd", mount=None, agent=None)

    assert raised.value.exit_code == ExitCode.NOT_FOUND
    assert raised.value.message == "There is no VM 'secnd' in the configuration"
    assert raised.value.hint == f"did you mean 'second'? known names: first, second, third ({config.path})"


def test_the_unknown_vm_of_an_agent_is_an_error_once_it_is_used(config: Config) -> None:
    with pytest.raises(NotFoundError, match="'forth'"):
        vm_for_run(config, requested=None, mount=None, agent=config.agents["lost"])


def test_an_agent_is_found_by_its_name(config: Config) -> None:
    assert agent_named(config, "free") is config.agents["free"]

    with pytest.raises(NotFoundError, match="no agent 'fre'") as raised:
        agent_named(config, "fre")
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("did you mean 'free'?")


def test_without_any_agent_the_error_says_where_to_add_one(load: Load) -> None:
    config = load("vms: {box: {}}")

    with pytest.raises(NotFoundError) as raised:
        agent_named(config, "qwen")

    assert raised.value.hint == f"there are none yet; add one to {config.path}"
