from __future__ import annotations

import os
from pathlib import Path

import pytest

from agsekit.config.rewrite import KEPT, read_draft, replace_config
from agsekit.errors import AgsekitError, ConfigError

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def test_the_file_is_replaced_and_a_private_copy_of_the_old_one_kept(config: Path) -> None:
    copy = replace_config(read_draft(config), b"new", now=NOW)

    assert (config.read_bytes(), copy.read_bytes()) == (b"new", b"old")
    assert copy == config.with_name("config.yaml.backups") / "20270115-080000.yaml"
    assert config.stat().st_mode & 0o777 == 0o640
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(config.parent)) == ["config.yaml", "config.yaml.backups"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_owner_stays(config: Path) -> None:
    os.chown(config, 12345, 23456)

    replace_config(read_draft(config), b"new", now=NOW)

    assert (config.stat().st_uid, config.stat().st_gid) == (12345, 23456)


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(config: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere/link.yaml"
    link.parent.mkdir()
    link.symlink_to("../config.yaml")

    draft = read_draft(link)
    copy = replace_config(draft, b"new", now=NOW)

    assert link.is_symlink()
    assert config.read_bytes() == b"new"
    assert copy.parent == config.with_name("config.yaml.backups")


def test_a_link_put_in_the_place_of_the_file_meanwhile_is_not_followed(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_bytes(b"old")
    draft = read_draft(config)
    config.unlink()
    config.symlink_to(other)

    with pytest.raises(ConfigError, match="changed by somebody else"):
        replace_config(draft, b"new", now=NOW)

    assert other.read_bytes() == b"old"


def test_a_file_that_changed_meanwhile_is_left_alone(config: Path) -> None:
    draft = read_draft(config)
    config.write_bytes(b"theirs")

    with pytest.raises(ConfigError, match="changed by somebody else") as raised:
        replace_config(draft, b"new", now=NOW)

    assert raised.value.hint
    assert config.read_bytes() == b"theirs"


def test_the_newest_copies_are_kept_and_nothing_else_is_touched(config: Path) -> None:
    copies = config.with_name("config.yaml.backups")
    copies.mkdir()
    (copies / "mine.yaml").touch()

    for number in range(KEPT + 3):
        replace_config(read_draft(config), f"{number}".encode(), now=NOW + number // 2)

    found = sorted(name[:-5] for name in os.listdir(copies) if name[0].isdigit())
    assert [(copies / f"{name}.yaml").read_text() for name in found] == [str(number) for number in range(2, KEPT + 2)]
    assert (copies / "mine.yaml").exists()


def test_a_failure_leaves_the_file_and_nothing_beside_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "replace", refuse)

    with pytest.raises(AgsekitError, match="cannot be written: Device or resource busy") as raised:
        replace_config(read_draft(config), b"new", now=NOW)

    assert raised.value.hint
    assert config.read_bytes() == b"old"
    assert sorted(os.listdir(config.parent)) == ["config.yaml", "config.yaml.backups"]
