from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agsekit.process import ProgramMissing, ProgramTimeout, Runner


@pytest.fixture
def runner() -> Runner:
    return Runner({"PATH": "/usr/bin:/bin", "WHO": "runner"})


def test_output_is_handed_on_before_the_program_ends(runner: Runner, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def answer(chunk: bytes) -> None:
        seen.append(chunk)
        (tmp_path / "answered").touch()

    script = 'cat; until [ -e "$1" ]; do sleep 0.05; done; echo end; echo error >&2; exit 3'
    done = runner.watch(
        ["sh", "-c", script, "sh", str(tmp_path / "answered")], stdin=b"given\n", timeout=30, on_output=answer
    )

    assert (done.returncode, done.text, done.error_text) == (3, "given\nend\n", "error")
    assert seen[0] == b"given\n"


def test_a_program_that_is_watched_too_long_is_killed(runner: Runner) -> None:
    with pytest.raises(ProgramTimeout, match="sleep 1000"):
        runner.watch(["sleep", "1000"], stdin=b"", timeout=0.1, on_output=lambda chunk: None)

    assert not [line for line in _processes() if line == "sleep 1000"]


def _processes() -> list[str]:
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, check=False)
    return listed.stdout.decode().splitlines()


def test_a_program_that_is_not_there_is_named(runner: Runner) -> None:
    with pytest.raises(ProgramMissing, match="nosuch"):
        runner.watch(["nosuch"], stdin=b"", timeout=1, on_output=lambda chunk: None)
    with pytest.raises(ProgramMissing, match="nosuch"):
        runner.show(["nosuch"])


def test_descriptors_and_another_environment_are_handed_on(runner: Runner) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"secret")
    os.close(write_end)

    done = runner.run(
        ["/bin/sh", "-c", f'printf "%s." "$WHO"; cat /dev/fd/{read_end}'],
        environment={"WHO": "other", "PATH": "/usr/bin:/bin"},
        inherit=[read_end],
    )
    os.close(read_end)

    assert done.text == "other.secret"


def test_a_program_that_is_shown_writes_to_standard_error_and_its_code_comes_back() -> None:
    script = (
        "from agsekit.process import Runner\n"
        "print(Runner({'PATH': '/usr/bin:/bin'}).show(['sh', '-c', 'echo shown; read line; echo $line; exit 4']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], input="typed\n", capture_output=True, text=True, check=True, cwd="/"
    )

    assert (done.stdout, done.stderr) == ("4\n", "shown\ntyped\n")
