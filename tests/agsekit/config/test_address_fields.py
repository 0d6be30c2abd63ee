from __future__ import annotations

import pytest

from agsekit.config import address_fields, fields
from agsekit.config.model import Address, Proxy


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:80", Address("::1", 80)),
        ("8080", Address("127.0.0.1", 8080)),
    ],
)
def test_an_address_is_host_and_port_or_a_port_of_the_loopback(text: str, address: Address) -> None:
    assert address_fields.parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        ":80",
        "h:0",
        "h:65536",
        "h:080",
        "h:",
        "-o:80",
        "a b:80",
        "h:80\n",
        "22:80",
        "[x]:80",
        "::1:80",
    ],
)
def test_an_address_refuses_what_ssh_could_misread(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        address_fields.parse_address(text)


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_proxy_is_scheme_host_and_port(scheme: str) -> None:
    assert address_fields.parse_proxy(f"{scheme}://proxy.example:1080") == Proxy(scheme, "proxy.example", 1080)


@pytest.mark.parametrize(
    "text",
    [
        "proxy:1080",
        "ftp://proxy:21",
        "socks5://proxy",
        "socks5://proxy:1080/path",
        "socks5://pro xy:1080",
        "socks5://proxy:1080\n",
        "socks5://proxy:10\nhttp evil 1",
        "socks5://:1080",
    ],
)
def test_a_proxy_refuses_what_could_reach_the_proxychains_file(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        address_fields.parse_proxy(text)


def test_a_proxy_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(fields.InvalidValueError, match="user name or password") as raised:
        address_fields.parse_proxy("socks5://someone:hunter2@proxy:1080")

    assert "hunter2" not in str(raised.value)
