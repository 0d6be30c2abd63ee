from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from agsekit.config.model import Config, Mount, Vm
from agsekit.errors import ConfigError, UsageError
from agsekit.protection.target import Target, resolve_target
from agsekit_storage.errors import SourceUnavailable, StoreRefused
from agsekit_storage.store import Store


class Setting:
    """A configuration with one mount, and folders that belong to none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.backup = folder / "web", folder / "backups-web"
        self.other = folder / "other"
        for path in (self.source / "src", self.other):
            path.mkdir(parents=True)
        mount = Mount(
            self.source, PurePosixPath("/home/ubuntu/web"), self.backup, "one", interval=7.0, exclude=["*.log"]
        )
        self.config = Config(folder / "config.yaml", {"one": Vm("one")}, [mount], {})

    def resolve(
        self,
        *,
        source: Path | None = None,
        backup: Path | None = None,
        exclude: Sequence[str] = (),
        backend: str | None = None,
        here: Path | None = None,
    ) -> Target:
        return resolve_target(
            lambda: self.config,
            source=source,
            backup=backup,
            exclude=exclude,
            backend=backend,
            folder=here or self.other,
        )


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def no_config() -> Config:
    raise ConfigError("there is no configuration")


def test_inside_a_mount_its_settings_are_taken(setting: Setting) -> None:
    target = setting.resolve(here=setting.source / "src")

    assert (target.source, target.backup) == (setting.source, setting.backup)
    assert ([*target.exclude], target.backend, target.interval) == (["*.log"], None, 7.0)


def test_excludes_of_the_command_line_come_on_top_of_those_of_the_mount(setting: Setting) -> None:
    assert [*setting.resolve(here=setting.source, exclude=["tmp/"]).exclude] == ["*.log", "tmp/"]


def test_a_source_alone_means_its_mount(setting: Setting) -> None:
    assert setting.resolve(source=setting.source).backup == setting.backup


def test_a_folder_below_a_mount_is_not_a_source_of_its_own(setting: Setting) -> None:
    with pytest.raises(UsageError, match="does not belong to a mount") as caught:
        setting.resolve(source=setting.source / "src")

    assert f"--source-dir: {setting.source}" in str(caught.value.hint)


def test_outside_of_all_mounts_those_that_can_be_named_are_told(setting: Setting) -> None:
    with pytest.raises(UsageError, match="does not belong to a mount") as caught:
        setting.resolve()

    assert f"--source-dir: {setting.source}" in str(caught.value.hint)


def test_both_folders_need_no_configuration(setting: Setting) -> None:
    target = resolve_target(
        no_config,
        source=setting.other,
        backup=setting.folder / "store",
        exclude=["x"],
        backend=None,
        folder=setting.other,
    )

    assert (target.source, target.backup, [*target.exclude]) == (setting.other, setting.folder / "store", ["x"])


def test_the_excludes_of_a_mount_apply_when_both_its_folders_are_named(setting: Setting) -> None:
    assert [*setting.resolve(source=setting.source, backup=setting.backup).exclude] == ["*.log"]


def test_the_excludes_of_a_mount_do_not_apply_to_another_store(setting: Setting) -> None:
    assert not setting.resolve(source=setting.source, backup=setting.folder / "store").exclude


def test_a_store_alone_knows_its_source(setting: Setting) -> None:
    Store.create(setting.backup, setting.source)

    target = setting.resolve(backup=setting.backup)

    assert (target.source, target.backup, [*target.exclude]) == (setting.source, setting.backup, ["*.log"])


def test_a_store_of_another_tool_does_not_tell_its_source(setting: Setting) -> None:
    (setting.folder / "old/20200101-000000").mkdir(parents=True)

    assert setting.resolve(backup=setting.folder / "old").source is None


def test_a_store_that_does_not_exist_is_refused(setting: Setting) -> None:
    with pytest.raises(StoreRefused, match="holds no snapshots"):
        setting.resolve(backup=setting.folder / "nothing")


@pytest.mark.parametrize("missing", ["nothing", "file"])
def test_a_source_that_is_no_folder_is_refused(setting: Setting, missing: str) -> None:
    (setting.folder / "file").touch()

    with pytest.raises(SourceUnavailable, match=missing):
        Target(setting.folder / missing, setting.backup).create_store(home=setting.folder)


@pytest.mark.parametrize("source", ["home", "/"])
def test_a_whole_home_and_a_whole_machine_are_refused(setting: Setting, source: str) -> None:
    home = setting.folder / "home"
    home.mkdir()

    with pytest.raises(StoreRefused, match="too much to protect"):
        Target(setting.folder / source, setting.folder / "store").create_store(home=home)


def test_a_store_reached_through_a_link_into_the_source_is_refused(setting: Setting) -> None:
    link = setting.folder / "link"
    link.symlink_to(setting.source)

    with pytest.raises(StoreRefused, match="lies inside the source"):
        Target(setting.source, link / "store").create_store(home=setting.folder / "home")

    assert list(setting.source.iterdir()) == [setting.source / "src"]


def test_a_source_reached_through_a_link_into_the_store_is_refused(setting: Setting) -> None:
    inside = setting.folder / "store/project"
    inside.mkdir(parents=True)
    link = setting.folder / "link"
    link.symlink_to(inside)

    with pytest.raises(StoreRefused, match="lies inside the store"):
        Target(link, setting.folder / "store").create_store(home=setting.folder / "home")


def test_a_store_is_private(setting: Setting) -> None:
    setting.resolve(source=setting.source).create_store(home=setting.folder)

    assert setting.backup.stat().st_mode & 0o777 == 0o700


def test_a_store_inside_another_mount_is_refused_through_links_too(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "inside").mkdir(parents=True)
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "alias").symlink_to(other / "inside")
    mounts = [
        Mount(source, PurePosixPath("/home/ubuntu/source"), tmp_path / "alias" / "store", "vm"),
        Mount(other, PurePosixPath("/home/ubuntu/other"), tmp_path / "store-of-other", "vm"),
    ]
    config = Config(tmp_path / "config.yaml", {"vm": Vm("vm")}, mounts, {})

    for asked_source, backup in ((None, None), (source, tmp_path / "alias" / "elsewhere")):
        with pytest.raises(StoreRefused, match="lies inside"):
            resolve_target(
                lambda: config, source=asked_source, backup=backup, exclude=(), backend=None, folder=source
            )
