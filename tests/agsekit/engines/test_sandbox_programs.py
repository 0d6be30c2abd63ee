"""A program that is not there inside is refused before anything starts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from agsekit.engines.base import MountPoint
from agsekit.engines.sandbox_programs import check_program
from agsekit.errors import EngineError

SEARCH = "/home/ubuntu/.local/bin:/usr/bin"
CWD = PurePosixPath("/home/ubuntu/project/src")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one program, beside a project with another."""
    for path in ("home/.local/bin/agent", "project/src/tool", "outside/tool"):
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.touch()
    return tmp_path / "home"


def _check(name: str, home: Path) -> None:
    mounts = [MountPoint(home.parent / "project", PurePosixPath("/home/ubuntu/project"))]
    check_program(name, SEARCH, cwd=CWD, home=home, mounts=mounts, vm="box")


@pytest.mark.parametrize(
    "name", ["agent", "env", "./tool", "../src/tool", "/home/ubuntu/project/src/tool", "/usr/bin/env"]
)
def test_what_is_there_inside_is_accepted(name: str, home: Path) -> None:
    _check(name, home)


@pytest.mark.parametrize("name", ["no-such-agent", "./agent", "/home/ubuntu/agent"])
def test_what_is_not_there_is_refused_with_a_place_to_put_it(name: str, home: Path) -> None:
    with pytest.raises(EngineError, match="there is no program") as refused:
        _check(name, home)

    assert str(home) in str(refused.value.hint)


def test_a_program_of_the_host_outside_of_the_sandbox_is_refused(home: Path) -> None:
    with pytest.raises(EngineError):
        _check(str(home.parent / "outside" / "tool"), home)
