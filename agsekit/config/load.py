"""From the configuration file to the model, with every problem reported at once."""

from __future__ import annotations

import functools
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agsekit.agent_types import CUSTOM
from agsekit.config import address_fields, fields, folder_fields, keys, number_fields
from agsekit.config.agent_fields import Surroundings, load_allowed_agents, load_env
from agsekit.config.checks import PlacedMount, check_config_out_of_reach, check_mounts
from agsekit.config.guard import load_guard
from agsekit.config.model import GUEST_HOME, Address, Agent, Config, Mount, PortForward, Proxy, Vm
from agsekit.config.problems import Finding, Problems, quoted, with_suggestion
from agsekit.config.tables import Table, entries_of, items_of
from agsekit.config.yaml_nodes import Value, construct, load_root, read_limited
from agsekit.errors import ConfigError
from agsekit.i18n import _
from agsekit_storage.retention import Policy

_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


def load_config(path: Path, *, home: Path) -> Config:
    """Read and check a configuration. `home` is what `~` means in it, an absolute path.

    Raises:
        ConfigError: the file is missing or cannot be read, or it has problems; then the message holds
            all of them, one a line, as `file:line: key.path: problem`.
    """
    data, mode = read_limited(path)
    return parse_config(data, Problems(path), home=home, mode=mode)


def check_config(path: Path, *, home: Path) -> tuple[Config | None, Sequence[Finding]]:
    """Read a configuration and return everything that is to be said about it, warnings beside problems.

    The configuration is None when it has problems.

    Raises:
        ConfigError: the file is missing or cannot be read.
    """
    data, mode = read_limited(path)
    problems = Problems(path)
    config = None
    try:
        config = parse_config(data, problems, home=home, mode=mode)
    except ConfigError:
        pass  # the findings say it
    return config, problems.findings


def parse_config(data: bytes, problems: Problems, *, home: Path, mode: int = 0) -> Config:
    """Check the content of a configuration file; `mode` is the one of the file.

    Raises:
        ConfigError: it has problems, all of which are in `problems` too.
    """
    root = _root_table(load_root(data, problems), problems)
    known = [name for name, _agent in _entries(root, "agents")]
    vms = _load_vms(root, known, problems)
    placed = _load_mounts(root, vms, known, home, problems)
    check_mounts(placed)
    agents = _load_agents(root, vms, Surroundings(home, [each.mount.source for each in placed]), problems)

    path = problems.file
    has_values = any(agent.holds_values for agent in agents.values())
    if stat.S_ISREG(mode) and mode & _READABLE_BY_OTHERS and has_values:
        root.warn("agents", _("others can read the keys in this file; run `chmod 600 {path}`").format(path=path))
    check_config_out_of_reach(path, placed)
    problems.raise_if_any()
    return Config(path, vms, tuple(each.mount for each in placed), agents, problems.warnings)


def _root_table(root: Value | None, problems: Problems) -> Table:
    if root is None:
        problems.refuse(1, "", _("is empty; it needs at least one VM below `vms:`"))
    if root.entries is None:
        names = ", ".join(keys.ROOT.names)
        problems.refuse(root.line, "", _("must be a mapping with the keys {keys}").format(keys=names))
    return Table(root, keys.ROOT.names, problems)


def _named(root: Table, key: str, parse_name: Callable[[str], str], problems: Problems) -> list[tuple[str, Value]]:
    value = root.get(key)
    entries = [] if value is None else entries_of(value, problems)
    for name, entry in entries:
        try:
            parse_name(name)
        except fields.InvalidValueError as error:
            problems.add(entry.line, entry.path, str(error))
    return entries


def _entries(root: Table, key: str) -> list[tuple[str, Value]]:
    value = root.get(key)
    return (value.entries or []) if value else []


def _load_vms(root: Table, agents: Sequence[str], problems: Problems) -> dict[str, Vm]:
    entries = _named(root, "vms", fields.parse_vm_name, problems)
    value = root.get("vms")
    if not entries and (value is None or value.entries is not None):
        root.problem("vms", _("must hold at least one VM"))
    return {name: _load_vm(name, Table(value, keys.VM.names, problems), agents, problems) for name, value in entries}


def _load_vm(name: str, table: Table, agents: Sequence[str], problems: Problems) -> Vm:
    default = Vm(name)
    return Vm(
        name=name,
        engine=table.parsed("engine", fields.parse_engine, default.engine),
        cpu=table.parsed("cpu", number_fields.parse_cpu, default.cpu),
        ram=table.parsed("ram", number_fields.parse_ram, default.ram),
        disk=table.parsed("disk", number_fields.parse_disk, default.disk),
        cloud_init=_load_cloud_init(table),
        proxy=_load_proxy(table),
        port_forwarding=_load_forwards(table, problems),
        allowed_agents=load_allowed_agents(table, agents),
    )


def _load_cloud_init(table: Table) -> Mapping[str, Any]:
    value = table.get("cloud-init")
    if value is None:
        return {}
    if value.entries is None:
        table.problem("cloud-init", _("must be a mapping, with lines such as `key: value`"))
        return {}
    try:
        return dict(construct(value))
    except ValueError as error:
        table.problem("cloud-init", _("cannot be read: {reason}").format(reason=error))
        return {}


def _load_proxy(table: Table) -> Proxy | None:
    value = table.get("proxychains")
    return None if value is None or value.text == "" else table.optional("proxychains", address_fields.parse_proxy)


def _load_forwards(table: Table, problems: Problems) -> tuple[PortForward, ...]:
    value = table.get("port-forwarding")
    items = [] if value is None else items_of(value, problems)
    forwards = (_load_forward(Table(item, keys.FORWARD.names, problems)) for item in items)
    return tuple(forward for forward in forwards if forward is not None)


def _load_forward(table: Table) -> PortForward | None:
    kind = table.required("type", fields.parse_forward_kind)
    vm_address = table.required("vm-addr", address_fields.parse_address)
    host_address: Address | None = None
    if kind != "socks5":
        host_address = table.required("host-addr", address_fields.parse_address)
    elif "host-addr" in table:
        table.problem("host-addr", _("has no meaning for socks5, which leads into the network of the host"))
    if kind is None or vm_address is None:
        return None
    return PortForward(kind, vm_address, host_address)


def _load_mounts(
    root: Table, vms: Mapping[str, Vm], agents: Sequence[str], home: Path, problems: Problems
) -> list[PlacedMount]:
    value = root.get("mounts")
    items = [] if value is None else items_of(value, problems)
    placed = (_load_mount(Table(item, keys.MOUNT.names, problems), vms, agents, home, problems) for item in items)
    return [each for each in placed if each is not None]


def _load_mount(
    table: Table, vms: Mapping[str, Vm], agents: Sequence[str], home: Path, problems: Problems
) -> PlacedMount | None:
    source = table.required("source", functools.partial(folder_fields.parse_source, home=home))
    vm = table.parsed("vm", str, next(iter(vms), ""))
    if "vm" in table and vms and vm not in vms:
        table.problem("vm", _unknown_vm(vm, vms))
    target = table.optional("target", folder_fields.parse_target)
    backup = table.optional("backup", functools.partial(folder_fields.parse_host_folder, home=home))
    interval = table.parsed("interval", number_fields.parse_interval, Mount.interval)
    backend = table.optional("backend", fields.parse_backend)
    exclude = table.texts("exclude", fields.parse_pattern)
    if source is None:
        return None
    mount = Mount(
        source=source,
        target=target or GUEST_HOME / source.name,
        backup=backup or source.parent / f"backups-{source.name}",
        vm=vm,
        interval=interval,
        backend=backend,
        exclude=exclude,
        keep=_load_policy(table, problems),
        watch=table.optional("watch", fields.parse_watch),
        guard=load_guard(table, problems),
        allowed_agents=load_allowed_agents(table, agents),
    )
    return PlacedMount(mount, table)


def _load_policy(table: Table, problems: Problems) -> Policy:
    default = Policy()
    value = table.get("keep")
    keep = Table(value, keys.KEEP.names, problems) if value is not None and value.entries is not None else None
    if value is not None and keep is None:
        table.problem("keep", _("must be a mapping, with lines such as `daily: 30d`"))
    spans = {
        key: keep.parsed(key, number_fields.parse_duration, getattr(default, key)) if keep else getattr(default, key)
        for key in keys.KEEP.names
    }
    return Policy(
        **spans,
        max_backups=table.parsed("max_backups", number_fields.parse_max_backups, default.max_backups),
        max_size=table.optional("max_size", number_fields.parse_amount),
        min_free=table.optional("min_free", number_fields.parse_amount),
    )


def _load_agents(root: Table, vms: Mapping[str, Vm], around: Surroundings, problems: Problems) -> dict[str, Agent]:
    entries = _named(root, "agents", fields.parse_agent_name, problems)
    tables = {name: Table(value, keys.AGENT.names, problems) for name, value in entries}
    return {name: _load_agent(name, table, vms, around, problems) for name, table in tables.items()}


def _load_agent(name: str, table: Table, vms: Mapping[str, Vm], around: Surroundings, problems: Problems) -> Agent:
    agent_type = table.required("type", fields.parse_agent_type)
    vm = table.optional("vm", str)
    if vm is not None and vms and vm not in vms:
        table.warn("vm", _unknown_vm(vm, vms))
    proxy = _load_proxy(table)
    return Agent(
        name=name,
        type=agent_type or CUSTOM,
        env=load_env(table, around, problems),
        default_args=table.words("default-args"),
        vm=vm,
        proxy=proxy,
        proxy_disabled="proxychains" in table and proxy is None,
        command=_load_command(table, agent_type),
        own_home=table.parsed("home", fields.parse_home, "shared") == "own",
        version=_load_version(table, agent_type),
        install=_load_install(table, agent_type),
    )


def _load_command(table: Table, agent_type: str | None) -> tuple[str, ...]:
    command = table.words("command")
    if agent_type == CUSTOM and not any(command[:1]) and "command" not in table.wrong:
        table.problem("command", _("is missing: it is what an agent of the type custom runs"))
    elif agent_type not in (CUSTOM, None) and "command" in table:
        table.problem("command", _("is for agents of the type custom only"))
    return command


def _load_version(table: Table, agent_type: str | None) -> str | None:
    if agent_type == CUSTOM and "version" in table:
        table.problem("version", _("is not for the type custom, whose `install` decides what is installed"))
    return table.optional("version", fields.parse_version)


def _load_install(table: Table, agent_type: str | None) -> tuple[str, ...]:
    words = table.words("install")
    if agent_type not in (CUSTOM, None) and "install" in table:
        table.problem("install", _("is for agents of the type custom only; give the others a `version`"))
    elif words and not words[0]:
        table.problem("install", _("must be a command, or the path of a script on this machine"))
    return words


def _unknown_vm(name: str, vms: Mapping[str, Vm]) -> str:
    problem = _("there is no VM {name} in this file; it has {names}").format(names=", ".join(vms), name=quoted(name))
    return with_suggestion(problem, name, vms)
