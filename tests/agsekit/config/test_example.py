from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from agsekit.config.example import example, write_example
from agsekit.config.schema import MARK
from agsekit.errors import AgsekitError
from agsekit.resources import config_example


def test_the_example_is_written_for_the_user_alone_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/config.yaml"

    written = write_example(path)

    assert written
    assert path.read_bytes() == example()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["config.yaml"]


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine")

    written = write_example(path)

    assert not written
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_dangling_link_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.symlink_to(tmp_path / "elsewhere")

    written = write_example(path)

    assert not written
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_file_that_appears_at_the_last_moment_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    sync = os.fsync

    def sync_and_lose_the_race(descriptor: int) -> None:
        sync(descriptor)
        path.write_text("theirs")

    monkeypatch.setattr(os, "fsync", sync_and_lose_the_race)

    written = write_example(path)

    assert not written
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_place_that_cannot_be_written_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AgsekitError, match="cannot be written") as raised:
        write_example(tmp_path / "file/config.yaml")

    assert raised.value.hint


def test_the_written_example_leads_editors_to_the_installed_schema(tmp_path: Path) -> None:
    write_example(tmp_path / "config.yaml")

    first, rest = (tmp_path / "config.yaml").read_text(encoding="utf-8").split("\n", 1)

    assert json.loads(Path(first[len(MARK) :]).read_bytes())["title"] == "The configuration of agsekit"
    assert rest == config_example().read_text(encoding="utf-8").split("\n", 1)[1]
