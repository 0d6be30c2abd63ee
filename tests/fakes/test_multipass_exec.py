"""What the transcript cannot show of `exec`: terminals, clients that die, machines that stop."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something has happened; give up after half a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never happened")


def read_until(descriptor: int, words: bytes) -> bytes:
    """Read from a terminal until it has shown these words."""
    seen = b""
    while words not in seen:
        if not select.select([descriptor], [], [], 30)[0]:
            pytest.fail(f"only saw {seen!r}")
        seen += os.read(descriptor, 4096)
    return seen


def client(fake: FakeMultipass, words: Sequence[str], terminal: int) -> subprocess.Popen[bytes]:
    """Start a client that leads a session on a terminal, as one in a terminal window does."""
    # `setsid --ctty` takes the terminal that is its stdin.
    return subprocess.Popen(
        ["setsid", "--ctty", "multipass", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**fake.environment, "TERM": "vt100"},
        cwd="/",
    )


def test_a_command_gets_a_terminal_of_the_same_size_when_the_client_has_one(
    fake_multipass: FakeMultipass,
) -> None:
    fake_multipass.add("box")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))

    process = client(fake_multipass, ["exec", "box", "-n", "--", "sh", "-c", "stty size; echo $TERM"], slave)
    seen = read_until(master, b"vt100")

    assert b"33 77" in seen
    assert process.wait(timeout=30) == 0
    os.close(master)
    os.close(slave)


def test_interrupt_at_the_terminal_reaches_the_command_and_not_the_client(
    fake_multipass: FakeMultipass,
) -> None:
    fake_multipass.add("box")
    master, slave = pty.openpty()
    script = "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 0.05; done"
    process = client(fake_multipass, ["exec", "box", "-n", "--", "bash", "-c", script], slave)
    read_until(master, b"up")

    os.write(master, b"\x03")

    read_until(master, b"caught")
    assert process.wait(timeout=30) == 5
    os.close(master)
    os.close(slave)


def test_a_terminal_that_goes_away_hangs_up_the_command(fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")
    master, slave = pty.openpty()
    script = "trap 'echo gone > /tmp/hup; exit' HUP; echo up; while :; do sleep 0.05; done"
    process = client(fake_multipass, ["exec", "box", "-n", "--", "bash", "-c", script], slave)
    os.close(slave)
    read_until(master, b"up")

    os.close(master)

    process.wait(timeout=30)
    wait_until((fake_multipass.root("box") / "tmp/hup").exists)
    wait_until(lambda: not fake_multipass.processes("box"))


def test_a_killed_client_without_a_terminal_leaves_the_command_running_until_the_machine_stops(
    fake_multipass: FakeMultipass,
) -> None:
    fake_multipass.add("box")
    process = subprocess.Popen(
        ["multipass", "exec", "box", "-n", "--", "sleep", "2001"], env=dict(fake_multipass.environment), cwd="/"
    )
    wait_until(lambda: "sleep 2001" in fake_multipass.processes("box"))

    process.kill()
    process.wait()
    after_the_kill = fake_multipass.processes("box")
    subprocess.run(
        ["multipass", "stop", "box"],
        env=dict(fake_multipass.environment),
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )

    assert after_the_kill == ["sleep 2001"]
    wait_until(lambda: not fake_multipass.processes("box"))


def test_every_call_is_on_record_with_its_folder_and_end(
    fake_multipass: FakeMultipass, tmp_path: os.PathLike[str]
) -> None:
    fake_multipass.add("box")

    subprocess.run(
        ["multipass", "exec", "box", "--", "sh", "-c", "cat >/dev/null; exit 3"],
        env=dict(fake_multipass.environment),
        input=b"12345",
        cwd=tmp_path,
        check=False,
    )

    [call] = fake_multipass.calls()
    assert call.argv[:3] == ("multipass", "exec", "box")
    assert (call.cwd, call.rc, call.stdin) == (str(tmp_path), 3, 5)


def test_nothing_of_the_host_but_the_mounts_is_visible_inside(
    fake_multipass: FakeMultipass, tmp_path: os.PathLike[str]
) -> None:
    fake_multipass.add("box")

    done = subprocess.run(
        ["multipass", "exec", "box", "-n", "--", "ls", str(tmp_path)],
        env=dict(fake_multipass.environment),
        capture_output=True,
        check=False,
        cwd="/",
    )

    assert done.returncode == 2
    assert b"No such file or directory" in done.stderr
