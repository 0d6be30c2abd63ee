"""Commands about the configuration, tried with the real console script."""

from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.config.example import example
from agsekit.config.schema import schema_file
from tests.support.world import World, write_files


def test_the_example_is_written_where_the_configuration_is_looked_for(world: World) -> None:
    done = world.agsekit("config-example")

    assert (done.code, done.out) == (0, "")
    assert str(world.config) in done.err
    assert world.config.read_bytes() == example()
    assert world.config.stat().st_mode & 0o777 == 0o600
    assert world.config.parent.stat().st_mode & 0o777 == 0o700


def test_the_example_can_be_used_as_it_is(world: World) -> None:
    world.agsekit("config-example")

    done = world.agsekit("run", "nobody")

    assert done.code == 125
    assert "There is no agent 'nobody'" in done.err
    assert "qwen" in done.err


@pytest.mark.parametrize("place", ["own.yaml", "new/folder/own.yaml"])
def test_the_example_is_written_to_the_path_that_is_named(world: World, place: str) -> None:
    done = world.agsekit("config-example", place)

    assert done.code == 0
    assert (world.home / place).read_bytes() == example()
    assert not world.config.exists()


def test_an_existing_file_is_left_alone(world: World) -> None:
    existing = world.home / "own.yaml"
    existing.write_text("mine")

    done = world.agsekit("config-example", existing)

    assert done.code == 0
    assert "left alone" in done.err
    assert existing.read_text() == "mine"


def test_the_path_of_the_option_is_used_where_no_other_is_named(world: World) -> None:
    world.agsekit("config-example", "--config", world.home / "own.yaml")

    assert (world.home / "own.yaml").exists()


def test_a_place_that_cannot_be_written_is_an_error_with_a_hint(world: World) -> None:
    done = world.agsekit("config-example", "/proc/agsekit.yaml")

    assert (done.code, done.out) == (1, "")
    assert "error: The example cannot be written to /proc/agsekit.yaml" in done.err
    assert "hint: " in done.err
    assert not Path("/proc/agsekit.yaml").exists()


# config validate


def test_problems_and_warnings_are_told_together_in_the_order_of_the_file(world: World) -> None:
    world.configure()
    world.config.write_text(
        "vms:\n  box: {cpu: none}\nmounts:\n  - souce: /x\nagents:\n  a: {type: qwen, vm: nobody, env: {K: v}}\n"
    )
    world.config.chmod(0o644)

    done = world.agsekit("config", "validate")

    assert (done.code, done.err) == (10, "")
    lines = done.out.splitlines()
    assert [line.removeprefix(f"{world.config}:").split(": ")[:3] for line in lines] == [
        ["2", "error", "vms.box.cpu"],
        ["4", "error", "mounts[0].souce"],
        ["4", "error", "mounts[0].source"],
        ["5", "warning", "agents"],
        ["6", "warning", "agents.a.vm"],
    ]
    assert "did you mean 'source'?" in lines[1]


def test_the_json_of_validate_tells_the_same(world: World) -> None:
    world.write_config({"vms": {"box": {}}, "agents": {"a": {"type": "qwen", "vm": "bx"}}})

    valid = world.agsekit("config", "validate", "--json")
    world.write_config({"vms": {}})
    invalid = world.agsekit("config", "validate", "--json")

    assert (valid.code, valid.document["valid"], valid.document["problems"]) == (0, True, [])
    assert valid.document["file"] == str(world.config)
    assert valid.document["warnings"][0]["key"] == "agents.a.vm"
    assert (invalid.code, invalid.document["valid"], invalid.document["warnings"]) == (10, False, [])
    assert invalid.document["problems"] == [{"line": 1, "key": "vms", "message": "must hold at least one VM"}]


def test_a_valid_configuration_is_told_in_one_line(world: World) -> None:
    world.configure()

    assert world.agsekit("config", "validate").out == f"{world.config} is valid (VMs: 1, mounts: 1, agents: 1)\n"
    assert world.agsekit("config", "validate", "-q").out == ""


def test_a_missing_configuration_is_an_error_with_a_hint(world: World) -> None:
    done = world.agsekit("config", "validate")

    assert (done.code, done.out) == (10, "")
    assert f"agsekit config-gen --config {world.config}" in done.err


def test_syntax_that_is_no_yaml_is_a_finding_with_its_line(world: World) -> None:
    world.configure()
    world.config.write_text("vms:\n  box: [\n")

    done = world.agsekit("config", "validate", "--json")

    assert (done.code, done.document["problems"][0]["line"]) == (10, 3)


# config schema, config path


def test_the_schema_is_printed(world: World) -> None:
    done = world.agsekit("config", "schema")

    assert (done.code, done.out) == (0, schema_file().read_text(encoding="utf-8"))


def test_the_path_is_printed_whether_or_not_there_is_a_file(world: World) -> None:
    assert world.agsekit("config", "path").out == f"{world.config}\n"
    assert world.agsekit("config", "path", "--config", "x.yaml").out == f"{world.home}/x.yaml\n"


# config show


def test_the_configuration_is_shown_with_defaults_and_without_secrets(world: World) -> None:
    world.write_config(
        {"vms": {"box": {}}, "agents": {"a": {"type": "qwen", "env": {"API_KEY": "sk-visible-to-me"}}}}
    )

    people, programs = world.agsekit("config", "show"), world.agsekit("config", "show", "--json")

    assert people.code == programs.code == 0
    assert "sk-visible" not in people.out + programs.out
    assert "ram: 4G" in people.out
    assert programs.document["file"] == str(world.config)
    assert programs.document["config"]["agents"]["a"]["env"] == {"API_KEY": "***"}


def test_names_that_would_turn_the_terminal_around_are_shown_as_escapes(world: World) -> None:
    world.write_config({"vms": {"box": {}}, "mounts": [{"source": "/p\u202ex"}]})

    done = world.agsekit("config", "show")

    assert "\u202e" not in done.out
    assert "\\u202E" in done.out


# config edit


EDITOR = """\
#!/bin/sh
# Notes where it is, then does to the file what the next line of the plan says.
pwd >> "$HOME/seen"; stat -c %a "$1" "$(dirname "$1")" >> "$HOME/seen"
line=$(head -1 "$HOME/plan"); sed -i 1d "$HOME/plan"
eval "$line"
"""


@pytest.fixture
def editing(world: World) -> World:
    """A world whose editor follows the lines of `plan`, one each time it is opened."""
    world.configure()
    editor = world.folder / "my editor"
    editor.write_text(EDITOR)
    editor.chmod(0o755)
    world.environment["EDITOR"] = f"'{editor}'"
    return world


def plan(world: World, *lines: str) -> None:
    (world.home / "plan").write_text("\n".join(lines) + "\n")


def left(world: World) -> list[str]:
    return sorted(path.name for path in world.config.parent.iterdir())


def kept(world: World) -> list[str]:
    return [path.read_text() for path in sorted(world.config.with_name("config.yaml.backups").glob("*.yaml"))]


def test_an_edit_that_is_valid_takes_the_place_of_the_configuration(editing: World) -> None:
    before = editing.config.read_text()
    plan(editing, """echo 'vms: {new: {}}' > "$1" """)

    window = editing.window("config", "edit", cwd=editing.project)

    assert window.finish() == 0, window.everything
    assert editing.config.read_text() == "vms: {new: {}}\n"
    assert editing.config.stat().st_mode & 0o777 == 0o600
    assert kept(editing) == [before]
    # Not the folder that the user is in: an agent may write it, and editors read settings there.
    assert (editing.home / "seen").read_text().split() == ["/", "600", "700"]
    assert left(editing) == ["config.yaml", "config.yaml.backups"]


def test_a_broken_edit_can_be_mended(editing: World) -> None:
    plan(editing, """echo 'vms: {new: {cpu: x}}' > "$1" """, """echo 'vms: {new: {cpu: 3}}' > "$1" """)

    window = editing.window("config", "edit", columns=200)
    window.expect(":1: vms.new.cpu: must be a whole number")
    window.expect("Go on editing?")
    window.type("\r")

    assert window.finish() == 0, window.everything
    assert editing.config.read_text() == "vms: {new: {cpu: 3}}\n"


@pytest.mark.parametrize(("answer", "code"), [("n\r", 10), ("\x03", 130)])
def test_a_broken_edit_that_is_given_up_is_kept_beside(editing: World, answer: str, code: int) -> None:
    before = editing.config.read_text()
    plan(editing, """echo broken > "$1" """)

    window = editing.window("config", "edit", columns=200)
    window.expect("Go on editing?")
    window.type(answer)

    assert window.finish() == code, window.everything
    assert editing.config.read_text() == before
    assert kept(editing) == ["broken\n"]
    assert "What you wrote is kept in" in window.everything
    assert left(editing) == ["config.yaml", "config.yaml.backups"]


def test_an_edit_is_not_laid_over_what_somebody_else_wrote_meanwhile(editing: World) -> None:
    plan(editing, f"""echo 'vms: {{mine: {{}}}}' > "$1"; echo 'vms: {{theirs: {{}}}}' > {editing.config}""")

    window = editing.window("config", "edit", columns=200)

    assert window.finish() == 10, window.everything
    assert "theirs" in editing.config.read_text()
    assert kept(editing) == ["vms: {mine: {}}\n"]


def test_an_edit_that_changes_nothing_and_an_editor_that_fails_write_nothing(editing: World) -> None:
    before = editing.config.read_text()
    plan(editing, "true", "exit 3")

    assert editing.window("config", "edit").finish() == 0
    failed = editing.window("config", "edit")
    assert failed.finish() == 1
    assert "exit code 3" in failed.everything
    assert editing.config.read_text() == before
    assert left(editing) == ["config.yaml"]


def test_an_editor_that_most_machines_have_is_taken_when_none_is_named(editing: World) -> None:
    editing.environment["EDITOR"] = ""
    programs = editing.folder / "programs"
    write_files(programs, {"vi": '#!/bin/sh\necho "this is vi: $1"\n'})
    (programs / "vi").chmod(0o755)
    editing.environment["PATH"] = f"{programs}"

    window = editing.window("config", "edit", columns=200)

    window.expect("this is vi: /")
    assert window.finish() == 0


def test_without_a_terminal_or_an_editor_there_is_a_hint(editing: World) -> None:
    piped = editing.agsekit("config", "edit")
    editing.environment["EDITOR"] = ""
    path = editing.environment["PATH"]
    editing.environment["PATH"] = "/nowhere"
    without = editing.window("config", "edit", columns=200)
    editing.environment["PATH"] = path
    editing.environment["VISUAL"] = "no-such-editor"
    missing = editing.window("config", "edit", columns=200)

    assert piped.code == without.finish() == missing.finish() == 2
    assert "agsekit config validate" in piped.err
    assert "EDITOR=nano agsekit config edit" in without.everything
    assert "no-such-editor is not installed" in missing.everything
    assert left(editing) == ["config.yaml"]
