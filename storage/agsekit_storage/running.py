"""The ignore rules of runs that are under way: they are in force for every snapshot of the store until the run ends.

Otherwise a snapshot that somebody else takes meanwhile, a service or the user, would follow the rules that the agent
has just written. `.agsekit/runs/<name>` has the rules of one run; it is locked for as long as the run or its
protector lives. One that nobody locks any more belongs to a run that ended without settling its rules.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from agsekit_storage.durable import TEMPORARY, sync_folder
from agsekit_storage.settings import PRIVATE

RuleFiles = Mapping[bytes, bytes]

_FOLDER = "runs"
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


class RunningRules:
    """The note of one run, in force until `end`, or for as long as a process has `descriptor` open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.descriptor = descriptor
        self._path = path

    def end(self) -> None:
        """Let the rules go: those that the run changed are known as untrusted now."""
        self._path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Leave the note to the next writer of the store, who settles the rules of the run."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def begin(store: Path, rule_files: RuleFiles, run_id: str = "") -> RunningRules:
    """Put the rules of a run into force for all snapshots of a store."""
    folder = store / PRIVATE / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{time.time_ns():020}-{os.getpid()}-{run_id}"
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    descriptor = os.open(temporary, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Before it gets its name: without a lock it would be taken for the note of a run that died.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        document = {os.fsdecode(each): base64.b64encode(content).decode() for each, content in rule_files.items()}
        with open(descriptor, "w", closefd=False) as file:
            json.dump(document, file)
        os.fsync(descriptor)
        temporary.rename(path)
        sync_folder(folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return RunningRules(path, descriptor)


def in_force(store: Path) -> Optional[RuleFiles]:
    """Return the rules of the run that began first among those under way, None without any."""
    return next((rules for rules in map(_read, _notes(store)) if rules is not None), None)


def under_way(store: Path) -> Iterator[str]:
    """Yield the ids of the runs that are under way, in the order in which they began."""
    for path in _notes(store):
        run_id = path.name.partition("-")[2].partition("-")[2]
        if run_id and _is_locked(path):
            yield run_id


def left_behind(store: Path) -> Iterator[tuple[Path, RuleFiles]]:
    """Yield the notes of runs that nobody is left of, and their rules. Needs the lock of the store."""
    for path in _notes(store):
        if _is_locked(path) is False:
            yield path, _read(path) or {}


def _is_locked(path: Path) -> Optional[bool]:
    """Tell whether somebody is left of a run, None when it has ended."""
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may be looking, too
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _notes(store: Path) -> list[Path]:
    try:
        names = os.listdir(store / PRIVATE / _FOLDER)
    except FileNotFoundError:
        return []
    return [store / PRIVATE / _FOLDER / name for name in sorted(names) if not name.startswith(".")]


def _read(path: Path) -> Optional[RuleFiles]:
    try:
        document = json.loads(path.read_text())
        return {os.fsencode(folder): base64.b64decode(content) for folder, content in document.items()}
    except FileNotFoundError:
        return None  # the run has ended
    except (ValueError, TypeError, AttributeError):
        return {}
