from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ("pydantic", "rich.console", "rich.progress", "questionary", "pygit2", "yaml")
_REPORT = """
import json, sys
from agsekit.cli.main import run
code = run(sys.argv[1:])
sys.stderr.write("\\n" + json.dumps([code, sorted(sys.modules)]))
"""


def modules_after(folder: Path, *arguments: str) -> set[str]:
    """Run a command line in a fresh interpreter and return what it imported."""
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "AGSEKIT_LANG": "en"}
    done = subprocess.run(
        [sys.executable, "-c", _REPORT, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        check=True,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


def test_help_imports_neither_the_commands_nor_anything_heavy(tmp_path: Path) -> None:
    modules = modules_after(tmp_path, "--help")

    assert modules.isdisjoint(_HEAVY)
    assert modules.isdisjoint({"agsekit.cli.agents", "agsekit.cli.backups", "agsekit_storage.snapshots"})


def test_no_command_imports_what_it_may_not_need_before_it_is_run(tmp_path: Path) -> None:
    report = """
import json, sys
from agsekit.cli.commands import entries
from agsekit.cli.deferred import Deferred
for entry in entries():
    if entry.where:
        Deferred("x", "agsekit.cli." + entry.where, help="", panel=None).made()
print(json.dumps(sorted(sys.modules)))
"""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AGSEKIT_LANG": "en"}

    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, env=environment, cwd="/", check=True
    )

    modules = set(json.loads(done.stdout))
    assert "agsekit.cli.agents" in modules
    assert modules.isdisjoint(_HEAVY)


@pytest.mark.parametrize("command", ["backup-once", "snapshots"])
def test_a_command_without_configuration_imports_nothing_heavy(tmp_path: Path, command: str) -> None:
    source = tmp_path / "project"
    source.mkdir()
    folders = ["--source-dir", str(source), "--dest-dir", str(tmp_path / "store")]
    modules_after(tmp_path, "backup-once", *folders)

    words = ["snapshots", "list", "--json"] if command == "snapshots" else [command]
    modules = modules_after(tmp_path, *words, *folders)

    assert modules.isdisjoint(_HEAVY)
    assert "agsekit_storage.snapshots" in modules


def test_a_command_is_described_alike_in_the_list_and_on_its_own_page(tmp_path: Path) -> None:
    def help_of(*words: str) -> list[str]:
        command = [
            sys.executable,
            "-c",
            "import sys; from agsekit.cli.main import run; run(sys.argv[1:])",
            *words,
            "-h",
        ]
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AGSEKIT_LANG": "en"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=True)
        return done.stdout.splitlines()

    listed = dict(line.split(None, 1) for line in help_of() if line.startswith("  ") and len(line.split()) > 2)

    for name in ("config-example", "run", "backup-once", "backup-repeated", "snapshots"):
        assert listed[name][:30] in "\n".join(help_of(name))
