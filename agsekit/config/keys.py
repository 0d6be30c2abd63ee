"""Every key of the configuration: the loader, the JSON Schema and the documentation know it from here.

A key that is not in these tables is refused by the loader. Descriptions are English: they are for editors and
docs. After a change run `scripts/refresh.sh`, which writes schema.json and the tables of
docs/configuration.md.
"""

from __future__ import annotations

from agsekit.config import fields
from agsekit.config.agent_keys import AGENT
from agsekit.config.key import Key, Table
from agsekit.config.mount_keys import GUARD, KEEP, MOUNT
from agsekit.config.vm_keys import FORWARD, VM

__all__ = ["AGENT", "FORWARD", "GUARD", "KEEP", "MOUNT", "ROOT", "VM"]

ROOT = Table(
    "root",
    (
        Key(
            "vms",
            "Where agents run, by name. The first VM is the one that is meant where none is named.",
            example={"second": {}},
            required=True,
            table=VM,
            form="named",
            names=fields.VM_NAME,
        ),
        Key(
            "mounts",
            "The folders that agents work on, and where their snapshots go.",
            example=[{"source": "~/other"}],
            default=[],
            table=MOUNT,
            form="list",
        ),
        Key(
            "agents",
            "What to start, by name: agsekit run NAME ~/project.",
            example={"helper": {"type": "qwen"}},
            default={},
            table=AGENT,
            form="named",
            names=fields.AGENT_NAME,
        ),
    ),
)
