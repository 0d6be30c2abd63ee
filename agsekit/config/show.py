"""A configuration as agsekit understands it: with its defaults, and without its secrets.

What comes out is a configuration again, with the same meaning but for the secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agsekit.config.model import Address, Agent, AllowedAgents, Config, EnvValue, Mount, PortForward, Proxy, Vm
from agsekit.masking import MASK, masked

_SIZES = (("T", 1024**4), ("G", 1024**3), ("M", 1024**2), ("K", 1024))
_SPANS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60))


def document(config: Config) -> dict[str, Any]:
    """Return a configuration as plain values; secrets are `***`, and null stands where nothing is said."""
    return {
        "vms": {vm.name: _vm(vm) for vm in config.vms.values()},
        "mounts": [_mount(mount) for mount in config.mounts],
        "agents": {agent.name: _agent(agent) for agent in config.agents.values()},
    }


def plain_document(config: Config) -> Any:
    """Return the same with nothing that JSON does not know: a date in `cloud-init` becomes text."""
    import json

    return json.loads(json.dumps(document(config), default=str))


def text(config: Config, *, only_ascii: bool = False) -> str:
    """Return a configuration as YAML; `only_ascii` writes every other character as an escape."""
    import yaml

    return str(yaml.safe_dump(document(config), sort_keys=False, allow_unicode=not only_ascii, width=1000))


def _vm(vm: Vm) -> dict[str, Any]:
    return {
        "engine": vm.engine,
        "cpu": vm.cpu,
        "ram": _size(vm.ram),
        "disk": _size(vm.disk),
        "proxychains": _proxy(vm.proxy) if vm.proxy else "",
        "cloud-init": _without_secrets(vm.cloud_init),
        "port-forwarding": [_forward(each) for each in vm.port_forwarding],
        **_allowed(vm.allowed_agents),
    }


def _forward(forward: PortForward) -> dict[str, Any]:
    host = {} if forward.host_address is None else {"host-addr": _address(forward.host_address)}
    return {"type": forward.kind, **host, "vm-addr": _address(forward.vm_address)}


def _mount(mount: Mount) -> dict[str, Any]:
    keep = mount.keep
    return {
        "source": str(mount.source),
        "target": str(mount.target),
        "backup": str(mount.backup),
        "interval": _number(mount.interval),
        "vm": mount.vm,
        "backend": mount.backend,
        "exclude": list(mount.exclude),
        "keep": {name: _span(getattr(keep, name)) for name in ("everything", "hourly", "daily", "weekly")},
        "guard": {"risky": mount.guard.risky, "loss": mount.guard.loss, "share": mount.guard.share},
        "watch": mount.watch,
        "max_backups": keep.max_backups,
        "max_size": None if keep.max_size is None else _size(keep.max_size),
        "min_free": None if keep.min_free is None else _size(keep.min_free),
        **_allowed(mount.allowed_agents),
    }


def _agent(agent: Agent) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": agent.type,
        "env": {name: _variable(name, value) for name, value in agent.env.items()},
        "default-args": masked(agent.default_args),
        "vm": agent.vm,
        "home": "own" if agent.own_home else "shared",
    }
    if agent.proxy or agent.proxy_disabled:
        # Without it the VM decides; with nothing there is no proxy.
        shown["proxychains"] = _proxy(agent.proxy) if agent.proxy else ""
    if agent.command:
        shown["command"] = masked(agent.command)
    if agent.version:
        shown["version"] = agent.version
    if agent.install:
        shown["install"] = masked(agent.install)
    return shown


def _variable(name: str, value: EnvValue) -> Any:
    if isinstance(value, str):
        return _value(name, value)
    return {value.kind: masked(value.words) if value.kind == "command" else value.words[0]}


def _value(name: str, value: str) -> str:
    """Return a value, or `***` when its name or its shape says that it is a secret."""
    shown = masked([f"{name}={value}"])[0][len(name) + 1 :] if value else ""
    # What is no secret itself may hold some, one a line: a script, a file with settings.
    return shown if shown == MASK else "".join(masked([line])[0] for line in shown.splitlines(keepends=True))


def _without_secrets(value: Any, name: str = "", *, secret: bool = False) -> Any:
    if isinstance(value, Mapping):
        below = secret or _value(name, "x" * 20) == MASK
        return {key: _without_secrets(each, str(key), secret=below) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        below = secret or _value(name, "x" * 20) == MASK
        if not below and all(isinstance(each, str) for each in value):
            return masked(value)
        return [_without_secrets(each, name, secret=below) for each in value]
    if isinstance(value, str):
        return MASK if secret and value else _value(name, value)
    return MASK if secret and not isinstance(value, bool) and value is not None else value


def _allowed(allowed: AllowedAgents | None) -> dict[str, Any]:
    """Return the key that says who is let in; without it everybody is, with nothing in it nobody."""
    return {} if allowed is None else {"allowed-agents": list(allowed.names)}


def _address(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def _proxy(proxy: Proxy) -> str:
    return f"{proxy.scheme}://{_address(Address(proxy.host, proxy.port))}"


def _size(size: int) -> str | int:
    return next((f"{size // factor}{unit}" for unit, factor in _SIZES if size and size % factor == 0), size)


def _span(seconds: float) -> str | int:
    return next((f"{seconds / length:g}{unit}" for unit, length in _SPANS if seconds and seconds % length == 0), 0)


def _number(value: float) -> float:
    return int(value) if value == int(value) else value
