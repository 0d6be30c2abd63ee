"""Commands through a proxy: with a real proxychains4, in a sandbox and in a machine."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from agsekit.config.model import Agent, Proxy, Vm
from agsekit.errors import UsageError
from agsekit.network.proxychains import choose_proxy, parse_requested, proxy_variables, through_proxy
from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.echo import EchoServer
from tests.support.proxies import ProxyServer
from tests.support.sshd import ADDRESS
from tests.support.world import World

RUN, AGENT, VM = Proxy("http", "run", 1), Proxy("http", "agent", 2), Proxy("http", "vm", 3)

needs_proxychains = pytest.mark.skipif(shutil.which("proxychains4") is None, reason="proxychains4 is not installed")
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")

# Says hello, and prints the answer. Not on descriptors 3 to 6: proxychains keeps pipes of its own there.
SPEAK = 'exec 20<>"/dev/tcp/$1/$2" && echo hello >&20 && read -r answer <&20 && echo "$answer"'


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    echo = EchoServer()
    server = ProxyServer(echo.port)
    yield server
    server.close()
    echo.close()


def configure(world: World, *, vm: Optional[str] = None, engine: str = "bubblewrap", **agent: Any) -> None:
    world.write_config(
        {
            "vms": {"box": {"engine": engine, **({} if vm is None else {"proxychains": vm})}},
            "agents": {"speaker": {"type": "custom", "command": ["bash", "-c", SPEAK, "speaker"], **agent}},
        }
    )


@pytest.mark.parametrize(
    ("requested", "agent", "disabled", "vm", "expected"),
    [
        ("http://run:1", AGENT, False, VM, RUN),
        ("", AGENT, False, VM, None),
        (None, AGENT, False, VM, AGENT),
        (None, None, True, VM, None),
        (None, None, False, VM, VM),
        (None, None, False, None, None),
        ("http://run:1", None, True, None, RUN),
    ],
)
def test_the_run_decides_then_the_agent_then_the_vm(
    requested: Optional[str], agent: Optional[Proxy], disabled: bool, vm: Optional[Proxy], expected: Optional[Proxy]
) -> None:
    profile = Agent("a", "custom", proxy=agent, proxy_disabled=disabled)

    assert choose_proxy(requested, profile, Vm("box", proxy=vm)) == expected


@pytest.mark.parametrize(
    "requested",
    [
        "10.0.0.1:80",
        "ftp://h:1",
        "http://h",
        "http://u:p@h:1",
        "http://h:1\nraw 1.2.3.4 5",
        "http://h h:1",
        "http://h:0",
    ],
)
def test_what_is_no_proxy_is_a_mistake_of_usage(requested: str) -> None:
    with pytest.raises(UsageError, match="--proxychains"):
        parse_requested(requested)


def test_without_a_proxy_a_command_stays_as_it_is() -> None:
    proxied = through_proxy(["agent", "-x"], {"A": "b"}, None)

    assert (proxied.argv, proxied.env) == (["agent", "-x"], {"A": "b"})


def test_no_part_of_the_address_is_pasted_into_the_script() -> None:
    one = through_proxy(["agent"], {}, Proxy("http", "one.example", 1))
    two = through_proxy(["agent"], {}, Proxy("socks5", "two.example", 2))

    assert one.argv[:3] == two.argv[:3]
    assert one.argv[-1] == "agent"


@pytest.mark.parametrize(
    ("proxy", "variables"),
    [
        (Proxy("http", "h", 1), {"HTTP_PROXY": "http://h:1", "HTTPS_PROXY": "http://h:1", "ALL_PROXY": "http://h:1"}),
        (
            Proxy("https", "h", 1),
            {"HTTP_PROXY": "http://h:1", "HTTPS_PROXY": "http://h:1", "ALL_PROXY": "http://h:1"},
        ),
        (Proxy("socks4", "h", 1), {"ALL_PROXY": "socks4a://h:1"}),
        (Proxy("socks5", "::1", 1), {"ALL_PROXY": "socks5h://[::1]:1"}),
    ],
)
def test_programs_that_look_for_variables_find_the_proxy_in_both_spellings(
    proxy: Proxy, variables: dict[str, str]
) -> None:
    found = proxy_variables(proxy)

    assert {name: found[name] for name in found if name.isupper() and name != "NO_PROXY"} == variables
    assert {name.upper(): found[name] for name in found if name.islower()} == {
        **variables,
        "NO_PROXY": found["NO_PROXY"],
    }


def test_the_environment_of_the_profile_wins() -> None:
    proxied = through_proxy(["agent"], {"HTTPS_PROXY": "http://mine:1"}, Proxy("http", "h", 1))

    assert proxied.env["HTTPS_PROXY"] == "http://mine:1"


@needs_bwrap
@needs_proxychains
@pytest.mark.parametrize(
    ("scheme", "asked"), [("http", "CONNECT"), ("https", "CONNECT"), ("socks4", "socks4"), ("socks5", "socks5")]
)
def test_a_program_reaches_what_only_the_proxy_can_name(
    world: World, proxy: ProxyServer, scheme: str, asked: str
) -> None:
    configure(world, vm=f"{scheme}://{ADDRESS}:{proxy.port}")

    done = world.agsekit("run", "speaker", "--", "inner.invalid", "7777")

    assert (done.code, done.out) == (0, "hello\n"), done.err
    assert proxy.requests == [(asked, "inner.invalid", 7777)]


@needs_bwrap
@needs_proxychains
def test_a_proxy_may_be_given_by_its_name(world: World, proxy: ProxyServer) -> None:
    configure(world)

    done = world.agsekit(
        "run", "speaker", "--proxychains", f"socks5://localhost:{proxy.port}", "--", "inner.invalid", "7777"
    )

    assert (done.code, done.out) == (0, "hello\n"), done.err


@needs_bwrap
@needs_proxychains
def test_the_loopback_is_reached_directly(world: World, proxy: ProxyServer) -> None:
    echo = EchoServer("127.0.0.2")
    configure(world, vm=f"socks5://{ADDRESS}:{proxy.port}")

    done = world.agsekit("run", "speaker", "--", "127.0.0.2", str(echo.port))

    assert (done.out, proxy.requests) == ("hello\n", [])
    echo.close()


@needs_bwrap
@needs_proxychains
def test_a_program_that_finds_the_proxy_itself_is_not_led_through_it_twice(world: World) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address besides the loopback")
        address = probe.getsockname()[0]
    server = ProxyServer(1, address)
    script = (
        'url=${HTTPS_PROXY#http://}; exec 20<>"/dev/tcp/${url%:*}/${url#*:}"; '
        "printf 'CONNECT inner.invalid:1 HTTP/1.1\\r\\n\\r\\n' >&20; read -r answer <&20; echo \"$answer\""
    )
    configure(world, vm=f"http://{address}:{server.port}", command=["bash", "-c", script])

    done = world.agsekit("run", "speaker")

    assert done.out == "HTTP/1.1 200 OK\r\n"
    assert server.requests == [("CONNECT", "inner.invalid", 1)]
    server.close()


@needs_bwrap
@pytest.mark.parametrize("agent", [{}, {"proxychains": "http://10.255.255.1:1"}])
def test_an_empty_value_turns_the_proxy_off_for_one_run(world: World, proxy: ProxyServer, agent: Any) -> None:
    echo = EchoServer()
    configure(world, vm="http://10.255.255.1:1", **agent)

    done = world.agsekit("run", "speaker", "--proxychains", "", "--", ADDRESS, str(echo.port))

    assert (done.code, done.out) == (0, "hello\n")
    echo.close()


@needs_bwrap
def test_a_proxy_that_is_none_stops_the_run_before_it_begins(world: World) -> None:
    configure(world)

    done = world.agsekit("run", "speaker", "--proxychains", "nonsense")

    assert (done.code, done.out) == (2, "")
    assert "scheme://host:port" in done.err


@needs_proxychains
def test_the_agent_in_a_machine_goes_through_the_proxy_and_leaves_no_file(
    world: World, vm: FakeMultipass, proxy: ProxyServer
) -> None:
    configure(world, vm=f"socks5://{ADDRESS}:{proxy.port}", engine="multipass")

    done = world.agsekit("run", "speaker", "--", "inner.invalid", "7777")

    assert (done.code, done.out) == (0, "hello\n"), done.err
    assert proxy.requests == [("socks5", "inner.invalid", 7777)]
    assert vm.ram("box") == []
    assert str(proxy.port) not in repr([call.argv for call in vm.calls()])


def test_without_proxychains_in_the_machine_the_agent_does_not_start(world: World, vm: FakeMultipass) -> None:
    tools = vm.root("box") / "home/ubuntu/tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/usr/bin/sh")
    (tools / "bash").symlink_to("/usr/bin/bash")
    configure(world, vm="socks5://10.0.0.1:1080", engine="multipass", env={"PATH": "/home/ubuntu/tools"})

    done = world.agsekit("run", "speaker", "--", ADDRESS, "1")

    assert (done.code, done.out) == (125, "")
    assert "agsekit: proxychains4 is not installed in this VM" in done.err


@needs_bwrap
@needs_proxychains
def test_a_proxy_whose_name_means_nothing_does_not_let_the_agent_start(world: World) -> None:
    configure(world, vm="socks5://proxy.invalid:1080")

    done = world.agsekit("run", "speaker", "--", ADDRESS, "1")

    assert (done.code, done.out) == (125, "")
    assert "agsekit: the name of the proxy cannot be resolved in this VM" in done.err
