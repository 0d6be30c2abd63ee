"""Completion, asked the way the shells ask: in a real bash, and in zsh and fish where they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from agsekit.cli.completion import read
from tests.support.world import SCRIPT, World, write_files

_ASK_BASH = r"""
eval "$(agsekit completion bash)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_agsekit
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def several(project: World) -> World:
    """Names of every kind, and a store with two snapshots."""
    agent = {"type": "custom", "command": ["true"]}
    project.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}, "crate": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(project.project)}, {"source": str(project.home / "my other")}],
            "agents": {"rogue": agent, "meek": agent},
        }
    )
    project.save(now=1_700_000_000)
    write_files(project.project, {"a.txt": "two\n"})
    project.save(now=1_700_000_600)
    project.environment["PATH"] = f"{SCRIPT.parent}:{project.environment['PATH']}"
    return project


def asked(world: World, argv: list[str]) -> list[str]:
    done = subprocess.run(
        argv, cwd=world.project, env=world.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return [line for line in done.stdout.split("\n") if line]


def bash(world: World, *words: str) -> list[str]:
    """Return what bash offers for the last of the words, which are taken apart as bash does."""
    return asked(world, ["bash", "--norc", "-c", _ASK_BASH, "bash", *words])


def test_bash_completes_commands_options_and_the_names_of_the_configuration(several: World) -> None:
    first, second = (each["id"] for each in several.snapshots())

    assert bash(several, "agsekit", "snap") == ["snapshots"]
    assert bash(several, "agsekit", "snapshots", "un") == ["undo", "unpin"]
    assert bash(several, "agsekit", "help", "snapshots", "un") == ["undo", "unpin"]
    assert bash(several, "agsekit", "run", "--disable") == ["--disable-backups"]
    assert bash(several, "agsekit", "run", "") == ["rogue", "meek"]
    assert bash(several, "agsekit", "--debug", "run", "--vm", "") == ["box", "crate"]
    assert bash(several, "agsekit", "run", "--vm", "=", "cr") == ["crate"]
    assert bash(several, "agsekit", "run", "--vm", "=") == ["box", "crate"]
    assert bash(several, "agsekit", "snapshots", "show", "") == [second, first]
    assert bash(several, "agsekit", "snapshots", "convert", "--to", "g") == ["git"]


def test_bash_completes_mounts_with_folders_that_are_none(several: World) -> None:
    (several.project / "sub").mkdir()

    assert bash(several, "agsekit", "mount", f"{several.home}/my") == [f"{several.home}/my other"]
    assert bash(several, "agsekit", "mount", "~/pro")[0] == "~/project"
    assert bash(several, "agsekit", "mount", "su") == ["sub"]


def test_the_store_and_the_configuration_that_the_line_names_are_looked_at(several: World) -> None:
    several.config.rename(several.home / "other.yaml")
    line = ["agsekit", "snapshots", "show", "--dest-dir", str(several.store), ""]

    assert len(bash(several, *line)) == 2
    assert bash(several, "agsekit", "run", "") == []
    assert bash(several, "agsekit", "--config", "~/other.yaml", "run", "") == ["rogue", "meek"]


def test_nothing_of_a_mounted_folder_runs_because_a_key_was_pressed(several: World) -> None:
    trap = several.project / "agsekit"
    trap.write_text("#!/bin/sh\ntouch ../trapped\n")
    trap.chmod(0o755)

    assert bash(several, "./agsekit", "run", "ro") == ["rogue"]
    assert not (several.home / "trapped").exists()


def test_a_tab_in_a_real_bash_completes_the_word(several: World) -> None:
    (several.home / ".bashrc").write_text('PS1="$ "; eval "$(agsekit completion bash)"\n')
    window = several.shell("bash", "-i")

    window.expect("$ ")
    window.type("agsekit run rog\t")
    window.expect("rogue ")


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_a_tab_in_a_real_zsh_completes_the_word(several: World) -> None:
    script = "PS1='$ '; autoload -U compinit; compinit -D -u; source <(agsekit completion zsh)\n"
    (several.home / ".zshrc").write_text(script)
    window = several.shell("zsh", "-i")

    window.expect("$ ")
    window.type("agsekit run rog\t")
    window.expect("rogue")
    window.type("\x15agsekit snapshots \t")
    window.expect("undo")
    window.expect("-- Restore the state")


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_shows_names_with_notes(several: World) -> None:
    script = 'agsekit completion fish | source; complete -C "agsekit run "; complete -C "agsekit run --vm c"'

    assert asked(several, ["fish", "-N", "-c", script]) == ["rogue\tcustom", "meek\tcustom", "crate\tbubblewrap"]


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/agsekit"),
        ("zsh", ".zfunc/_agsekit"),
        ("fish", ".config/fish/completions/agsekit.fish"),
    ],
)
def test_it_is_installed_where_the_shell_of_the_user_looks(world: World, shell: str, place: str) -> None:
    printed = world.agsekit("completion", shell)

    done = world.agsekit("completion", "--install", env={"SHELL": f"/usr/bin/{shell}"})

    assert done.code == 0
    assert (world.home / place).read_text() == printed.out
    assert str(world.home / place) in done.out


def test_installed_for_bash_it_tells_what_works_without_bash_completion(world: World) -> None:
    done = world.agsekit("completion", "bash", "--install")

    assert '  eval "$(agsekit completion bash)"\n' in done.err


def test_a_shell_that_is_not_known_is_refused(world: World) -> None:
    done = world.agsekit("completion", env={"SHELL": "/bin/tcsh"})

    assert (done.code, done.out) == (2, "")
    assert "'tcsh'" in done.err


def test_completion_imports_neither_the_framework_nor_an_engine(several: World) -> None:
    report = (
        "import sys\nsys.argv[1:] = sys.argv[1:]\nfrom agsekit.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import json; print(json.dumps(sorted(sys.modules)))"
    )
    words = ["__complete", "bash", "3", "agsekit", "snapshots", "show", ""]

    done = asked(several, [sys.executable, "-c", report, *words])

    assert len(done) == 3
    modules = set(json.loads(done[-1]))
    assert modules.isdisjoint({"typer", "rich", "questionary", "pygit2", "pydantic"})
    assert not {each for each in modules if each.startswith("agsekit.engines")}


def test_what_goes_to_another_program_is_left_to_the_shell() -> None:
    table = {
        "*": {"options": {"--debug": ["", ""]}},
        "": {"options": {}, "arguments": None},
        "ssh": {"options": {}, "arguments": ["VM", "SSH_ARGS"], "handing": True},
    }

    assert read(table, ["ssh", "--debug"]).passing is False
    assert read(table, ["ssh", "box", "-L"]).passing is True
    assert read(table, ["ssh", "--"]).passing is True


def test_runs_are_completed_too(several: World) -> None:
    run = several.agsekit("run", "rogue", cwd=several.project)
    assert run.code == 0, run.err

    (found,) = bash(several, "agsekit", "runs", "show", "")

    assert several.agsekit("runs", "show", found, cwd=several.project).code == 0
