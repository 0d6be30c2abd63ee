from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from agsekit.config import fields, folder_fields

HOME = Path("/home/someone")


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("~", "/home/someone"),
        ("~/", "/home/someone"),
        ("~/a/b/", "/home/someone/a/b"),
        ("~//etc", "/home/someone/etc"),
        ("/a//b/./c", "/a/b/c"),
        ("//a", "/a"),
    ],
)
def test_a_folder_of_the_host_is_absolute_with_home_filled_in(text: str, folder: str) -> None:
    assert str(folder_fields.parse_host_folder(text, home=HOME)) == folder


@pytest.mark.parametrize("text", ["", "project", "./a", "$HOME/a", "~other/a", "/a/../b", "~/..", "/a\nb", "/\ud800"])
def test_a_folder_of_the_host_refuses_what_depends_on_where_one_stands(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        folder_fields.parse_host_folder(text, home=HOME)


@pytest.mark.parametrize("text", ["/", "/home", "~", "/home/someone/"])
def test_a_source_must_not_hand_over_the_whole_home(text: str) -> None:
    with pytest.raises(fields.InvalidValueError, match="whole home folder"):
        folder_fields.parse_source(text, home=HOME)


@pytest.mark.parametrize("text", ["/home/ubuntu/x", "/home/ubuntu/x/", "/srv/x", "/device"])
def test_a_target_is_an_absolute_folder_in_the_vm(text: str) -> None:
    assert folder_fields.parse_target(text) == PurePosixPath(text)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "~/x",
        "",
        "/",
        "//",
        "/home",
        "/home/ubuntu",
        "/home/ubuntu/",
        "/home/./ubuntu",
        "/home/ubuntu/../x",
        "/dev",
        "/dev/x",
        "//dev/x",
        "/proc/1",
        "/sys/x",
    ],
)
def test_a_target_refuses_what_multipass_refuses(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        folder_fields.parse_target(text)
