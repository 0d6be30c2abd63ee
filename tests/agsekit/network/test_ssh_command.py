"""`agsekit ssh`, with a real ssh and a real sshd on the loopback."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from agsekit.network.ssh import forget_host_key, host_alias, remember_host_key
from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.echo import EchoServer, echoes
from tests.support.sshd import ADDRESS, SshServer, free_port
from tests.support.world import World, wait_until


def test_a_command_runs_inside_and_its_exit_code_comes_back(world: World, server: SshServer) -> None:
    done = world.agsekit("ssh", "box", "cat; echo err >&2; exit 7", stdin=b"in\n")

    assert (done.code, done.out, done.err) == (7, "in\n", "err\n")


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["echo", "--debug", "-h", "--"], "--debug -h --\n"),
        (["--", "echo", "one", "--", "two"], "one -- two\n"),
        (["-T", "-q", "echo", "--config", "x"], "--config x\n"),
    ],
)
def test_everything_after_the_vm_goes_to_ssh_as_it_is(
    world: World, server: SshServer, words: list[str], printed: str
) -> None:
    done = world.agsekit("ssh", "box", *words)

    assert (done.code, done.out, done.err) == (0, printed, "")


def test_common_options_stand_before_the_vm(world: World, server: SshServer) -> None:
    done = world.agsekit("ssh", "--debug", "box", "true")

    assert done.code == 0
    assert "+ ssh -F none" in done.err


def test_ssh_works_in_the_folder_of_the_user(world: World, server: SshServer) -> None:
    done = world.agsekit("ssh", "box", "-E", "ssh.log", "-v", "true", cwd=world.project)

    assert done.code == 0, done.err
    assert (world.project / "ssh.log").exists()


def test_ssh_is_not_taken_from_the_folder_of_the_user(world: World, server: SshServer) -> None:
    (world.project / "ssh").write_text("#!/bin/sh\necho agent code\n")
    (world.project / "ssh").chmod(0o755)

    done = world.agsekit(
        "ssh", "box", "echo real", cwd=world.project, env={"PATH": f".::{world.environment['PATH']}"}
    )

    assert done.out == "real\n"


def test_ssh_can_forward_ports_by_itself(world: World, server: SshServer) -> None:
    echo, port = EchoServer(), free_port()
    process = world.start("ssh", "box", "-N", "-L", f"{ADDRESS}:{port}:{ADDRESS}:{echo.port}")

    wait_until(lambda: echoes(port))
    process.terminate()
    process.wait(timeout=20)
    echo.close()

    assert not [line for _pid, line in world.processes() if "HostKeyAlias" in line]


def test_no_process_of_agsekit_stands_between_the_user_and_ssh(world: World, server: SshServer) -> None:
    process: subprocess.Popen[bytes] = world.start("ssh", "box", "echo up; sleep 100")
    assert process.stdout is not None

    process.stdout.readline()

    status = Path(f"/proc/{process.pid}/status").read_text()
    process.kill()
    assert status.startswith("Name:\tssh\n")


def test_ssh_gets_no_signal_ignored_that_python_ignores(world: World, server: SshServer) -> None:
    (world.folder / "tools/ssh").write_text("#!/bin/sh\nexec cat /proc/self/status\n")

    status = world.agsekit("ssh", "box").out

    assert re.findall(r"SigIgn:\s+([0-9a-f]+)", status) == ["0" * 16]


def test_a_machine_that_is_stopped_is_started(world: World, vm: FakeMultipass, server: SshServer) -> None:
    vm.change("box", state="Stopped")

    done = world.agsekit("ssh", "box", "echo up")

    assert (done.code, done.out) == (0, "up\n")
    assert "Starting VM box" in done.err


def test_a_machine_that_runs_costs_one_call(world: World, vm: FakeMultipass, server: SshServer) -> None:
    world.agsekit("ssh", "box", "true")

    assert [call.argv[1] for call in vm.calls()] == ["info"]


def test_a_host_that_is_not_known_is_an_error_before_anything_is_started(
    world: World, vm: FakeMultipass, server: SshServer
) -> None:
    forget_host_key(world.config.parent / "ssh", host_alias("box"))

    done = world.agsekit("ssh", "box", "true")

    assert (done.code, done.out) == (125, "")
    assert "error: The host key of VM 'box' is not known yet" in done.err
    assert "agsekit create-vm box" in done.err
    assert vm.calls() == []


def test_a_host_key_that_changed_is_not_accepted(world: World, server: SshServer) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICI4rAcOA8WDiQ6XoEHDjQ2wGvbKLWUIaZ05y3i+xpmo"
    remember_host_key(world.config.parent / "ssh", host_alias("box"), [other])

    done = world.agsekit("ssh", "box", "-o", "StrictHostKeyChecking=no", "echo connected")

    assert (done.code, done.out) == (255, "")
    assert "Host key verification failed" in done.err


def test_without_a_key_the_user_is_told_how_to_make_one(world: World, vm: FakeMultipass) -> None:
    done = world.agsekit("ssh", "box")

    assert (done.code, done.out) == (125, "")
    assert "hint: make one with `agsekit prepare`" in done.err


def test_a_sandbox_has_no_ssh_but_a_shell(world: World) -> None:
    world.configure()

    done = world.agsekit("ssh", "box")

    assert done.code == 125
    assert "agsekit shell box" in done.err


def test_without_a_vm_it_is_a_mistake_of_usage(world: World) -> None:
    world.configure()

    assert world.agsekit("ssh").code == 2


def test_an_unknown_vm_is_named(world: World) -> None:
    world.configure()

    done = world.agsekit("ssh", "bax")

    assert done.code == 125
    assert "box" in done.err
