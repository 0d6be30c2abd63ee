"""What the help says about every command, and what wrong command lines are answered with."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from agsekit.cli.helping import exit_codes
from agsekit.errors import ExitCode
from tests.support.reference import PAGE, contexts, own_part
from tests.support.world import World

WORD_FOR_A_VALUE = re.compile(r"[A-Z]+(_[A-Z]+)*|\[.+")


def commands() -> list[tuple[str, Any]]:
    return [(words, ctx) for _title, words, ctx in contexts() if not hasattr(ctx.command, "commands")]


COMMANDS = commands()
EXAMPLES = [line for _words, ctx in COMMANDS for _purpose, line in ctx.command.page.examples]


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_a_right_command_line(line: str) -> None:
    from agsekit.cli.main import build

    _name, *words = own_part(line)
    found = build().make_context("agsekit", [], resilient_parsing=True)
    while hasattr(found.command, "commands"):
        word = words.pop(0)
        command = found.command.commands[word]
        group = hasattr(command, "commands")
        found = command.make_context(word, [] if group else words, parent=found, resilient_parsing=group)


@pytest.mark.parametrize(("words", "ctx"), COMMANDS, ids=[words for words, _ctx in COMMANDS])
def test_everything_that_a_command_takes_is_explained_in_words_for_people(words: str, ctx: Any) -> None:
    for parameter in ctx.command.get_params(ctx):
        assert parameter.help, f"{words}: {parameter.name} has no help"
        if not getattr(parameter, "is_flag", False):
            assert WORD_FOR_A_VALUE.fullmatch(parameter.metavar or ""), f"{words}: name the value of {parameter.name}"


def test_a_command_is_told_in_one_line(world: World) -> None:
    for line in world.agsekit("--help").out.partition("Options:")[0].splitlines():
        assert len(line) <= 80
        assert not line.startswith("   "), f"the summary before is too long: {line}"


@pytest.mark.parametrize("words", [[], ["run"], ["snapshots"], ["snapshots", "restore"]], ids=" ".join)
def test_help_and_its_option_say_the_same(world: World, words: list[str]) -> None:
    assert world.agsekit("help", *words) == world.agsekit(*words, "--help")


def test_no_line_of_the_help_is_wider_than_a_narrow_terminal_but_examples(world: World) -> None:
    window = world.window("snapshots", "restore", "-h", columns=50)
    window.finish()

    lines = [line.rstrip("\r") for line in window.everything.split("\n")]
    assert all(len(line) <= 50 for line in lines if "agsekit" not in line), lines


def test_the_exit_codes_of_the_program_its_help_and_the_docs_are_the_same(world: World) -> None:
    told = world.agsekit("help", "exit-codes").out

    assert exit_codes().keys() == set(ExitCode)
    for code, meaning in exit_codes().items():
        assert f"{int(code)}  {meaning}" in told
        assert f"| `{int(code)}` | {meaning} |" in PAGE.read_text(encoding="utf-8")


# Wrong command lines


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("snapshots lst", "did you mean 'list'?"),
        ("restore", "did you mean `agsekit snapshots restore`?"),
        ("help snapshots restroe", "did you mean 'restore'?"),
        ("help run list", "has no command 'list'"),
        ("snapshots list --jsno", "did you mean '--json'?"),
        ("run rogue --nopecks", "goes after `--`: agsekit run AGENT -- --nopecks"),
        ("run rogue --disable-backup", "did you mean '--disable-backups'?"),
        ("run rogue --vm", "--vm needs a value"),
        ("snapshots list --json=3", "--json takes no value"),
        ("snapshots cat latest", "PATH is missing"),
        ("snapshots convert", "--to is missing"),
        ("backup-repeated --interval soon", "--interval has to be a number"),
        ("snapshots list ../other", "agsekit snapshots list --source-dir ../other"),
        ("backup-repeated-all one two", "has no use for 'one' 'two'"),
        ("run rgoue", "did you mean 'rogue'?"),
        ("run rogue --vm bxo", "did you mean 'box'?"),
        ("mount ../proyect", "did you mean "),
        ("backup-repeated-mount --mount ../proyect", "did you mean "),
    ],
)
def test_a_wrong_command_line_is_answered_in_the_same_style(project: World, line: str, answer: str) -> None:
    done = project.agsekit(*line.split(), cwd=project.project)

    error, *hints = done.err.splitlines()
    assert error.startswith("error: ")
    assert len(hints) == 1
    assert hints[0].startswith("hint: ")
    assert answer in done.err
    assert done.out == ""
    assert done.code in (2, 12, 125)


def test_a_group_without_a_command_says_what_it_has(world: World) -> None:
    done = world.agsekit("snapshots")

    assert (done.code, done.out) == (2, "")
    assert "restore" in done.err


def test_what_is_odd_in_a_configuration_is_told_beside_what_is_wrong(project: World) -> None:
    agent = {"type": "custom", "command": ["true"], "vm": "crate"}
    project.write_config({"vms": {"box": {"cpu": "many"}}, "agents": {"rogue": agent}})

    done = project.agsekit("run", "rogue", cwd=project.project)

    warning, error, *_rest = done.err.splitlines()
    assert warning.startswith("warning: ")
    assert "agents.rogue.vm" in warning
    assert "vms.box.cpu" in error


def test_every_usage_error_says_what_to_do() -> None:
    silent = []
    for path in sorted((PAGE.parent.parent / "agsekit").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            if call.func.id == "UsageError" and not any(each.arg == "hint" for each in call.keywords):
                silent.append(f"{path}:{call.lineno}")

    # Of an error of the framework that is not known, its own words are all there is; the wizard shows a sentence
    # below the question, where it says by itself what to do.
    others = ("cli/usage.py", "cli/wizard.py")
    assert [each for each in silent if not any(name in each for name in others)] == []
