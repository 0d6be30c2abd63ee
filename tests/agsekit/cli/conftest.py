from __future__ import annotations

import pytest

from tests.support.world import World, write_files


@pytest.fixture
def project(world: World) -> World:
    """A world with a configuration, and a few files in the project."""
    world.configure()
    write_files(world.project, {"a.txt": "one\n", "src/b.txt": "two\n"})
    return world
