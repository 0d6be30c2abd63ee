from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from agsekit.notify import notification, notify
from agsekit.process import Runner


def program(folder: Path, name: str) -> Path:
    """Make a program that writes down what it was given."""
    path = folder / name
    writing = f"open({str(folder / 'given')!r}, 'w').write(json.dumps(sys.argv[1:]))"
    path.write_text(f"#!{sys.executable}\nimport json, sys\n{writing}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(sys.platform == "darwin", reason="the desktop there is another")
def test_the_desktop_gets_the_text_as_it_is_and_no_markup(tmp_path: Path) -> None:
    program(tmp_path, "notify-send")
    runner = Runner({"PATH": f"{tmp_path}:{os.environ['PATH']}", "DISPLAY": ":0"})

    assert notify("Title", "-h <b>x</b> & $(y) `z`", runner)

    given = json.loads((tmp_path / "given").read_text())
    assert given[-3:] == ["--", "Title", "-h &lt;b&gt;x&lt;/b&gt; &amp; $(y) `z`"]


@pytest.mark.parametrize("environment", [{"DISPLAY": ":0"}, {}])
def test_without_a_desktop_or_its_program_nothing_is_tried(tmp_path: Path, environment: dict[str, str]) -> None:
    if not environment:
        program(tmp_path, "notify-send")

    found = notification("Title", "text", {"PATH": str(tmp_path), **environment}, platform="linux")

    assert found is None


def test_the_text_never_becomes_a_part_of_a_script(tmp_path: Path) -> None:
    program(tmp_path, "osascript")

    argv = notification("Title", '" & do shell script "x', {"PATH": str(tmp_path)}, platform="darwin")

    assert argv is not None
    assert argv[-2:] == ["Title", '" & do shell script "x']
    assert not any("do shell" in word for word in argv[:-1])


def test_a_desktop_that_fails_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "notify-send").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "notify-send").chmod(0o755)

    assert not notify("Title", "text", Runner({"PATH": f"{tmp_path}:{os.environ['PATH']}", "DISPLAY": ":0"}))
