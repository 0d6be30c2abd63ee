"""The JSON documents that commands print. Keys are only ever added."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from agsekit_storage.tree import SIZE

if TYPE_CHECKING:
    from agsekit.protection.risky import Risk
    from agsekit_storage.history import Version
    from agsekit_storage.model import Changes, Problem, Snapshot
    from agsekit_storage.restore import Restored
    from agsekit_storage.restore_plan import Plan
    from agsekit_storage.retention import Decision
    from agsekit_storage.run_log import Run
    from agsekit_storage.snapshots import Result
    from agsekit_storage.textdiff import FileDiff
    from agsekit_storage.usage import Cost, Usage
    from agsekit_storage.verification import Finding


def snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot; `created` is UTC in ISO 8601."""
    return {
        "id": snapshot.id,
        "created": _time(snapshot.created),
        "backend": snapshot.backend,
        "kind": snapshot.kind,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "added": snapshot.added,
        "modified": snapshot.modified,
        "removed": snapshot.removed,
        "complete": snapshot.complete,
        "pinned": snapshot.pinned,
        "metadata": snapshot.metadata,
        "stored_bytes": snapshot.stored_bytes,
        "mass_loss": snapshot.mass_loss,
        "run": dict(snapshot.run) if snapshot.run else None,
    }


def snapshots(found: Sequence[Snapshot], unreadable: Collection[str]) -> dict[str, Any]:
    """Return a list of snapshots, oldest first; `readable` is false where the record is damaged."""
    return {"snapshots": [{**snapshot(each), "readable": each.id not in unreadable} for each in found]}


def problems(found: Sequence[Problem]) -> list[dict[str, str]]:
    """Return problems; a path that is not UTF-8 shows its odd bytes as `\\xNN`."""
    return [{"path": _path(each.path), "reason": each.reason, "detail": each.detail} for each in found]


def backup(result: Result) -> dict[str, Any]:
    """Return what came of a request for a snapshot."""
    return {
        "created": result.created,
        "snapshot": snapshot(result.snapshot),
        "problems": problems(result.problems),
        "mass_loss": result.created and result.snapshot.mass_loss,
        "hidden": [_path(path) for path in result.hidden],
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


def changes(found: Changes) -> dict[str, list[str]]:
    """Return changes, each a list of paths relative to the folder."""
    return {
        "added": [_path(path) for path in found.added],
        "modified": [_path(path) for path in found.modified],
        "metadata": [_path(path) for path in found.metadata],
        "removed": [_path(path) for path in found.removed],
    }


def paths(found: Sequence[bytes]) -> list[str]:
    """Return paths relative to the folder."""
    return [_path(path) for path in found]


def run(found: Run) -> dict[str, Any]:
    """Return a run. Times are UTC in ISO 8601; null is what is not known, or not yet."""
    return {
        "id": found.id,
        "agent": found.agent,
        "vm": found.vm,
        "arguments": list(found.arguments),
        "started": _time(found.started),
        "ended": None if found.ended is None else _time(found.ended),
        "under_way": found.under_way,
        "exit_code": found.exit_code,
        "before": found.before,
        "after": found.after,
        "counts": dict(found.counts) if found.counts else None,
        "quarantined": list(found.quarantined),
        "last_saved": found.last_saved,
        "snapshots": found.snapshots,
    }


def risk(found: Risk) -> dict[str, Any]:
    """Return a path that the host would execute; `kind` says who would, `status` is new or changed."""
    return {"path": _path(found.path), "kind": found.kind, "status": found.status}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def version(found: Version) -> dict[str, Any]:
    """Return one version of a file; `size` is null where it is gone."""
    return {
        "snapshot": found.snapshot.id,
        "created": snapshot(found.snapshot)["created"],
        "kind": found.snapshot.kind,
        "change": found.change,
        "size": found.entry.row[SIZE] if found.entry else None,
    }


def file_diff(found: FileDiff, *, lines: bool) -> dict[str, Any]:
    """Return the difference of one file; `note` says why there are no lines."""
    document: dict[str, Any] = {
        "path": _path(found.path),
        "status": found.status,
        "added": found.added,
        "removed": found.removed,
        "note": found.note,
    }
    return {**document, "lines": list(found.lines)} if lines else document


def decisions(found: Sequence[Decision], *, dry_run: bool) -> dict[str, Any]:
    """Return what becomes of each snapshot, oldest first, and why."""
    return {
        "dry_run": dry_run,
        "snapshots": [{"id": each.snapshot.id, "keep": each.keep, "reason": each.reason} for each in found],
    }


def findings(found: Sequence[Finding], *, checked: int, data: bool) -> dict[str, Any]:
    """Return what is wrong with a store; `reason` is lost, altered, unexpected or record."""
    return {
        "checked": checked,
        "data": data,
        "faults": [
            {
                "snapshot": each.snapshot.id,
                "path": _path(each.problem.path),
                "reason": each.problem.reason,
                "detail": each.problem.detail,
            }
            for each in found
        ],
    }


def usage(found: Usage) -> dict[str, Any]:
    """Return what a store costs, in bytes of file content."""
    return {
        "bytes": found.total,
        "snapshots": [{"id": each.id, "added_bytes": each.stored_bytes} for each in found.snapshots],
        "paths": [_cost("path", each) for each in found.paths],
        "rules": [_cost("rule", each) for each in found.rules],
    }


def _cost(key: str, cost: Cost) -> dict[str, Any]:
    return {key: _path(cost.name), "bytes": cost.bytes, "versions": cost.versions}
