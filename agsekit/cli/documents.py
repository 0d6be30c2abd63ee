"""The JSON documents that commands print. Keys are only ever added."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.restore import Restored
from agsekit_storage.restore_plan import Plan
from agsekit_storage.snapshots import Result


def snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot; `created` is UTC in ISO 8601."""
    return {
        "id": snapshot.id,
        "created": datetime.fromtimestamp(snapshot.created, timezone.utc).isoformat(),
        "backend": snapshot.backend,
        "kind": snapshot.kind,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "added": snapshot.added,
        "modified": snapshot.modified,
        "metadata": snapshot.metadata,
        "removed": snapshot.removed,
        "complete": snapshot.complete,
        "pinned": snapshot.pinned,
        "run": dict(snapshot.run) if snapshot.run else None,
    }


def snapshots(found: Sequence[Snapshot]) -> dict[str, Any]:
    """Return a list of snapshots, oldest first."""
    return {"snapshots": [snapshot(each) for each in found]}


def problems(found: Sequence[Problem]) -> list[dict[str, str]]:
    """Return problems; a path that is not UTF-8 shows its odd bytes as `\\xNN`."""
    return [{"path": _path(each.path), "reason": each.reason, "detail": each.detail} for each in found]


def backup(result: Result) -> dict[str, Any]:
    """Return what came of a request for a snapshot."""
    return {
        "created": result.created,
        "snapshot": snapshot(result.snapshot),
        "problems": problems(result.problems),
    }


def plan(steps: Plan) -> dict[str, Any]:
    """Return the steps of a restore, each a list of paths relative to the folder."""
    return {
        "create": [_path(path) for path in steps.create],
        "replace": [_path(path) for path in steps.replace],
        "adjust": [_path(path) for path in steps.adjust],
        "delete": [_path(path) for path in [*steps.clear, *steps.delete]],
        "problems": problems(steps.problems),
    }


def restored(snapshot_id: str, steps: Plan, done: Restored | None) -> dict[str, Any]:
    """Return a restore that was done, or with `done` None the plan of one."""
    return {
        "snapshot": snapshot_id,
        "dry_run": done is None,
        **plan(steps),
        "before": done.before.id if done and done.before else None,
        "problems": problems(done.problems if done else steps.problems),
    }


def _path(path: bytes) -> str:
    return os.fsencode(os.fsdecode(path)).decode("utf-8", "backslashreplace")
