from __future__ import annotations

import os
from pathlib import Path

from agsekit.protection.ignore_draft import draft, write_draft
from agsekit_storage.ignore import IgnoreRules, Verdict
from tests.support.world import write_files


def test_only_what_is_there_and_can_be_made_again_is_named(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            "app/Cargo.toml": "",
            "app/target/x": "",
            "target/by-hand": "",
            "web/package.json": "",
            "web/node_modules/a/target/x": "",
            "web/dist/x": "",
            "my env/pyvenv.cfg": "",
            "src/__pycache__/x.pyc": "",
            "build/notes.txt": "",
            "what? [x]/build/y": "",
            "what? [x]/CMakeLists.txt": "",
            ".git/node_modules/x": "",
        },
    )

    lines = draft(tmp_path)

    assert lines == [
        r"/app/target/",
        "/web/dist/",
        r"/what\? \[x]/build/",
        "__pycache__/",
        "my env/",
        "node_modules/",
    ]
    rules = IgnoreRules.compile([line.encode() for line in lines], {})
    assert rules.root().enter(b"what? [x]").judge(b"build", True) is Verdict.IGNORE


def test_nothing_to_leave_out_and_an_existing_file_give_no_lines(tmp_path: Path) -> None:
    write_files(tmp_path, {"node_modules/x": ""})

    (tmp_path / ".backupignore").symlink_to("/nowhere")

    assert draft(tmp_path) == []
    (tmp_path / ".backupignore").unlink()
    assert draft(tmp_path / "node_modules") == []


def test_links_are_not_followed_and_odd_names_not_offered(tmp_path: Path) -> None:
    write_files(tmp_path / "outside", {"deep/node_modules/x": ""})
    project = tmp_path / "project"
    project.mkdir()
    (project / "link").symlink_to(tmp_path / "outside")
    (project / "node_modules").symlink_to(tmp_path / "outside")
    write_files(project, {"a\nb/pyvenv.cfg": ""})
    os.mkdir(os.fsencode(project) + b"/\xff")

    assert draft(project) == []


def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "project").mkdir()
    (tmp_path / "project/.backupignore").symlink_to(outside)

    written = write_draft(tmp_path / "project", ["x/"])

    assert not written
    assert not outside.exists()


def test_the_lines_are_written(tmp_path: Path) -> None:
    assert write_draft(tmp_path, ["venv/", "/ü/build/"])

    assert (tmp_path / ".backupignore").read_text(encoding="utf-8") == "venv/\n/ü/build/\n"
