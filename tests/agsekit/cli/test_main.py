"""What holds for the command line as a whole, tried with the real console script."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from agsekit import __version__
from tests.support.world import SCRIPT, World, write_files

COMMANDS = [
    ["config-example"],
    ["run"],
    ["backup-once"],
    ["backup-repeated"],
    ["snapshots"],
    ["snapshots", "list"],
    ["snapshots", "restore"],
]
RAISES_IN_JSON = """
import json
def dumps(*args, **options):
    secret = "sk-in-a-variable"
    raise RuntimeError("nobody expected this")
json.dumps = dumps
"""


def test_the_version_is_the_whole_answer(world: World) -> None:
    done = world.agsekit("--version")

    assert (done.code, done.out, done.err) == (0, f"agsekit {__version__}\n", "")


def test_the_version_is_told_after_other_options_too(world: World) -> None:
    assert world.agsekit("--debug", "--version").out == f"agsekit {__version__}\n"


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_command_explains_itself(world: World, command: list[str]) -> None:
    done = world.agsekit(*command, "-h")

    assert (done.code, done.err) == (0, "")
    assert " ".join(["agsekit", *command]) in done.out
    assert "--config" in done.out


@pytest.mark.parametrize("command", [[], ["run"]], ids=" ".join)
def test_both_ways_to_ask_for_help_give_the_same(world: World, command: list[str]) -> None:
    assert world.agsekit(*command, "-h") == world.agsekit(*command, "--help")


def test_the_help_lists_the_commands_in_the_order_of_the_quick_start(world: World) -> None:
    shown = world.agsekit("--help").out
    quick_start = ["config-example", "run", "backup-once", "backup-repeated", "snapshots"]

    first_words = [line.split()[0] for line in shown.splitlines() if line.strip()]

    assert [word for word in first_words if word in quick_start] == quick_start


def test_without_a_command_the_help_is_a_usage_error(world: World) -> None:
    done = world.agsekit()

    assert (done.code, done.out) == (2, "")
    assert "backup-once" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["snapshots", "frobnicate"],
        ["snapshots"],
        ["run"],
        ["run", "rogue", "folder", "too-much"],
        ["run", "--", "rogue"],
        ["run", "rogue", "--vm"],
        ["backup-once", "--frobnicate"],
        ["backup-once", "too-much"],
        ["backup-once", "--source-dir"],
        ["backup-repeated", "--interval", "soon"],
        ["backup-repeated", "--interval", "0"],
        ["backup-repeated", "--interval", "nan"],
        ["backup-repeated", "--interval=-1"],
        ["snapshots", "list", "too-much"],
        ["config-example", "one", "two"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error(project: World, arguments: list[str]) -> None:
    done = project.agsekit(*arguments, cwd=project.project)

    assert (done.code, done.out) == (2, "")
    assert done.err
    assert "Traceback" not in done.err
    assert not project.store.exists()


def test_a_mistyped_command_is_answered_with_the_likely_one(world: World) -> None:
    assert "backup-once" in world.agsekit("backup-onec").err


@pytest.mark.parametrize("option", ["--config", "--debug", "-q", "--non-interactive"])
def test_a_common_option_stands_before_between_and_after_the_words_of_a_command(project: World, option: str) -> None:
    project.agsekit("backup-once", cwd=project.project)
    words = [option, str(project.config)] if option == "--config" else [option]

    lines = (
        [*words, "snapshots", "list", "--json"],
        ["snapshots", *words, "list", "--json"],
        ["snapshots", "list", *words, "--json"],
    )

    for line in lines:
        done = project.agsekit(*line, cwd=project.project)
        assert done.code == 0, (line, done.err)
        assert len(done.document["snapshots"]) == 1


def test_the_configuration_is_the_one_of_the_option_then_of_the_environment(project: World) -> None:
    by_option, by_environment = project.folder / "by-option.yaml", project.folder / "by-environment.yaml"
    by_option.write_text("vms: {box: {cpu: option}}")
    by_environment.write_text("vms: {box: {cpu: environment}}")
    environment = {"CONFIG_PATH": str(by_environment)}

    first = project.agsekit("--config", by_option, "run", "rogue", env=environment)
    also_first = project.agsekit("run", "rogue", "--config", by_option, env=environment)
    second = project.agsekit("run", "rogue", env=environment)

    assert str(by_option) in first.err
    assert first.err == also_first.err
    assert str(by_environment) in second.err


def test_the_language_of_the_user_does_not_change_the_json(project: World) -> None:
    project.agsekit("backup-once", cwd=project.project)

    russian = project.agsekit("snapshots", "list", "--json", cwd=project.project, env={"AGSEKIT_LANG": "ru"})
    english = project.agsekit("snapshots", "list", "--json", cwd=project.project)

    assert russian.out == english.out


def test_a_reader_that_has_seen_enough_is_no_error_to_tell(project: World) -> None:
    names = "\n".join(f"file-{number}-{'x' * 180}" for number in range(1500))
    write_files(project.project, dict.fromkeys(names.split("\n"), ""))
    project.agsekit("backup-once", cwd=project.project)

    shell = subprocess.run(
        [
            "bash",
            "-c",
            'set -o pipefail; "$1" snapshots restore --json --dry-run --to "$2" | head -c 10; exit ${PIPESTATUS[0]}',
            "bash",
            SCRIPT,
            project.folder / "elsewhere",
        ],
        cwd=project.project,
        env=project.environment,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert shell.stdout == b'{\n  "snaps'
    assert shell.stderr == b""
    assert shell.returncode in (1, 128 + signal.SIGPIPE)


def test_an_unexpected_error_is_one_line_and_a_private_log_without_values(project: World) -> None:
    faults = project.folder / "faults"
    write_files(faults, {"sitecustomize.py": RAISES_IN_JSON})

    done = project.agsekit(
        "backup-once",
        "--json",
        "--exclude",
        "sk-on-the-command-line",
        cwd=project.project,
        env={"PYTHONPATH": str(faults), "API_KEY": "sk-in-the-environment"},
    )

    assert (done.code, done.out) == (70, "")
    message, hint = done.err.splitlines()
    assert message.startswith("error: something went wrong that agsekit did not expect")
    log = Path(hint.rpartition(" ")[2])
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    text = log.read_text()
    assert "RuntimeError: nobody expected this" in text
    assert f"agsekit {__version__}" in text
    assert "command: backup-once" in text
    for secret in ("sk-in-the-environment", "sk-on-the-command-line"):
        assert secret not in text


def test_a_deleted_working_folder_is_told_as_such(project: World) -> None:
    gone = project.folder / "gone"
    gone.mkdir()

    shell = subprocess.run(
        ["sh", "-c", 'rmdir "$1"; exec "$2" backup-once', "sh", gone, SCRIPT],
        cwd=gone,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert shell.returncode == 1
    assert "error: The folder you are in has been deleted" in shell.stderr


def test_without_a_terminal_there_is_no_escape_sequence(project: World) -> None:
    lines = [
        ["backup-once", "--progress"],
        ["snapshots", "list"],
        ["snapshots", "restore", "--dry-run"],
        ["run", "rogeu"],
        ["run", "rogue", "--", "x"],
        ["--help"],
        ["frobnicate"],
    ]

    for line in lines:
        done = project.agsekit(*line, cwd=project.project)
        assert "\033" not in done.out + done.err, line


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_on_a_terminal_colour_can_be_turned_off(project: World, environment: dict[str, str]) -> None:
    project.environment.update(environment)

    window = project.window("snapshots", "list", "--dest-dir", project.folder)
    window.finish()

    assert "error: " in window.everything
    assert "\033[" not in window.everything


def test_on_a_terminal_errors_are_coloured(project: World) -> None:
    window = project.window("snapshots", "list", "--dest-dir", project.folder)
    window.finish()

    assert "\033[1;31merror:\033[0m " in window.everything


def test_cancelling_at_a_question_is_told_and_has_its_code(project: World) -> None:
    project.agsekit("backup-once", cwd=project.project)
    (project.project / "a.txt").write_text("changed")

    window = project.window("snapshots", "restore", cwd=project.project)
    window.expect("Restore?")
    window.type("\x03")

    assert window.finish() == 130
    assert (project.project / "a.txt").read_text() == "changed"
