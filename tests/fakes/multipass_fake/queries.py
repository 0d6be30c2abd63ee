"""Commands that only ask: version, list, info, networks, find, help."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .client import Arguments, errors_occurred, failed, parse, say
from .state import Daemon, Instance, Snapshot, size_text

VERSION = "1.16.3"
IMAGE_HASH = "4218cfa0806d59ba6476a0c69ce1bb7ad7b1285aa0930497983a6c1f70b3adaf"
CREATED = "Mon Nov 23 14:52:47 2026 UTC"

EXEC_HELP = """Usage: multipass exec [options] <name> [--] <command>
Run a command on an instance

Options:
  -h, --help                      Displays help on commandline options
  -v, --verbose                   Increase logging verbosity. Repeat the 'v' in
                                  the short option for more detail. Maximum
                                  verbosity is obtained with 4 (or more) v's,
                                  i.e. -vvvv.
  -d, --working-directory <dir>   Change to <dir> before execution
  -n, --no-map-working-directory  Do not map the host execution path to a
                                  mounted path

Arguments:
  name                            Name of instance to execute the command on
  command                         Command to execute on the instance
"""


def dump(value: Any) -> None:
    """Write JSON the way the client formats it: empty lists and mappings take two lines."""
    say(_format(value, 0) + "\n")


def _format(value: Any, depth: int) -> str:
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {_format(value[key], depth + 1)}" for key in sorted(value)]
        return "{\n" + "".join(",\n".join(lines) + "\n" if lines else "") + outer + "}"
    if isinstance(value, list):
        lines = [inner + _format(entry, depth + 1) for entry in value]
        return "[\n" + "".join(",\n".join(lines) + "\n" if lines else "") + outer + "]"
    return json.dumps(value)


def state_of(instance: Instance) -> str:
    """Return the state that this query sees, and move the boot on by one query."""
    return instance.pending.pop(0) if instance.pending else instance.state


def version(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass version`: the only command that succeeds without the daemon."""
    arguments = parse(argv, values="format")
    up = daemon.situation("daemon", "up") == "up"
    if arguments.value("format") == "json":
        dump({"multipass": VERSION, **({"multipassd": VERSION} if up else {})})
    else:
        say(f"multipass   {VERSION}\n" + (f"multipassd  {VERSION}\n" if up else ""))


def list_instances(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass list`."""
    arguments = parse(argv, flags="snapshots no-ipv4", values="format")
    if arguments.has("snapshots"):
        _list_snapshots(daemon, arguments)
        return
    rows = [(each, state_of(each)) for each in daemon.visible()]
    addresses = {each.name: [each.ip] if state == "Running" else [] for each, state in rows}
    form = arguments.value("format")
    if form == "json":
        entries = [
            {"ipv4": addresses[each.name], "name": each.name, "release": each.release, "state": state}
            for each, state in rows
        ]
        dump({"list": entries})
    elif form == "csv":
        say("Name,State,IPv4,IPv6,Release,AllIPv4\n")
        for each, state in rows:
            address = "".join(addresses[each.name])
            say(f'{each.name},{state},{address},,{each.release},"{address}"\n')
    elif not rows:
        say("No instances found.\n")
    else:
        say("Name                    State             IPv4             Image\n")
        for each, state in rows:
            address = "".join(addresses[each.name]) or "--"
            say(f"{each.name:<24}{state:<18}{address:<17}{each.release}\n")


def _list_snapshots(daemon: Daemon, arguments: Arguments) -> None:
    owners = [each for each in daemon.visible() if each.snapshots]
    if arguments.value("format") == "json":
        info = {
            each.name: {
                snapshot.name: {"comment": snapshot.comment, "parent": snapshot.parent}
                for snapshot in each.snapshots.values()
            }
            for each in owners
        }
        dump({"errors": [], "info": info})
    elif not owners:
        say("No snapshots found.\n")
    else:
        say("Instance   Snapshot    Parent   Comment\n")
        for each in owners:
            for snapshot in each.snapshots.values():
                parent, comment = snapshot.parent or "--", snapshot.comment or "--"
                say(f"{each.name:<11}{snapshot.name:<12}{parent:<9}{comment}\n")


def info(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass info`: starts nothing."""
    arguments = parse(argv, flags="all snapshots no-runtime-information", values="format")
    names = arguments.positional or [each.name for each in daemon.visible()]
    found: dict[str, Any] = {}
    problems = []
    for word in names:
        name, dot, snapshot = word.partition(".")
        instance = daemon.find(name)
        if instance is None:
            problems.append(f'instance "{name}" does not exist')
        elif dot and snapshot not in instance.snapshots:
            problems.append(f"No such snapshot: {word}")
        elif dot or arguments.has("snapshots"):
            chosen = [instance.snapshots[snapshot]] if dot else list(instance.snapshots.values())
            if chosen:
                entries = {each.name: _snapshot_info(instance, each) for each in chosen}
                found.setdefault(name, {"snapshots": {}})["snapshots"].update(entries)
        else:
            found[name] = _instance_info(instance)
    if problems:
        raise errors_occurred("info", *problems)
    if arguments.value("format") == "json":
        dump({"errors": [], "info": found})
    else:
        for name in found:
            _info_table(name, daemon.instances[name], found[name])


def _snapshot_info(instance: Instance, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "children": [each.name for each in instance.snapshots.values() if each.parent == snapshot.name],
        "comment": snapshot.comment,
        "cpu_count": str(snapshot.cpus),
        "created": CREATED,
        "disk_space": size_text(snapshot.disk),
        "memory_size": size_text(snapshot.memory),
        "mounts": {target: {"source_path": entry["source_path"]} for target, entry in snapshot.mounts.items()},
        "parent": snapshot.parent,
        "size": "",
    }


def _instance_info(instance: Instance) -> dict[str, Any]:
    state = state_of(instance)
    running = state == "Running"
    mounts = {
        target: {key: entry[key] for key in ("gid_mappings", "source_path", "uid_mappings")}
        for target, entry in instance.mounts.items()
    }
    return {
        "cpu_count": str(instance.cpus) if running else "",
        "disks": {"sda1": {"total": str(instance.disk * 96 // 100), "used": "566325248"} if running else {}},
        "image_hash": IMAGE_HASH,
        "image_release": "",
        "ipv4": [instance.ip] if running else [],
        "load": [1.19, 1.6, 0.76] if running else [],
        "memory": {"total": instance.memory * 94 // 100, "used": 217624576} if running else {},
        "mounts": mounts,
        "release": "Debian GNU/Linux 12 (bookworm)" if running else "",
        "snapshot_count": str(len(instance.snapshots)),
        "state": state,
    }


def _info_table(name: str, instance: Instance, found: dict[str, Any]) -> None:
    rows = {
        "Name": name,
        "State": found.get("state", instance.state),
        "Snapshots": str(len(instance.snapshots)),
        "IPv4": "".join(found.get("ipv4", [])) or "--",
        "Release": found.get("release") or "--",
        "Image hash": IMAGE_HASH[:12],
        "CPU(s)": found.get("cpu_count") or "--",
        "Load": " ".join(str(number) for number in found.get("load", [])) or "--",
        "Disk usage": f"540.1MiB out of {size_text(instance.disk)}" if found.get("load") else "--",
        "Memory usage": f"207.4MiB out of {size_text(instance.memory)}" if found.get("load") else "--",
        "Mounts": "\n                ".join(
            f"{entry['source_path']} => {target}" for target, entry in instance.mounts.items()
        )
        or "--",
    }
    for label, value in rows.items():
        say(f"{label + ':':<16}{value}\n")


def networks(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass networks`."""
    arguments = parse(argv, values="format")
    entries = [
        {"description": "Ethernet device", "name": "eth0", "type": "ethernet"},
        {"description": "Network bridge", "name": "mpqemubr0", "type": "bridge"},
    ]
    if arguments.value("format") == "json":
        dump({"list": entries})
        return
    say("Name        Type       Description\n")
    for entry in entries:
        say(f"{entry['name']:<12}{entry['type']:<11}{entry['description']}\n")


def find(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass find`, on a machine without a way to the image servers."""
    parse(argv, flags="show-unsupported force-update", values="format")
    host = "cdimage.ubuntu.com"
    image = f"https://{host}/ubuntu-core/16/stable/current/ubuntu-core-16-amd64.img.xz"
    raise failed("find", f"failed to download from '{image}': Host {host} not found")
