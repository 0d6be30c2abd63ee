from __future__ import annotations

import pytest
import yaml

from agsekit.config.model import Proxy, Vm
from agsekit.machines.cloud_init import apt_proxy, user_data


def test_what_the_user_wrote_stays_and_wins() -> None:
    mine = {"package_update": False, "packages": [["git", "1.0"]], "apt": {"sources": {}}, "runcmd": ["a"]}

    data = yaml.safe_load(user_data(Vm("box", cloud_init=mine, proxy=Proxy("http", "h", 1)), "ssh-ed25519 key"))

    assert data == {
        **mine,
        "packages": [["git", "1.0"], "rsync", "proxychains4", "sshfs"],
        "ssh_authorized_keys": ["ssh-ed25519 key"],
    }


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        (None, ""),
        (Proxy("http", "proxy.lan", 3128), "http://proxy.lan:3128"),
        (Proxy("https", "::1", 3128), "http://[::1]:3128"),
        (Proxy("socks5", "10.0.0.1", 1080), "socks5h://10.0.0.1:1080"),
        (Proxy("socks4", "10.0.0.1", 1080), ""),
    ],
)
def test_packages_come_through_the_proxy_of_the_vm(proxy: Proxy | None, text: str) -> None:
    vm = Vm("box", proxy=proxy)

    data = yaml.safe_load(user_data(vm, "key"))

    assert apt_proxy(vm) == text
    assert data.get("apt") == ({"http_proxy": text, "https_proxy": text} if text else None)
