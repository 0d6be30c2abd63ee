from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from agsekit.agents.run import RunPlan, RunRequest, plan_run
from agsekit.config.model import Agent, Config, Mount, Vm
from agsekit.errors import NotFoundError
from agsekit.process import Runner


class Setting:
    """A configuration with two VMs, two mounts and some agents, over real folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web = folder / "web"
        self.api = folder / "api"
        self.outside = folder / "outside"
        for path in (self.web / "src/deep", self.api, self.outside):
            path.mkdir(parents=True)
        agents = (
            Agent("claude", "claude-code", default_args=["--mode=yolo", "--fast"]),
            Agent("second", "qwen", vm="two"),
            Agent("own", "custom", env={"KEY": "value"}, command=["tool", "--verbose"]),
            Agent("lost", "qwen", vm="tow"),
        )
        mounts: Sequence[Mount] = (
            Mount(self.web, PurePosixPath("/home/ubuntu/web"), folder / "backups-web", "one"),
            Mount(self.api, PurePosixPath("/srv/api"), folder / "backups-api", "two"),
        )
        self.config = Config(
            folder / "config.yaml",
            {name: Vm(name) for name in ("one", "two")},
            mounts,
            {agent.name: agent for agent in agents},
        )

    def plan(self, agent: str, folder: Path | None = None, *, here: Path | None = None, **options: Any) -> RunPlan:
        request = RunRequest(agent, folder, here or self.outside, **options)
        return plan_run(self.config, request, Runner({"FROM_THE_HOST": "value"}))


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_a_mounted_folder_is_entered_at_its_target(setting: Setting) -> None:
    plan = setting.plan("claude", setting.api)

    assert plan.mount is setting.config.mounts[1]
    assert plan.guest_folder == plan.command.cwd == PurePosixPath("/srv/api")


def test_a_folder_below_a_mount_maps_to_the_same_folder_inside(setting: Setting) -> None:
    assert setting.plan("claude", setting.web / "src/deep").guest_folder == PurePosixPath("/home/ubuntu/web/src/deep")


def test_without_a_folder_the_mount_around_the_working_folder_is_taken(setting: Setting) -> None:
    plan = setting.plan("claude", here=setting.web / "src")

    assert plan.mount is setting.config.mounts[0]
    assert plan.guest_folder == PurePosixPath("/home/ubuntu/web/src")


def test_a_folder_behind_a_link_is_found_by_its_real_path(setting: Setting) -> None:
    link = setting.folder / "link"
    link.symlink_to(setting.web / "src")

    assert setting.plan("claude", link / "deep").guest_folder == PurePosixPath("/home/ubuntu/web/src/deep")


def test_outside_of_all_mounts_the_agent_starts_in_the_home_of_the_vm(setting: Setting) -> None:
    plan = setting.plan("claude")

    assert plan.mount is None
    assert plan.command.cwd is None


def test_a_named_folder_outside_of_all_mounts_is_refused(setting: Setting) -> None:
    with pytest.raises(NotFoundError, match="outside does not belong to a mount") as caught:
        setting.plan("claude", setting.outside)

    assert f"agsekit addmount {setting.outside}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("agent", "mounted", "requested", "expected"),
    [
        ("claude", None, None, "one"),
        ("second", None, None, "two"),
        ("second", "web", None, "one"),
        ("claude", "api", None, "two"),
        ("claude", None, "two", "two"),
        ("second", None, "one", "one"),
        ("second", "web", "one", "one"),
    ],
)
def test_the_vm_is_the_requested_one_else_that_of_the_mount_else_of_the_agent_else_the_first(
    setting: Setting, agent: str, mounted: str | None, requested: str | None, expected: str
) -> None:
    folder = setting.folder / mounted if mounted else None

    assert setting.plan(agent, folder, vm=requested).vm.name == expected


def test_a_mount_in_another_vm_is_not_used(setting: Setting) -> None:
    with pytest.raises(NotFoundError, match="not mounted in the VM 'two', but in 'one'") as caught:
        setting.plan("claude", setting.web, vm="two")

    assert "--vm" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("agent", "vm", "message", "suggestion"),
    [
        ("cloude", None, "no agent 'cloude'", "did you mean 'claude'?"),
        ("claude", "tow", "no VM 'tow'", "did you mean 'two'?"),
        ("lost", None, "no VM 'tow'", "did you mean 'two'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_likely_one(
    setting: Setting, agent: str, vm: str | None, message: str, suggestion: str
) -> None:
    with pytest.raises(NotFoundError, match=message) as caught:
        setting.plan(agent, vm=vm)

    assert suggestion in str(caught.value.hint)


def test_the_command_is_the_program_of_the_type_with_merged_arguments(setting: Setting) -> None:
    plan = setting.plan("claude", arguments=["--mode=plan", "fix it"])

    assert plan.command.argv == ["claude", "--fast", "--mode=plan", "fix it"]


def test_default_arguments_can_be_left_out(setting: Setting) -> None:
    plan = setting.plan("claude", arguments=["fix it"], skip_default_args=True)

    assert plan.command.argv == ["claude", "fix it"]


def test_a_custom_agent_brings_its_command_and_its_environment(setting: Setting) -> None:
    plan = setting.plan("own", arguments=["task"], tty=True)

    assert plan.command.argv == ["tool", "--verbose", "task"]
    assert plan.command.env == {"KEY": "value"}
    assert plan.command.tty


def test_every_run_has_an_id_of_its_own(setting: Setting) -> None:
    first, second = setting.plan("claude"), setting.plan("claude")

    assert first.run_id != second.run_id
    assert first.command.run_id == first.run_id
