"""Commands about the configuration, tried with the real console script."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.config.example import example
from agsekit.config.schema import schema_file
from tests.support.world import World


def test_the_example_is_written_where_the_configuration_is_looked_for(world: World) -> None:
    done = world.agsekit("config-example")

    assert (done.code, done.out) == (0, "")
    assert str(world.config) in done.err
    assert world.config.read_bytes() == example()
    assert world.config.stat().st_mode & 0o777 == 0o600
    assert world.config.parent.stat().st_mode & 0o777 == 0o700


def test_the_example_can_be_used_as_it_is(world: World) -> None:
    world.agsekit("config-example")

    done = world.agsekit("run", "nobody")

    assert done.code == 125
    assert "There is no agent 'nobody'" in done.err
    assert "qwen" in done.err


@pytest.mark.parametrize("place", ["own.yaml", "new/folder/own.yaml"])
def test_the_example_is_written_to_the_path_that_is_named(world: World, place: str) -> None:
    done = world.agsekit("config-example", place)

    assert done.code == 0
    assert (world.home / place).read_bytes() == example()
    assert not world.config.exists()


def test_an_existing_file_is_left_alone(world: World) -> None:
    existing = world.home / "own.yaml"
    existing.write_text("mine")

    done = world.agsekit("config-example", existing)

    assert done.code == 0
    assert "left alone" in done.err
    assert existing.read_text() == "mine"


def test_the_path_of_the_option_is_used_where_no_other_is_named(world: World) -> None:
    world.agsekit("config-example", "--config", world.home / "own.yaml")

    assert (world.home / "own.yaml").exists()


def test_a_place_that_cannot_be_written_is_an_error_with_a_hint(world: World) -> None:
    done = world.agsekit("config-example", "/proc/agsekit.yaml")

    assert (done.code, done.out) == (1, "")
    assert "error: The example cannot be written to /proc/agsekit.yaml" in done.err
    assert "hint: " in done.err
    assert not Path("/proc/agsekit.yaml").exists()


# config validate


def test_problems_and_warnings_are_told_together_in_the_order_of_the_file(world: World) -> None:
    world.configure()
    world.config.write_text(
        "vms:\n  box: {cpu: none}\nmounts:\n  - souce: /x\nagents:\n  a: {type: qwen, vm: nobody, env: {K: v}}\n"
    )
    world.config.chmod(0o644)

    done = world.agsekit("config", "validate")

    assert (done.code, done.err) == (10, "")
    lines = done.out.splitlines()
    assert [line.removeprefix(f"{world.config}:").split(": ")[:3] for line in lines] == [
        ["2", "error", "vms.box.cpu"],
        ["4", "error", "mounts[0].souce"],
        ["4", "error", "mounts[0].source"],
        ["5", "warning", "agents"],
        ["6", "warning", "agents.a.vm"],
    ]
    assert "did you mean 'source'?" in lines[1]


def test_the_json_of_validate_tells_the_same(world: World) -> None:
    world.write_config({"vms": {"box": {}}, "agents": {"a": {"type": "qwen", "vm": "bx"}}})

    valid = world.agsekit("config", "validate", "--json")
    world.write_config({"vms": {}})
    invalid = world.agsekit("config", "validate", "--json")

    assert (valid.code, valid.document["valid"], valid.document["problems"]) == (0, True, [])
    assert valid.document["file"] == str(world.config)
    assert valid.document["warnings"][0]["key"] == "agents.a.vm"
    assert (invalid.code, invalid.document["valid"], invalid.document["warnings"]) == (10, False, [])
    assert invalid.document["problems"] == [{"line": 1, "key": "vms", "message": "must hold at least one VM"}]


def test_a_valid_configuration_is_told_in_one_line(world: World) -> None:
    world.configure()

    assert world.agsekit("config", "validate").out == f"{world.config} is valid (VMs: 1, mounts: 1, agents: 1)\n"
    assert world.agsekit("config", "validate", "-q").out == ""


def test_a_missing_configuration_is_an_error_with_a_hint(world: World) -> None:
    done = world.agsekit("config", "validate")

    assert (done.code, done.out) == (10, "")
    assert "hint: write one with" in done.err


def test_syntax_that_is_no_yaml_is_a_finding_with_its_line(world: World) -> None:
    world.configure()
    world.config.write_text("vms:\n  box: [\n")

    done = world.agsekit("config", "validate", "--json")

    assert (done.code, done.document["problems"][0]["line"]) == (10, 3)


# config schema, config path


def test_the_schema_is_printed(world: World) -> None:
    done = world.agsekit("config", "schema")

    assert (done.code, done.out) == (0, schema_file().read_text(encoding="utf-8"))


def test_the_path_is_printed_whether_or_not_there_is_a_file(world: World) -> None:
    assert world.agsekit("config", "path").out == f"{world.config}\n"
    assert world.agsekit("config", "path", "--config", "x.yaml").out == f"{world.home}/x.yaml\n"
