"""The rules of `port-forwarding`: as options of ssh, and in words."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from agsekit.config.model import Address, PortForward
from agsekit.i18n import _


def rule_arguments(rule: PortForward) -> Sequence[str]:
    """Return a rule as options of ssh."""
    if rule.kind == "local" and rule.host_address:
        return ["-L", f"{address_text(rule.host_address)}:{address_text(rule.vm_address)}"]
    if rule.kind == "remote" and rule.host_address:
        return ["-R", f"{address_text(rule.vm_address)}:{address_text(rule.host_address)}"]
    # Without a place to lead to, ssh speaks SOCKS 4 and 5 itself to whoever connects in the VM.
    return ["-R", address_text(rule.vm_address)]


def address_text(address: Address) -> str:
    """Return `host:port`, with brackets where ssh needs them."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def ends(rule: PortForward) -> tuple[str, str]:
    """Return where a rule listens and where it leads, in words."""
    inside = _("{address} in the VM").format(address=address_text(rule.vm_address))
    if rule.host_address is None:
        return inside, _("the network of the host")
    outside = _("{address} on the host").format(address=address_text(rule.host_address))
    return (outside, inside) if rule.kind == "local" else (inside, outside)


def open_to_others(rule: PortForward) -> bool:
    """Tell whether a rule listens on the host where other machines can reach it."""
    if rule.kind != "local" or rule.host_address is None or rule.host_address.host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(rule.host_address.host).is_loopback
    except ValueError:
        return True
