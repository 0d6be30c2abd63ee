"""portforward with a real ssh and a real sshd on the loopback; only the machine is not real."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agsekit.network.ssh import forget_host_key, host_alias
from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.echo import EchoServer, connect_through_socks, echoes, says_back
from tests.support.sshd import ADDRESS, SshServer, free_port
from tests.support.world import DEADLINE, World, wait_until


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


def configure(world: World, *rules: Mapping[str, Any], engine: str = "multipass") -> None:
    world.write_config({"vms": {"box": {"engine": engine, "port-forwarding": list(rules)}}})


def local(host: int, vm: int) -> dict[str, Any]:
    return {"type": "local", "host-addr": f"{ADDRESS}:{host}", "vm-addr": f"{ADDRESS}:{vm}"}


class Forwarding:
    """A running portforward, and what it prints."""

    def __init__(self, world: World, *options: str) -> None:
        self.process: subprocess.Popen[bytes] = world.start(*options, "portforward")
        self.lines: list[str] = []
        self._rest = b""

    def expect(self, *words: str) -> str:
        """Wait for a line on standard output that has all the words, and return it."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + DEADLINE
        while True:
            for number, line in enumerate(self.lines):
                if all(word in line for word in words):
                    del self.lines[: number + 1]
                    return line
            left = deadline - time.monotonic()
            assert left > 0, self.lines
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, (self.lines, self.process.stderr and self.process.stderr.read())
                *lines, self._rest = (self._rest + data).split(b"\n")
                self.lines += [line.decode() for line in lines]


def tunnels(world: World) -> list[str]:
    return [line for _pid, line in world.processes() if "ExitOnForwardFailure" in line]


def test_a_local_rule_leads_from_the_host_into_the_vm(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    configure(world, local(port, echo.port))

    line = Forwarding(world).expect("up")

    listens, leads_to = f"{ADDRESS}:{port} on the host", f"{ADDRESS}:{echo.port} in the VM"
    assert line[8:] == f" box: local {listens} -> {leads_to}: up"
    assert echoes(port)


def test_a_remote_rule_leads_from_the_vm_to_the_host(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    configure(world, {"type": "remote", "vm-addr": f"{ADDRESS}:{port}", "host-addr": f"{ADDRESS}:{echo.port}"})

    Forwarding(world).expect(f"remote {ADDRESS}:{port} in the VM -> {ADDRESS}:{echo.port} on the host: up")

    assert echoes(port)


def test_a_socks5_rule_is_a_proxy_in_the_vm_into_the_network_of_the_host(
    world: World, server: SshServer, echo: EchoServer
) -> None:
    port = free_port()
    configure(world, {"type": "socks5", "vm-addr": f"{ADDRESS}:{port}"})

    Forwarding(world).expect(f"socks5 {ADDRESS}:{port} in the VM -> the network of the host: up")

    with connect_through_socks(port, echo.port) as connection:
        assert says_back(connection)


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_a_rule_that_fails_is_tried_again_and_leaves_the_others_alone(
    world: World, server: SshServer, echo: EchoServer, kind: str
) -> None:
    taken = socket.create_server((ADDRESS, 0))
    wanted, free = taken.getsockname()[1], free_port()
    bad = {"type": kind, "host-addr": f"{ADDRESS}:{echo.port}", "vm-addr": f"{ADDRESS}:{echo.port}"}
    bad["host-addr" if kind == "local" else "vm-addr"] = f"{ADDRESS}:{wanted}"
    configure(world, bad, local(free, echo.port))

    forwarding = Forwarding(world)
    said = sorted([forwarding.expect("box:"), forwarding.expect("box:")], key=lambda line: ": up" in line)
    works = echoes(free)
    taken.close()
    forwarding.expect(str(wanted), ": up")

    assert str(wanted) in said[0]
    assert ": down (" in said[0]
    assert "in use" in said[0] or "failed" in said[0]
    assert f"{ADDRESS}:{free} on the host" in said[1]
    assert works
    assert echoes(wanted)


def test_a_connection_that_breaks_is_made_again(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    configure(world, local(port, echo.port))
    forwarding = Forwarding(world)
    forwarding.expect("up")

    server.stop()
    forwarding.expect("down")
    server.start()
    forwarding.expect("up")

    assert echoes(port)


def test_a_machine_that_is_down_is_waited_for(
    world: World, vm: FakeMultipass, server: SshServer, echo: EchoServer
) -> None:
    port = free_port()
    vm.change("box", state="Stopped")
    configure(world, local(port, echo.port))

    forwarding = Forwarding(world)
    waiting = forwarding.expect("waiting")
    vm.change("box", state="Running")
    forwarding.expect("up")

    assert "(the state of the VM is stopped)" in waiting
    assert vm.instance("box") is not None
    assert not [call for call in vm.calls() if call.argv[1] != "info"]


def test_a_machine_that_goes_down_is_looked_for_again(
    world: World, vm: FakeMultipass, server: SshServer, echo: EchoServer
) -> None:
    configure(world, local(free_port(), echo.port))
    forwarding = Forwarding(world)
    forwarding.expect("up")

    vm.change("box", state="Stopped")
    server.stop()

    forwarding.expect("down")
    forwarding.expect("waiting (the state of the VM is stopped)")


def test_a_service_that_does_not_answer_is_waited_for(
    world: World, vm: FakeMultipass, server: SshServer, echo: EchoServer
) -> None:
    vm.situate(daemon="down")
    configure(world, local(free_port(), echo.port))

    forwarding = Forwarding(world)
    waiting = forwarding.expect("waiting")
    vm.situate(daemon="up")
    forwarding.expect("up")

    assert "The Multipass service does not answer" in waiting


def test_changes_of_the_configuration_are_picked_up(world: World, server: SshServer, echo: EchoServer) -> None:
    first, second = free_port(), free_port()
    configure(world, local(first, echo.port))
    forwarding = Forwarding(world)
    forwarding.expect(str(first), "up")
    kept = tunnels(world)

    configure(world, local(first, echo.port), local(second, echo.port))
    forwarding.expect(str(second), "up")
    still = [line for line in tunnels(world) if line in kept]
    configure(world, local(second, echo.port))
    forwarding.expect(str(first), "ended")

    assert still == kept
    assert not echoes(first)
    assert echoes(second)


def test_an_invalid_change_is_told_and_changes_nothing(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    configure(world, local(port, echo.port))
    forwarding = Forwarding(world)
    forwarding.expect("up")

    world.config.write_text("vms: 3\n")
    assert forwarding.process.stderr is not None
    said = [forwarding.process.stderr.readline().decode() for _number in range(3)]

    assert "vms: must be a mapping" in said[0]
    assert said[2] == "The configuration from before stays in force.\n"
    assert echoes(port)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_however_it_ends_no_tunnel_is_left(
    world: World, server: SshServer, echo: EchoServer, number: signal.Signals, code: int
) -> None:
    ports = free_port(), free_port()
    configure(world, *(local(port, echo.port) for port in ports))
    forwarding = Forwarding(world)
    forwarding.expect("up")
    forwarding.expect("up")
    with socket.create_connection((ADDRESS, ports[0])) as connection:
        assert says_back(connection)
        count = len(tunnels(world))

        forwarding.process.send_signal(number)
        done = world.finish(forwarding.process)
        wait_until(lambda: not tunnels(world))

    assert count == 2
    assert done.code == code
    assert "Traceback" not in done.err


def test_a_host_key_that_is_not_known_is_explained(world: World, server: SshServer, echo: EchoServer) -> None:
    forget_host_key(world.config.parent / "ssh", host_alias("box"))
    configure(world, local(free_port(), echo.port))

    line = Forwarding(world).expect("down")

    assert "`agsekit create-vm box` reads it anew" in line


def test_a_reason_that_stays_the_same_is_told_once(world: World, server: SshServer, echo: EchoServer) -> None:
    forget_host_key(world.config.parent / "ssh", host_alias("box"))
    configure(world, local(free_port(), echo.port))
    forwarding = Forwarding(world, "--debug")
    assert forwarding.process.stderr is not None

    attempts = 0
    while attempts < 3:
        attempts += b" + ssh " in forwarding.process.stderr.readline()
    forwarding.process.terminate()
    done = world.finish(forwarding.process)

    assert len(done.out.splitlines()) == 1


def test_a_key_that_the_machine_does_not_know_is_explained(world: World, server: SshServer, echo: EchoServer) -> None:
    server.authorized.write_text("")
    configure(world, local(free_port(), echo.port))

    assert "`agsekit create-vm box` puts it there" in Forwarding(world).expect("down")


def test_a_rule_that_other_machines_can_reach_is_named(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    rule = local(port, echo.port)
    configure(world, {**rule, "host-addr": f"0.0.0.0:{port}"})
    forwarding = Forwarding(world)
    forwarding.expect("up")

    forwarding.process.terminate()
    done = world.finish(forwarding.process)

    assert f"warning: VM 'box': other machines of the network can reach 0.0.0.0:{port} on the host" in done.err


def test_a_json_document_a_line_tells_of_every_change(world: World, server: SshServer, echo: EchoServer) -> None:
    port = free_port()
    configure(world, local(port, echo.port))
    process = world.start("portforward", "--json")
    assert process.stdout is not None

    document = json.loads(process.stdout.readline())

    assert isinstance(document.pop("time"), float)
    assert document == {
        "vm": "box",
        "type": "local",
        "vm_address": f"{ADDRESS}:{echo.port}",
        "host_address": f"{ADDRESS}:{port}",
        "listens": f"{ADDRESS}:{port} on the host",
        "leads_to": f"{ADDRESS}:{echo.port} in the VM",
        "state": "up",
        "reason": None,
    }


def test_the_overview_tells_of_tunnels_while_they_are_kept(world: World, server: SshServer, echo: EchoServer) -> None:
    configure(world, local(free_port(), echo.port))
    process = world.start("portforward", "--json")
    assert process.stdout is not None
    process.stdout.readline()

    meanwhile = world.agsekit("status", "--json").document["tunnels"]
    process.terminate()
    process.wait()
    afterwards = world.agsekit("status", "--json").document["tunnels"]

    assert [(tunnel["vm"], tunnel["state"]) for tunnel in meanwhile] == [("box", "up")]
    assert afterwards == []


def test_a_sandbox_needs_no_forwarding_and_that_is_told(world: World) -> None:
    configure(world, local(8080, 8080), engine="bubblewrap")
    process = world.start("portforward")
    assert process.stderr is not None

    said = [process.stderr.readline().decode() for _number in range(2)]

    assert "uses the network of this machine" in said[0]
    assert "There is nothing to forward; waiting for a change" in said[1]


def test_a_configuration_that_is_invalid_from_the_start_is_an_error(world: World) -> None:
    world.write_config({"vms": {}})

    done = world.agsekit("portforward")

    assert (done.code, done.out) == (10, "")


def test_a_machine_that_does_not_exist_in_the_configuration_is_an_error(world: World) -> None:
    configure(world, local(8080, 8080))

    done = world.agsekit("portforward", "--vm", "bax")

    assert done.code == 12
    assert "box" in done.err
