from __future__ import annotations

import os
from pathlib import Path

import pytest

from agsekit.config.load import load_config
from agsekit.config.watch import WatchedConfig
from agsekit.errors import ConfigError

ONE, TWO = "vms: {one: {}}\n", "vms: {two: {}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(ONE)
    return path


def watch(file: Path) -> WatchedConfig:
    return WatchedConfig(file, lambda: load_config(file, home=file.parent))


def test_nothing_is_new_as_long_as_nothing_changes(file: Path) -> None:
    watched = watch(file)

    assert [watched.refresh() for _number in range(3)] == [(False, None)] * 3


@pytest.mark.parametrize("replaced", [True, False])
def test_a_change_counts_once_it_was_seen_twice(file: Path, replaced: bool) -> None:
    watched = watch(file)
    if replaced:
        (file.parent / "new").write_text(TWO)
        os.replace(file.parent / "new", file)
    else:
        file.write_text(TWO)

    answers = [watched.refresh() for _number in range(3)]

    assert answers == [(False, None), (True, None), (False, None)]
    assert list(watched.config.vms) == ["two"]


def test_a_file_is_not_read_while_it_is_being_written(file: Path) -> None:
    watched = watch(file)
    file.write_text("")
    first = watched.refresh()
    file.write_text(TWO)

    answers = [first, watched.refresh(), watched.refresh()]

    assert answers == [(False, None), (False, None), (True, None)]


@pytest.mark.parametrize("problem", ["invalid", "missing"])
def test_a_file_that_cannot_be_used_is_told_of_once_and_what_was_valid_stays(file: Path, problem: str) -> None:
    watched = watch(file)
    file.write_text("vms: 3\n") if problem == "invalid" else file.unlink()

    answers = [watched.refresh() for _number in range(4)]
    file.write_text(TWO)
    after = [watched.refresh() for _number in range(2)]

    assert isinstance(answers[1][1], ConfigError)
    assert [answers[0], *answers[2:]] == [(False, None)] * 3
    assert after == [(False, None), (True, None)]


def test_a_file_that_is_invalid_from_the_start_is_an_error(file: Path) -> None:
    file.write_text("vms: 3\n")

    with pytest.raises(ConfigError):
        watch(file)
