from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Optional

import pytest

from agsekit.config.allowed import refuse_forbidden
from agsekit.config.model import Agent, AllowedAgents, Config, Mount, Vm
from agsekit.errors import AgsekitError

Names = Optional[Sequence[str]]


def allowed(names: Names, place: str) -> AllowedAgents | None:
    return None if names is None else AllowedAgents(names, place)


class Nested:
    """The folders outer, outer/inner and outer/inner/innermost, each a mount with a list or none."""

    def __init__(self, folder: Path, outer: Names, inner: Names, innermost: Names, vm: Names = None) -> None:
        self.vm = Vm("box", allowed_agents=allowed(vm, "config.yaml:2: vms.box.allowed-agents"))
        sources = [folder / "outer", folder / "outer/inner", folder / "outer/inner/innermost"]
        sources[-1].mkdir(parents=True)
        self.mounts = [
            Mount(
                source, PurePosixPath("/srv") / source.name, folder / "backups" / source.name, "box",
                allowed_agents=allowed(names, f"config.yaml:{number}: mounts[{number}].allowed-agents"),
            )
            for number, (source, names) in enumerate(zip(sources, (outer, inner, innermost)))
        ]  # fmt: skip
        self.config = Config(folder / "config.yaml", {"box": self.vm}, self.mounts, {})

    def admits(self, name: str, where: int | None) -> bool:
        try:
            refuse_forbidden(self.config, Agent(name, "qwen"), self.vm, None if where is None else self.mounts[where])
        except AgsekitError:
            return False
        return True


@pytest.mark.parametrize(
    ("lists", "where", "expected"),
    [
        ((None, None, None), 0, "ab"),
        ((["a"], None, None), 0, "a"),
        ((["a"], None, None), 2, "a"),
        ((["a", "b"], ["a"], None), 1, "a"),
        ((["a", "b"], ["a"], None), 2, "a"),
        ((["a"], ["b"], None), 1, "b"),
        ((["a"], [], None), 1, ""),
        ((["a", "b"], ["a"], None), 0, "a"),
        ((None, None, ["b"]), 0, "b"),
        ((["a"], None, ["b"]), 0, ""),
    ],
)
def test_the_innermost_list_decides_and_what_is_seen_through_a_mount_counts(
    tmp_path: Path, lists: Sequence[Names], where: int, expected: str
) -> None:
    nested = Nested(tmp_path, *lists)

    assert [name for name in "ab" if nested.admits(name, where)] == list(expected)


@pytest.mark.parametrize("where", [None, 0])
def test_a_vm_lets_in_only_whom_it_names_wherever_they_work(tmp_path: Path, where: int | None) -> None:
    nested = Nested(tmp_path, None, None, None, vm=["a"])

    assert [name for name in "ab" if nested.admits(name, where)] == ["a"]


def test_a_mount_behind_a_link_is_the_folder_that_it_leads_to(tmp_path: Path) -> None:
    nested = Nested(tmp_path, None, None, None)
    (tmp_path / "link").symlink_to(tmp_path / "outer/inner")
    closed = Mount(
        tmp_path / "link", PurePosixPath("/srv/link"), tmp_path / "b", "box", allowed_agents=AllowedAgents((), "here")
    )
    nested.config = Config(tmp_path / "config.yaml", {"box": nested.vm}, [*nested.mounts, closed], {})

    assert not nested.admits("a", 0)


def test_the_refusal_says_what_is_allowed_and_where_that_is_written(tmp_path: Path) -> None:
    nested = Nested(tmp_path, None, ["a", "b"], [])

    with pytest.raises(AgsekitError) as caught:
        refuse_forbidden(nested.config, Agent("c", "qwen"), nested.vm, nested.mounts[1])
    with pytest.raises(AgsekitError) as seen_through:
        refuse_forbidden(nested.config, Agent("a", "qwen"), nested.vm, nested.mounts[1])

    assert caught.value.message == f"the agent 'c' is not allowed in {tmp_path}/outer/inner"
    assert caught.value.hint == "allowed are a, b (config.yaml:1: mounts[1].allowed-agents)"
    assert f"in {tmp_path}/outer/inner/innermost, which can be seen through" in seen_through.value.message
    assert seen_through.value.hint == "no agent is allowed there (config.yaml:2: mounts[2].allowed-agents)"
