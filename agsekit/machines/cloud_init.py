"""What a new machine is told about itself: the user's cloud-init, and what agsekit needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agsekit.config.model import Vm
from agsekit.errors import ConfigError
from agsekit.i18n import _
from agsekit.machines.guest import PACKAGES


def user_data(vm: Vm, public_key: str) -> str:
    """Return the cloud-init document for a VM: everything the user wrote, with our key and packages added.

    Raises:
        ConfigError: what the user wrote cannot be added to.
    """
    import yaml

    merged: dict[str, Any] = {"package_update": True, **vm.cloud_init}
    merged["packages"] = _added(vm, "packages", PACKAGES)
    merged["ssh_authorized_keys"] = _added(vm, "ssh_authorized_keys", [public_key])
    proxy = apt_proxy(vm)
    if proxy and "apt" not in merged:
        merged["apt"] = {"http_proxy": proxy, "https_proxy": proxy}
    document = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10**6)
    return f"#cloud-config\n{document}"


def apt_proxy(vm: Vm) -> str:
    """Return the proxy of a VM the way apt takes it: proxychains cannot be used to install itself. Else nothing.

    apt speaks to http and socks5 proxies.
    """
    if vm.proxy is None or vm.proxy.scheme == "socks4":
        return ""
    host = f"[{vm.proxy.host}]" if ":" in vm.proxy.host else vm.proxy.host
    return f"{'socks5h' if vm.proxy.scheme == 'socks5' else 'http'}://{host}:{vm.proxy.port}"


def _added(vm: Vm, key: str, wanted: Sequence[str]) -> list[Any]:
    """Return the list of the user with what it lacks; an entry may be a list of a package and its version."""
    given = vm.cloud_init.get(key) or []
    if not isinstance(given, list):
        raise ConfigError(
            _("vms.{name}.cloud-init.{key} must be a list, because agsekit adds to it").format(name=vm.name, key=key),
            hint=_("write each entry on a line of its own: - entry"),
        )
    named = [entry[0] if isinstance(entry, list) and entry else entry for entry in given]
    return [*given, *(each for each in wanted if each not in named)]
