"""`agsekit shell`, in a sandbox and in a machine."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.echo import EchoServer, echoes
from tests.support.sshd import ADDRESS, SshServer, free_port
from tests.support.world import World, wait_until, write_files

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def forwarding(world: World, port: int, echo: EchoServer) -> None:
    rule = {"type": "local", "host-addr": f"{ADDRESS}:{port}", "vm-addr": f"{ADDRESS}:{echo.port}"}
    world.write_config({"vms": {"box": {"port-forwarding": [rule]}}})


def test_a_shell_in_a_machine_reads_its_commands_and_its_exit_code_comes_back(
    world: World, vm: FakeMultipass
) -> None:
    done = world.agsekit("shell", stdin=b"pwd; id -u; exit 3\n")

    assert (done.code, done.out, done.err) == (3, "/home/ubuntu\n1000\n", "")


def test_after_this_machine_has_slept_a_shell_finds_its_mounts_repaired(world: World, vm: FakeMultipass) -> None:
    write_files(world.project, {"a.txt": "one\n"})
    world.configure(engine="multipass")
    assert world.agsekit("mount").code == 0
    vm.change("box", stale=["/home/ubuntu/project"])
    note = world.home / ".local/state/agsekit/run/vms/box.awake"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " 1000000000.0\n")

    done = world.agsekit("shell", stdin=b"cat project/a.txt\n")

    assert (done.code, done.out) == (0, "one\n"), done.err
    assert "This machine has slept; checking VM box\n" in done.err


@needs_bwrap
def test_a_shell_in_a_sandbox_sees_the_mounts_of_the_configuration(world: World) -> None:
    write_files(world.project, {"a.txt": "one\n"})
    world.configure()

    done = world.agsekit("shell", "box", stdin=b"cat project/a.txt; ls /root /home\n")

    assert done.out.startswith("one\n")
    assert str(world.home) not in done.out


@needs_bwrap
def test_a_mount_that_is_away_does_not_keep_the_user_out(world: World) -> None:
    world.configure()
    os.rmdir(world.project)

    done = world.agsekit("shell", "box", stdin=b"echo in\n")

    assert (done.code, done.out) == (0, "in\n")
    assert f"{world.project} does not exist" in done.err


@needs_bwrap
def test_a_sandbox_needs_no_port_forwarding_and_that_is_told(world: World) -> None:
    rule = {"type": "socks5", "vm-addr": "1080"}
    world.write_config({"vms": {"box": {"engine": "bubblewrap", "port-forwarding": [rule]}}})

    done = world.agsekit("shell", stdin=b"echo in\n")

    assert (done.code, done.out) == (0, "in\n")
    assert "uses the network of this machine" in done.err


@needs_bwrap
def test_a_shell_on_a_terminal_has_job_control(world: World) -> None:
    world.configure()
    window = world.window("shell", "box")

    window.expect("$ ")
    window.type("case $- in *m*) test -t 0 && echo job con''trol;; esac\r")
    window.expect("job control")
    window.type("exit 4\r")

    assert window.finish() == 4
    world.wait_for_nothing_left()


def test_port_forwarding_is_up_as_long_as_the_shell_is_open(world: World, server: SshServer) -> None:
    echo, port = EchoServer(), free_port()
    forwarding(world, port, echo)
    window = world.window("shell", columns=200)
    window.expect(f"box: local {ADDRESS}:{port} on the host -> {ADDRESS}:{echo.port} in the VM: up")
    window.expect("$ ")
    window.type("echo in''side\r")
    window.expect("inside")

    during = echoes(port)
    window.type("exit 5\r")
    code = window.finish()

    assert during
    assert code == 5
    assert not echoes(port)
    echo.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_a_shell_ends_no_tunnel_is_left(world: World, server: SshServer, number: signal.Signals) -> None:
    echo, port = EchoServer(), free_port()
    forwarding(world, port, echo)
    window = world.window("shell", columns=200)
    window.expect(": up")

    os.kill(window.pid, number)

    wait_until(lambda: not [line for _pid, line in world.processes() if "ExitOnForwardFailure" in line])
    wait_until(lambda: not echoes(port))
    echo.close()


def test_a_rule_that_fails_is_told_and_the_shell_opens(world: World, server: SshServer) -> None:
    echo = EchoServer()
    forwarding(world, echo.port, echo)

    done = world.agsekit("shell", stdin=b"echo in\n")

    assert (done.code, done.out) == (0, "in\n")
    assert ": down (" in done.err
    echo.close()


@pytest.mark.parametrize("arguments", [[], ["bax"]])
def test_a_shell_needs_to_know_which_vm(world: World, arguments: list[str]) -> None:
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}, "other": {"engine": "bubblewrap"}}})

    done = world.agsekit("shell", *arguments)

    assert done.code == (125 if arguments else 2)
    assert "box, other" in done.err


def test_the_vm_can_be_picked_on_a_terminal(world: World) -> None:
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}, "other": {"engine": "bubblewrap"}}})
    window = world.window("shell")
    window.expect("Which VM?")

    window.type("\x1b[B\r")
    window.expect("ubuntu@other")
    window.expect("$ ")
    window.type("echo $AGSEKIT_VM-here\r")
    window.expect("other-here")
    window.type("exit\r")

    assert window.finish() == 0


def test_a_machine_that_does_not_exist_is_told_with_the_code_for_not_started(world: World, vm: FakeMultipass) -> None:
    world.environment["FAKE_MULTIPASS_STATE"] = str(world.folder / "empty")

    done = world.agsekit("shell")

    assert (done.code, done.out) == (125, "")
    assert "VM box does not exist" in done.err
