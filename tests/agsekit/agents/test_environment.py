from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from agsekit.agents import environment
from agsekit.agents.environment import resolve_environment
from agsekit.config.model import EnvValue, FromHost
from agsekit.errors import AgsekitError
from agsekit.process import Runner

PLACE = "config.yaml:7: agents.a.env.KEY"


class Host:
    """A host with a variable, and what was traced and warned of."""

    def __init__(self) -> None:
        self.traced: list[str] = []
        self.warnings: list[str] = []
        self.runner = Runner({"PATH": os.environ["PATH"], "OUTSIDE": "from-env\n"}, trace=self.traced.append)

    def look_up(self, value: EnvValue) -> str:
        found = resolve_environment({"KEY": value}, self.runner, on_warning=self.warnings.append)
        return found["KEY"]

    def fail(self, kind: str, *words: str | Path) -> AgsekitError:
        with pytest.raises(AgsekitError) as caught:
            self.look_up(FromHost(kind, [str(word) for word in words], PLACE))
        assert caught.value.message.startswith(PLACE + ": ")
        return caught.value


@pytest.fixture
def host() -> Host:
    return Host()


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_text_is_taken_as_it_is(host: Host) -> None:
    assert host.look_up("text\n") == "text\n"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_value_is_looked_up_without_the_line_breaks_at_its_end(host: Host, tmp_path: Path, end: str) -> None:
    file = private(tmp_path / "key", f" s3cret\nsecond {end}".encode())

    found = [
        host.look_up(FromHost("env", ["OUTSIDE"], PLACE)),
        host.look_up(FromHost("file", [str(file)], PLACE)),
        host.look_up(FromHost("command", ["cat", str(file)], PLACE)),
    ]

    assert found == ["from-env", " s3cret\nsecond ", " s3cret\nsecond "]
    assert host.warnings == []


def test_a_file_that_others_can_read_is_warned_about(host: Host, tmp_path: Path) -> None:
    file = private(tmp_path / "key", b"value", 0o640)

    assert host.look_up(FromHost("file", [str(file)], PLACE)) == "value"

    assert host.warnings == [f"{PLACE}: others can use {file}; run `chmod 600 {file}`"]


def test_a_command_is_no_shell_line_and_runs_in_no_folder_of_the_users(host: Host) -> None:
    show = "import os, sys; print(os.getcwd(), sys.argv[1:], repr(sys.stdin.read()))"

    found = host.look_up(FromHost("command", [sys.executable, "-c", show, "$HOME; id", "*"], PLACE))

    assert found == "/ ['$HOME; id', '*'] ''"


def test_what_cannot_be_had_is_told_by_its_key(host: Host, tmp_path: Path) -> None:
    fifo, folder = tmp_path / "fifo", tmp_path / "folder"
    os.mkfifo(fifo)
    folder.mkdir()
    cases = {
        host.fail("env", "NOT_SET").message: "NOT_SET is not set, or empty",
        host.fail("file", tmp_path / "gone").message: "No such file",
        host.fail("file", fifo).message: "is not a file",
        host.fail("file", folder).message: "directory",
        host.fail("file", private(tmp_path / "empty", b"\n")).message: "is empty",
        host.fail("file", private(tmp_path / "large", b"x" * 65537)).message: "larger than 64 KiB",
        host.fail("file", private(tmp_path / "latin", b"\xff")).message: "not UTF-8",
        host.fail("file", private(tmp_path / "nul", b"a\0b")).message: "no environment variable can hold",
        host.fail("command", "no-such-program").message: "not installed",
        host.fail("command", folder).message: "cannot be started",
        host.fail("command", "true").message: "printed nothing",
    }
    assert not [(message, part) for message, part in cases.items() if part not in message]


def test_a_command_that_fails_is_told_with_what_it_says_and_not_with_what_it_printed(host: Host) -> None:
    error = host.fail("command", "sh", "-c", "echo s3cret; echo locked >&2; exit 3")

    assert error.message == f"{PLACE}: sh ended with 3"
    assert error.details == "locked"


def test_a_command_that_hangs_is_ended(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "COMMAND_SECONDS", 0.2)

    assert "did not end" in host.fail("command", "sleep", "60").message


def test_no_value_is_traced_be_it_printed_or_part_of_an_argument(host: Host) -> None:
    host.look_up(FromHost("command", ["echo", "s3cret"], PLACE))
    host.runner.trace(["agent", "--header", "Bearer s3cret", "--x=from-text"])
    host.look_up("from-text")
    host.runner.trace(["agent", "--x=from-text"])

    assert host.traced == ["echo '***'", "agent --header 'Bearer ***' --x=from-text", "agent '--x=***'"]
