from __future__ import annotations

from typing import Optional

import pytest

from agsekit.config.model import Address, PortForward
from agsekit.network.backoff import Backoff
from agsekit.network.forwarding import ends, open_to_others, rule_arguments

VM, HOST = Address("127.0.0.1", 80), Address("localhost", 8080)
V6 = Address("::1", 90)


@pytest.mark.parametrize(
    ("rule", "argv"),
    [
        (PortForward("local", VM, HOST), ["-L", "localhost:8080:127.0.0.1:80"]),
        (PortForward("local", V6, HOST), ["-L", "localhost:8080:[::1]:90"]),
        (PortForward("remote", VM, HOST), ["-R", "127.0.0.1:80:localhost:8080"]),
        (PortForward("remote", V6, V6), ["-R", "[::1]:90:[::1]:90"]),
        (PortForward("socks5", VM, None), ["-R", "127.0.0.1:80"]),
    ],
)
def test_a_rule_becomes_an_option_of_ssh(rule: PortForward, argv: list[str]) -> None:
    assert rule_arguments(rule) == argv


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),  # noqa: S104
        ("::", True),
        ("192.168.1.5", True),
        ("my-machine", True),
    ],
)
def test_a_rule_that_listens_beyond_the_loopback_is_open_to_others(host: str, is_open: bool) -> None:
    assert open_to_others(PortForward("local", VM, Address(host, 8080))) is is_open


@pytest.mark.parametrize("host", [Address("0.0.0.0", 1), None])  # noqa: S104
def test_a_rule_that_listens_in_the_vm_is_not_open_on_the_host(host: Optional[Address]) -> None:
    assert not open_to_others(PortForward("remote" if host else "socks5", VM, host))


def test_a_rule_tells_where_it_listens_and_leads() -> None:
    inside, outside = "127.0.0.1:80 in the VM", "localhost:8080 on the host"

    assert ends(PortForward("local", VM, HOST)) == (outside, inside)
    assert ends(PortForward("remote", VM, HOST)) == (inside, outside)
    assert ends(PortForward("socks5", VM, None)) == (inside, "the network of the host")


def test_waits_double_up_to_a_limit_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(first=1.0, longest=10.0)

    waits = [backoff.next() for _number in range(2000)]
    backoff.reset()

    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert waits[-1] == 10.0
    assert backoff.next() == 1.0
