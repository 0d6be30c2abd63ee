"""config-example, tried with the real console script."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.config.example import example
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
