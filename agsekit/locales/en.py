"""English sentences whose wording depends on a number: for one, and for any other (see `agsekit.i18n.Forms`)."""

from __future__ import annotations

CATALOGUE: dict[str, tuple[str, ...]] = {
    "They would leave out {count} paths: {names}.": (
        "They would leave out {count} path: {names}.",
        "They would leave out {count} paths: {names}.",
    ),
    "new ignore rules leave out {count} paths that earlier snapshots have: {names}": (
        "new ignore rules leave out {count} path that earlier snapshots have: {names}",
        "new ignore rules leave out {count} paths that earlier snapshots have: {names}",
    ),
    "Snapshot {id}: {changes} ({files} files, {size}).": (
        "Snapshot {id}: {changes} ({files} file, {size}).",
        "Snapshot {id}: {changes} ({files} files, {size}).",
    ),
    "Brought back {count} paths; the agent goes on.": (
        "Brought back {count} path; the agent goes on.",
        "Brought back {count} paths; the agent goes on.",
    ),
    "Delete {count} snapshots?": ("Delete {count} snapshot?", "Delete {count} snapshots?"),
    "Restored {count} paths into {folder}.": (
        "Restored {count} path into {folder}.",
        "Restored {count} paths into {folder}.",
    ),
    "Restored {count} paths.": ("Restored {count} path.", "Restored {count} paths."),
    "Deleted {count} paths.": ("Deleted {count} path.", "Deleted {count} paths."),
    "{count} snapshots would be deleted, {kept} would stay.": (
        "{count} snapshot would be deleted, {kept} would stay.",
        "{count} snapshots would be deleted, {kept} would stay.",
    ),
    "Deleted {count} snapshots; {kept} stay.": (
        "Deleted {count} snapshot; {kept} stay.",
        "Deleted {count} snapshots; {kept} stay.",
    ),
    "{count} more are not listed; name one on the command line.": (
        "{count} more is not listed; name it on the command line.",
        "{count} more are not listed; name one on the command line.",
    ),
    "Checked {count} snapshots.": ("Checked {count} snapshot.", "Checked {count} snapshots."),
    "Found {count} faults.": ("Found {count} fault.", "Found {count} faults."),
    "they leave out {count} paths that snapshots have: {names}": (
        "they leave out {count} path that snapshots have: {names}",
        "they leave out {count} paths that snapshots have: {names}",
    ),
    "and {count} more paths": ("and {count} more path", "and {count} more paths"),
    "and {count} more lines": ("and {count} more line", "and {count} more lines"),
    "git has not packed {count} snapshots of {path}": (
        "git has not packed {count} snapshot of {path}",
        "git has not packed {count} snapshots of {path}",
    ),
    "there are only {count} snapshots": ("there is only {count} snapshot", "there are only {count} snapshots"),
    "there are only {count} runs": ("there is only {count} run", "there are only {count} runs"),
    "Converted {count} snapshots to {backend}.": (
        "Converted {count} snapshot to {backend}.",
        "Converted {count} snapshots to {backend}.",
    ),
}
