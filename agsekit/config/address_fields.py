"""From the text of one value to where something listens: proxies, hosts and ports. See `fields` for the rules."""

from __future__ import annotations

import re

from agsekit.config.fields import InvalidValueError
from agsekit.config.model import Address, Proxy
from agsekit.i18n import _

PROXY_SCHEMES = ("http", "https", "socks4", "socks5")
_HOST = r"(?![0-9]+\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?"
_LOOPBACK = "127.0.0.1"


def parse_proxy(text: str) -> Proxy:
    """Return a proxy from `scheme://host:port`. The message never repeats it: it may hold a password."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InvalidValueError(_("must be {form}").format(form="scheme://host:port"))
    if "@" in rest:
        raise InvalidValueError(_("must not hold a user name or password: proxychains is given host and port only"))
    if scheme not in PROXY_SCHEMES:
        raise InvalidValueError(_("must start with one of {words}").format(words=", ".join(PROXY_SCHEMES)))
    address = _split_address(rest[:-1] if rest.endswith("/") else rest)
    return Proxy(scheme, address.host, address.port)


def parse_address(text: str) -> Address:
    """Return an address from `host:port`, `[v6]:port`, or a port alone, which is one of the loopback."""
    if re.fullmatch(r"[0-9]+", text):
        return Address(_LOOPBACK, parse_port(text))
    return _split_address(text)


def parse_port(text: str) -> int:
    """Return a TCP port."""
    port = int(text) if re.fullmatch(r"[1-9][0-9]{0,4}", text) else 0
    if not 1 <= port <= 65535:
        raise InvalidValueError(_("must have a port from 1 to 65535"))
    return port


def _split_address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator:
        raise InvalidValueError(_("must be {form}").format(form="host:port"))
    if host.startswith("[") and host.endswith("]"):
        return Address(_parse_ipv6(host[1:-1]), parse_port(port))
    if not re.fullmatch(_HOST, host):
        raise InvalidValueError(_("must have a host name or an IP address before the port"))
    return Address(host, parse_port(port))


def _parse_ipv6(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise InvalidValueError(_("must have an IPv6 address between the brackets")) from None
