"""The keys of a mount; `keys` says what they are for."""

from __future__ import annotations

from agsekit.config import fields, shapes
from agsekit.config.key import Key, Table

KEEP = Table(
    "keep",
    tuple(
        Key(name, description, shapes.DURATION, example="3d", default=default)
        for name, description, default in (
            ("everything", "How long every snapshot is kept: a number and m, h, d, w or y.", "1h"),
            ("hourly", "How long the last snapshot of each hour is kept.", "1d"),
            ("daily", "How long the last snapshot of each day is kept.", "30d"),
            ("weekly", "How long the last snapshot of each week is kept.", "1y"),
        )
    ),
)

GUARD = Table(
    "guard",
    (
        Key(
            "risky",
            "What becomes of what the host would execute, such as git hooks, when a run has changed it. report: it "
            "is listed. quarantine: it is put back as it was, and the new one kept in a snapshot.",
            shapes.one_of(fields.RISKY_CHOICES),
            example="quarantine",
            default="report",
        ),
        Key(
            "loss",
            "What happens when a run destroys much. warn: you are told at once. pause: the agent is stopped, too, "
            "until you decide.",
            shapes.one_of(fields.LOSS_CHOICES),
            example="pause",
            default="warn",
        ),
        Key(
            "share",
            "How much that is: this share of the files is gone or nearly empty.",
            shapes.SHARE,
            example=0.25,
            default=0.5,
        ),
    ),
)

MOUNT = Table(
    "mount",
    (
        Key(
            "source",
            "The project on the host: an absolute path, or one that starts with ~/. Not the home folder itself.",
            shapes.HOST_FOLDER,
            example="~/elsewhere",
            required=True,
        ),
        Key(
            "target",
            "Where it appears in the VM.",
            shapes.TARGET,
            example="/srv/project",
            otherwise="`/home/ubuntu/<folder>`",
        ),
        Key(
            "backup",
            "Where its snapshots go: a folder that no mount contains, so that no agent reaches it.",
            shapes.HOST_FOLDER,
            example="~/snapshots",
            otherwise="`backups-<folder>` beside the source",
        ),
        Key(
            "interval",
            "Minutes between snapshots while an agent runs, of whatever changed.",
            shapes.INTERVAL,
            example=2.5,
            default=5,
        ),
        Key(
            "watch",
            "Whether edits are saved as they happen, too. auto: where this machine hears of every edit.",
            shapes.WATCH,
            example=True,
            default="auto",
        ),
        Key("vm", "The VM that it is mounted in.", shapes.VM_NAME, example="second", otherwise="the first VM"),
        Key(
            "backend",
            "How snapshots are kept. rsync: plain folders to browse. git: a compact repository.",
            shapes.one_of(fields.BACKENDS),
            example="git",
            otherwise="what the store has; `rsync` for a new one",
        ),
        Key(
            "exclude",
            "What is not in snapshots, on top of .backupignore, in gitignore syntax. No agent can change this list.",
            shapes.PATTERNS,
            example=["node_modules/", "*.log"],
            default=[],
        ),
        Key(
            "keep",
            "How long snapshots are kept, ever fewer as they grow older.",
            example={"daily": "60d"},
            default={},
            table=KEEP,
        ),
        Key(
            "guard",
            "What a run must not do unnoticed: pause (when it destroys much, it is stopped until you decide), "
            "quarantine (what the host would execute is put back), a list of both, off, or single settings.",
            shapes.GUARD,
            example=["pause", "quarantine"],
            default={},
            table=GUARD,
            form="either",
        ),
        Key(
            "max_backups",
            "The most snapshots; the ones that stand closest together go first.",
            shapes.MAX_BACKUPS,
            example=50,
            default=100,
        ),
        Key(
            "max_size",
            "The most that the snapshots may take, such as 50G.",
            shapes.AMOUNT,
            example="50G",
            otherwise="no limit",
        ),
        Key(
            "min_free",
            "How much of the disk to leave free, such as 5G.",
            shapes.AMOUNT,
            example="5G",
            otherwise="no limit",
        ),
        Key(
            "allowed-agents",
            "The names of the agents that may work on this folder; an empty list lets none in. The innermost mount "
            "with a list decides.",
            shapes.AGENT_NAMES,
            example=["helper"],
            otherwise="every agent may, unless a mount around it says otherwise",
        ),
    ),
)
