"""The keys of a VM; `keys` says what they are for."""

from __future__ import annotations

from agsekit.config import fields, number_fields, shapes
from agsekit.config.key import Key, Table

FORWARD = Table(
    "forward",
    (
        Key(
            "type",
            "local: see a server of the VM on the host. remote: reach a service of the host from the VM. "
            "socks5: a proxy in the VM that leads into the network of the host.",
            shapes.one_of(fields.FORWARD_KINDS),
            example="remote",
            required=True,
        ),
        Key(
            "host-addr",
            "The address on the host, as host:port, [v6]:port, or a port of 127.0.0.1. `local` listens there, "
            "`remote` leads there; `socks5` has none.",
            shapes.ADDRESS,
            example="127.0.0.1:8080",
            otherwise="needed, but for `socks5`",
        ),
        Key(
            "vm-addr",
            "The address in the VM, in the same way. `local` leads there, `remote` and `socks5` listen there.",
            shapes.ADDRESS,
            example="127.0.0.1:80",
            required=True,
        ),
    ),
    rules={
        "if": {"properties": {"type": {"const": "socks5"}}},
        "then": {"properties": {"host-addr": False}},
        "else": {"required": ["host-addr"], "properties": {"host-addr": {"type": ["integer", "string"]}}},
    },
)

VM = Table(
    "vm",
    (
        Key(
            "engine",
            "What isolates. multipass: a virtual machine. bubblewrap: a Linux sandbox, lighter and weaker.",
            shapes.one_of(fields.ENGINES),
            example="bubblewrap",
            default="multipass",
        ),
        Key("cpu", "Processors.", shapes.CPU, example=4, default=2),
        Key(
            "ram", "Memory, such as 4G or 4096M.", shapes.size(number_fields.SMALLEST_RAM), example="8G", default="4G"
        ),
        Key("disk", "Size of the disk.", shapes.size(number_fields.SMALLEST_DISK), example="40G", default="20G"),
        Key(
            "proxychains",
            "A proxy that commands are sent through, as scheme://host:port with http, https, socks4 or socks5; "
            "empty for none.",
            shapes.PROXY,
            example="socks5://127.0.0.1:1080",
            default="",
        ),
        Key(
            "cloud-init",
            "Anything that cloud-init understands, for the first start of the VM.",
            shapes.MAPPING,
            example={"packages": ["ripgrep"]},
            default={},
        ),
        Key(
            "port-forwarding",
            "Tunnels between the VM and the host.",
            example=[{"type": "local", "host-addr": "127.0.0.1:8080", "vm-addr": "127.0.0.1:80"}],
            default=[],
            table=FORWARD,
            form="list",
        ),
        Key(
            "allowed-agents",
            "The names of the agents that may run in this VM; an empty list lets none in.",
            shapes.AGENT_NAMES,
            example=["helper"],
            otherwise="every agent may",
        ),
    ),
)
