"""Questions on a real terminal: the menu, what a command lacks, and every way to leave."""

from __future__ import annotations

import pytest

from agsekit.cli.commands import panels
from tests.support.terminals import Terminal
from tests.support.world import World, write_files

DOWN, ENTER = "\033[B", "\r"


@pytest.fixture
def several(project: World) -> World:
    """A configuration with two VMs, two mounts and two agents, and a store with two snapshots."""
    other = project.home / "other"
    write_files(other, {"o.txt": "other\n"})
    agent = {"type": "custom", "command": ["true"]}
    project.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}, "crate": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(project.project)}, {"source": str(other)}],
            "agents": {"rogue": agent, "meek": agent},
        }
    )
    project.save(now=1_700_000_000)
    write_files(project.project, {"a.txt": "two\n"})
    project.save(now=1_700_000_600)
    return project


def pick(window: Terminal, question: str, downs: int = 0) -> None:
    """Wait for a question and pick the choice so many lines below the first."""
    window.expect(question)
    window.expect("arrow keys")
    window.type(DOWN * downs + ENTER)


def place_in_the_menu(words: str) -> tuple[int, int]:
    """Return how far down the panel of a command is, and the command in it."""
    for panel, (_title, entries) in enumerate(panels()):
        commands = [each.words for each in entries if each.where]
        if words in commands:
            return panel, commands.index(words)
    raise LookupError(words)


def test_without_a_command_a_menu_leads_to_one_and_asks_for_what_it_takes(several: World) -> None:
    window = several.window(columns=100)

    panel, command = place_in_the_menu("snapshots show")
    pick(window, "What is it about? (agsekit COMMAND)", downs=panel)
    pick(window, "Which command? (agsekit COMMAND)", downs=command)
    pick(window, "Which folder? (--source-dir)")
    pick(window, "Which snapshot? (SNAPSHOT)", downs=1)
    code = window.finish()

    assert code == 0
    first, second = (each["id"] for each in several.snapshots())
    assert f"agsekit snapshots show --source-dir {several.project} {first}" in window.everything.replace("\r\n", "")
    assert second in window.everything
    assert "+ a.txt" in window.everything


def test_the_menu_of_a_group_has_its_commands_alone(several: World) -> None:
    window = several.window("snapshots", cwd=several.project)

    pick(window, "Which command?")
    code = window.finish()

    assert code == 0
    assert "create-vm" not in window.everything
    assert several.snapshots()[0]["id"] in window.everything


def test_what_a_command_lacks_is_asked_for_with_the_choices_of_the_configuration(several: World) -> None:
    window = several.window("run", cwd=several.project)

    window.expect("Which agent? (AGENT)")
    window.expect("rogue")
    window.expect("meek")
    window.type(DOWN + ENTER)

    assert window.finish() == 0


def test_snapshots_are_offered_newest_first_with_age_and_changes(several: World) -> None:
    older, newer = (each["id"] for each in several.snapshots())

    window = several.window("snapshots", "cat", cwd=several.project)
    window.expect("Which snapshot? (SNAPSHOT)")
    window.expect(newer)
    window.expect("~1")
    window.expect(older)
    window.type(DOWN + ENTER)
    window.expect("(PATH)")
    window.type("a.txt" + ENTER)

    assert window.finish() == 0
    assert "one" in window.shown


def test_a_choice_among_several_names_what_would_have_answered_it(several: World) -> None:
    window = several.window("create-vm", "--dry-run")

    pick(window, "Which VM? (VM)", downs=1)

    assert window.finish() == 0
    assert "crate" in window.shown


def test_an_option_that_must_be_given_is_asked_for_too(several: World) -> None:
    window = several.window("snapshots", "convert", cwd=several.project)

    pick(window, "Which backend? (--to)", downs=1)
    window.expect("Convert")
    window.type("n" + ENTER)

    assert window.finish() == 130


@pytest.mark.parametrize(
    ("line", "question", "key"),
    [
        ("", "What is it about?", "\x03"),
        ("", "What is it about?", "\x04"),
        ("snapshots log", "(PATH)", "\x03"),
        ("snapshots log", "(PATH)", "\x04"),
        ("snapshots undo", "Restore?", "\x03"),
        ("snapshots undo", "Restore?", "\x04"),
    ],
)
def test_leaving_a_question_changes_nothing(several: World, line: str, question: str, key: str) -> None:
    window = several.window(*line.split(), cwd=several.project)
    window.expect(question)
    window.type(key)

    assert window.finish() == 130
    assert window.everything.count("Cancelled") == 1
    assert "Traceback" not in window.everything
    assert len(several.snapshots()) == 2


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--non-interactive", "run"], {}),
        (["run", "--non-interactive"], {}),
        (["run"], {"CI": "true"}),
        (["snapshots", "--non-interactive"], {}),
        (["--non-interactive"], {}),
        (["snapshots", "cat", "--non-interactive"], {}),
    ],
    ids=str,
)
def test_nobody_is_asked_who_does_not_want_to_be(
    several: World, words: list[str], environment: dict[str, str]
) -> None:
    several.environment.update(environment)

    window = several.window(*words, cwd=several.project)

    assert window.finish() == 2
    assert "arrow keys" not in window.everything


def test_without_a_terminal_the_answer_to_a_missing_name_is_a_list_of_them(several: World) -> None:
    done = several.agsekit("run", cwd=several.project)

    assert (done.code, done.out) == (2, "")
    assert done.err == "error: AGENT is missing\nhint: one of: rogue, meek\n"


def test_what_is_missing_is_told_even_if_the_configuration_cannot_be_read(world: World) -> None:
    done = world.agsekit("run")

    assert done.code == 2
    assert "AGENT is missing" in done.err


def test_folders_whose_beginnings_are_alike_can_be_told_apart_on_a_narrow_terminal(several: World) -> None:
    window = several.window("mount", columns=50)

    window.expect("Which folder? (SOURCE_DIR)")
    window.expect("/project")
    window.expect("/other")
    window.type("\x03")

    assert window.finish() == 130
