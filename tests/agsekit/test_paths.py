from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import pytest

from agsekit import paths

HOME = Path("/home/someone")


@pytest.mark.parametrize(
    ("explicit", "environment", "expected"),
    [
        (None, {}, "/home/someone/.config/agsekit/config.yaml"),
        (None, {"XDG_CONFIG_HOME": "/xdg"}, "/xdg/agsekit/config.yaml"),
        (None, {"XDG_CONFIG_HOME": "xdg"}, "/home/someone/.config/agsekit/config.yaml"),
        (None, {"XDG_CONFIG_HOME": "/xdg", "AGSEKIT_CONFIG": "/two"}, "/two"),
        (None, {"AGSEKIT_CONFIG": "/two", "CONFIG_PATH": "/one"}, "/one"),
        (None, {"AGSEKIT_CONFIG": "/two", "CONFIG_PATH": ""}, "/two"),
        (None, {"CONFIG_PATH": "~/one"}, "/home/someone/one"),
        (None, {"CONFIG_PATH": "one"}, "one"),
        (Path("/given"), {"CONFIG_PATH": "/one"}, "/given"),
        (Path("~/given"), {}, "/home/someone/given"),
    ],
)
def test_the_first_place_that_is_given_wins(
    explicit: Path | None, environment: Mapping[str, str], expected: str
) -> None:
    assert paths.find_config(explicit, environment, HOME) == Path(expected)


def test_folders_lie_below_the_home_where_xdg_says_nothing() -> None:
    assert paths.data_folder({}, HOME) == HOME / ".local/share/agsekit"
    assert paths.state_folder({}, HOME) == HOME / ".local/state/agsekit"
    assert paths.runtime_folder({}, HOME) == HOME / ".local/state/agsekit/run"


def test_folders_lie_where_xdg_says() -> None:
    environment = {
        "XDG_DATA_HOME": "/data",
        "XDG_STATE_HOME": "/state",
        "XDG_RUNTIME_DIR": "/run/user/1000",
    }

    assert paths.data_folder(environment, HOME) == Path("/data/agsekit")
    assert paths.state_folder(environment, HOME) == Path("/state/agsekit")
    assert paths.runtime_folder(environment, HOME) == Path("/run/user/1000/agsekit")


@pytest.mark.parametrize("variable", ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"])
def test_a_relative_folder_of_xdg_is_ignored(variable: str) -> None:
    environment = {variable: "relative"}

    folders = [
        paths.data_folder(environment, HOME),
        paths.state_folder(environment, HOME),
        paths.runtime_folder(environment, HOME),
    ]

    assert all(HOME in folder.parents for folder in folders)


def test_the_home_is_that_of_the_environment_when_it_is_absolute() -> None:
    assert paths.home_folder({"HOME": "/home/someone"}) == HOME


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_the_home_is_else_that_of_the_list_of_users(environment: Mapping[str, str]) -> None:
    assert paths.home_folder(environment) == Path(pwd.getpwuid(os.getuid()).pw_dir)
