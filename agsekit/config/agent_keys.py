"""The keys of an agent; `keys` says what they are for."""

from __future__ import annotations

from agsekit.agent_types import CUSTOM, agent_types
from agsekit.config import fields, shapes
from agsekit.config.key import Key, Table

_TYPES = [*agent_types(), *(alias for each in agent_types().values() for alias in each.aliases)]

AGENT = Table(
    "agent",
    (
        Key(
            "type",
            "The kind of agent; `custom` is any program, see `command`.",
            shapes.one_of(_TYPES),
            example="codex",
            required=True,
        ),
        Key(
            "version",
            "The version to install: that number, or `latest`.",
            shapes.VERSION,
            example="1.2.3",
            otherwise="the version that docs/agents.md names; `agsekit install-agents --upgrade` brings it",
        ),
        Key(
            "env",
            "The environment of the agent. A value is text, or fetched on the host when the agent starts: "
            "{env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}. With keys in it, keep the file to yourself "
            "(chmod 600).",
            shapes.ENVIRONMENT,
            example={"OPENAI_MODEL": "qwen3-coder", "OPENAI_API_KEY": {"command": ["pass", "show", "openai"]}},
            default={},
        ),
        Key(
            "default-args",
            "Arguments for the agent, a list or one line, except options whose name you give on the command line.",
            shapes.WORDS,
            example=["--approval-mode=yolo"],
            default=[],
        ),
        Key(
            "vm",
            "The VM for folders that are not a mount; the VM of a mount comes first.",
            shapes.VM_NAME,
            example="second",
            otherwise="the first VM",
        ),
        Key(
            "proxychains",
            "A proxy as for a VM; empty means none, whatever the VM says.",
            shapes.PROXY,
            example="http://127.0.0.1:3128",
            otherwise="what the VM says",
        ),
        Key(
            "home",
            "shared: the home of the VM. own: a home inside that no other profile uses, with a login of its own.",
            shapes.one_of(fields.HOMES),
            example="own",
            default="shared",
        ),
        Key(
            "command",
            "What an agent of the type custom runs, a list or one line; it has to be installed in the VM.",
            shapes.WORDS,
            example=["my-tool", "--verbose"],
            otherwise="needed for the type custom, and for no other",
        ),
        Key(
            "install",
            "What installs an agent of the type custom: a command that is run in the VM, a list or one line; or the "
            "path of a bash script on this machine (absolute or with ~/), which is run there.",
            shapes.WORDS,
            example="~/bin/install-my-tool.sh",
            otherwise="you install it yourself; only for the type custom",
        ),
    ),
    rules={
        "if": {"properties": {"type": {"const": CUSTOM}}},
        "then": {
            "required": ["command"],
            "properties": {
                "command": {"minItems": 1, "pattern": r"\S", "items": [{"minLength": 1}], "not": {"type": "null"}},
                "install": {"items": [{"minLength": 1}]},
                "version": False,
            },
        },
        "else": {"properties": {"command": False, "install": False}},
    },
)
