"""The wizard, tried with the real console script on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.terminals import Terminal
from tests.support.world import World, write_files

DOWN = "\x1b[B"


@pytest.fixture
def home(world: World) -> World:
    """A home with a project and without a configuration; a fake multipass that is never asked for anything."""
    write_files(world.project, {"a": "a"})
    fake = world.folder / "bin/multipass"
    write_files(fake.parent, {"multipass": "#!/bin/sh\nexit 99\n"})
    fake.chmod(0o755)
    world.environment["PATH"] = f"{fake.parent}:{world.environment['PATH']}"
    return world


def written(world: World) -> dict[str, object]:
    assert world.config.stat().st_mode & 0o777 == 0o600
    assert world.config.parent.stat().st_mode & 0o777 == 0o700
    assert world.agsekit("config", "validate", "-q").code == 0
    content: dict[str, object] = yaml.safe_load(world.config.read_text())
    return content


def answer(window: Terminal, *dialogue: tuple[str, str]) -> None:
    for question, keys in dialogue:
        window.expect(question)
        window.type(keys)


def test_everything_can_be_said_in_answer_to_questions(home: World) -> None:
    home.environment["OPENAI_API_KEY"] = "sk-of-the-host"
    window = home.window("config-gen", columns=200)

    answer(
        window,
        ("What is the VM called? (--vm)", "\x15box\r"),
        ("What isolates it? (--engine)", "\r"),
        ("through a proxy? scheme://host:port, or nothing (--proxychains)", "nonsense\r"),
        ("must be scheme://host:port", "\x15socks5://127.0.0.1:1080\r"),
        ("cpu", "\x154\r"),
        ("ram", "\r"),
        ("disk", "\x1550G\r"),
        ("Forward a port?", "y\r"),
        ("In which direction?", "\r"),
        ("On this machine", "8080\r"),
        ("In the VM", "127.0.0.1:80\r"),
        ("Forward another port?", "y\r"),
        ("In which direction?", DOWN + DOWN + "\r"),
        ("In the VM", "1080\r"),
        ("Forward another port?", "\r"),
        ("Another VM?", "\r"),
        ("Add a project folder? (--mount)", "\r"),
        ("Which project folder? (PATH)", "\x15~/project\r"),
        ("(TARGET)", "\r"),
        ("(BACKUP)", "\r"),
        ("(INTERVAL)", "\x1510\r"),
        ("Add another one? (--mount)", "\r"),
        ("Add an agent? (--agent)", "\r"),
        ("Which agent? (--agent)", "\r"),
        ("What is it called in commands?", "\r"),
        ("Where does OPENAI_API_KEY come from?", "\r"),
        ("Where does OPENAI_BASE_URL come from?", DOWN + DOWN + DOWN + "\r"),
        ("What is OPENAI_BASE_URL? (not shown)", "http://secret.example\r"),
        ("Where does OPENAI_MODEL come from?", DOWN + DOWN + "\r"),
        ("Which file?", "~/model\r"),
        ("Where does DASHSCOPE_API_KEY come from?", "\r"),
        ("Let it work without asking?", "\r"),
        ("Add another one? (--agent)", "\r"),
        ("Write it? (--yes)", "\r"),
    )

    assert window.finish() == 0, window.everything
    assert "secret.example" not in window.everything
    assert written(home) == {
        "vms": {
            "box": {
                "engine": "multipass",
                "cpu": 4,
                "ram": "4G",
                "disk": "50G",
                "proxychains": "socks5://127.0.0.1:1080",
                "port-forwarding": [
                    {"type": "local", "host-addr": "8080", "vm-addr": "127.0.0.1:80"},
                    {"type": "socks5", "vm-addr": "1080"},
                ],
            }
        },
        "mounts": [
            {
                "source": str(home.project),
                "target": "/home/ubuntu/project",
                "backup": str(home.store),
                "interval": 10,
            }
        ],
        "agents": {
            "qwen": {
                "type": "qwen",
                "env": {
                    "OPENAI_API_KEY": {"env": "OPENAI_API_KEY"},
                    "OPENAI_BASE_URL": "http://secret.example",
                    "OPENAI_MODEL": {"file": "~/model"},
                },
                "default-args": ["--approval-mode=yolo"],
            }
        },
    }


def test_options_answer_questions_beforehand(home: World) -> None:
    window = home.window(
        "config-gen", "--engine", "bubblewrap", "--mount", "project", "--agent", "codex", columns=200
    )

    answer(window, ("Write it? (--yes)", "\r"))

    assert window.finish() == 0, window.everything
    assert "What is the VM called?" not in window.everything
    assert list(written(home)) == ["vms", "mounts", "agents"]


@pytest.mark.parametrize(("question", "key"), [("What is the VM called?", "\x04"), ("Write it?", "\x03")])
def test_leaving_writes_nothing(home: World, question: str, key: str) -> None:
    options = [] if "VM" in question else ["--engine", "bubblewrap", "--mount", "project", "--agent", "codex"]
    window = home.window("config-gen", *options, columns=200)

    window.expect(question)
    window.type(key)

    assert window.finish() == 130, window.everything
    assert not home.config.parent.exists()


def test_a_script_says_everything_and_is_asked_nothing(home: World) -> None:
    home.environment["GEMINI_API_KEY"] = "AIza-of-the-host"
    words = ["--vm", "box", "--engine", "bubblewrap", "--mount", "project", "--agent", "gemini", "--agent", "goose"]

    done = home.agsekit("config-gen", *words, "--proxychains", "http://127.0.0.1:3128", "--yes")

    assert (done.code, done.out) == (0, f"Wrote {home.config}.\n"), done.err
    content = written(home)
    assert content["vms"] == {"box": {"engine": "bubblewrap", "proxychains": "http://127.0.0.1:3128"}}
    assert content["agents"] == {
        "gemini": {
            "type": "gemini",
            "env": {"GEMINI_API_KEY": {"env": "GEMINI_API_KEY"}},
            "default-args": ["--approval-mode=yolo"],
        },
        "goose": {"type": "goose", "env": {"GOOSE_MODE": "auto"}},
    }
    assert "AIza" not in done.err + home.config.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nobody can be asked here"),
        (["--engine", "qemu", "-y"], "--engine must be one of"),
        (["--vm", "-x", "-y"], "--vm is no name of a VM"),
        (["--proxychains", "x", "-y"], "--proxychains must be"),
        (["--agent", "clod", "-y"], "--agent 'clod' is no type"),
        (["--mount", ".", "-y"], "must be a project folder"),
    ],
)
def test_what_cannot_be_is_a_usage_error(home: World, words: list[str], message: str) -> None:
    done = home.agsekit("config-gen", *words)

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "hint: " in done.err
    assert not home.config.exists()


def test_without_a_terminal_the_example_is_named(home: World) -> None:
    assert "agsekit config-example" in home.agsekit("config-gen").err


def test_an_existing_configuration_is_left_alone_without_overwrite(home: World) -> None:
    home.configure()
    home.config.chmod(0o644)
    before = home.config.read_text()

    left = home.agsekit("config-gen", "-y")
    assert (left.code, left.out) == (1, "")
    assert "left alone" in left.err
    assert "--overwrite" in left.err
    assert home.config.read_text() == before

    replaced = home.agsekit("config-gen", "-y", "--overwrite")
    assert replaced.code == 0
    (copy,) = home.config.with_name("config.yaml.backups").glob("*.yaml")
    assert copy.read_text() == before
    assert home.config.stat().st_mode & 0o777 == 0o600


def test_another_path_can_be_named(home: World) -> None:
    done = home.agsekit("config-gen", "--config", "new/own.yaml", "-y")

    assert done.code == 0, done.err
    assert Path(home.home / "new/own.yaml").stat().st_mode & 0o777 == 0o600
    assert not home.config.exists()


def test_an_engine_that_does_not_work_here_is_explained(home: World) -> None:
    home.environment["PATH"] = str(home.folder / "empty")

    done = home.agsekit("config-gen", "-y")

    assert done.code == 0
    assert "warning: " in done.err
