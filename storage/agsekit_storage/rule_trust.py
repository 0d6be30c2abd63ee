"""Whose ignore rules are in force: an agent that can write `.backupignore` must not be able to blind the snapshots.

When a run has changed `.backupignore` files, what it left there is remembered as untrusted. For as long as such a
file still says what the run left, the rules from before apply: until the user accepts the new ones, or edits it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from agsekit_storage import durable, running
from agsekit_storage.cursor import FolderCursor
from agsekit_storage.ignore import IGNORE_FILE, IgnoreRules
from agsekit_storage.ignore_file import read_ignore_file
from agsekit_storage.journal import note_paths
from agsekit_storage.model import Changes
from agsekit_storage.settings import PRIVATE
from agsekit_storage.store import Store
from agsekit_storage.tree import Tree, join, split
from agsekit_storage.walk import walk

_NAME = "untrusted-rules.json"
Overrides = Mapping[bytes, Optional[bytes]]
"""By folder, the content of its `.backupignore` to use instead of what is there; None for none."""


@dataclass(frozen=True)
class UntrustedRule:
    """A `.backupignore` that a run changed: what the run left, and what applies instead (None: no file)."""

    folder: bytes
    left: Optional[bytes]
    trusted: Optional[bytes]

    @property
    def path(self) -> bytes:
        """The path of the file, relative to the source."""
        return join(self.folder, IGNORE_FILE)


def settle(
    store: Store, trusted: Mapping[bytes, bytes], folders: Iterable[bytes], *, wait: float
) -> list[UntrustedRule]:
    """After a run, find the `.backupignore` files that it changed, and let the rules from before stay in force.

    `trusted` are the contents that were in force during the run; `folders` are those whose file may be new or gone.

    Raises:
        StoreLocked: another process wrote for all of `wait` seconds.
    """
    now = _contents(os.fsencode(store.source_folder()), {*trusted, *folders})
    if now == dict(trusted):
        return []
    with store.locked(wait=wait):
        return distrust(store.path, trusted, now)


def would_hide(source: bytes, exclude: Sequence[str], tree: Tree, rules: Sequence[UntrustedRule]) -> list[bytes]:
    """Return the paths of a tree that would be left out if untrusted rules were accepted."""
    changed = {rule.folder: rule.left for rule in rules}
    patterns = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
    accepted = walk(source, patterns, overrides=changed)
    visible = {entry.path for entry in accepted.entries()}
    return [entry.path for entry in tree.entries() if entry.path not in visible]


def distrust(store: Path, trusted: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> list[UntrustedRule]:
    """Remember the rules that a run changed, and return them. Needs the lock of the store.

    `trusted` are the contents that were in force during the run, `now` those in the folder after it.
    """
    earlier = {rule.folder: rule for rule in _read(store)}
    changed = []
    for folder in sorted({*trusted, *now}):
        if trusted.get(folder) != now.get(folder):
            changed.append(UntrustedRule(folder, now.get(folder), trusted.get(folder)))
            earlier[folder] = changed[-1]
    if changed:
        _write(store, earlier.values())
        note_paths(store, "rules-changed", [rule.path for rule in changed])
    return changed


@dataclass(frozen=True)
class RulesInForce:
    """What to use instead of the `.backupignore` files in the folder: for all of it (`frozen`), or here and there."""

    frozen: Optional[Mapping[bytes, bytes]]
    overrides: Overrides


def rules_in_force(store: Path, source: bytes) -> RulesInForce:
    """Return the rules that apply now: those that a run under way began with, else what the user has accepted."""
    frozen = running.in_force(store)
    if frozen is not None:
        return RulesInForce(frozen, {})
    current = _current_contents(source)
    return RulesInForce(
        None, {each.folder: each.trusted for each in _read(store) if current(each.folder) == each.left}
    )


def rules_hold(store: Path, source: bytes, tree: Tree, rule_files: Mapping[bytes, bytes]) -> bool:
    """Tell whether the rules that apply now are those of a tree of the source that was walked with `rule_files`."""
    force = rules_in_force(store, source)
    if force.frozen is not None:
        return dict(force.frozen) == dict(rule_files)
    folders = {path for path, folder in tree.folders.items() if IGNORE_FILE in folder.names}
    now: dict[bytes, Optional[bytes]] = {**_contents(source, folders.union(rule_files)), **force.overrides}
    return {folder: content for folder, content in now.items() if content is not None} == dict(rule_files)


def refresh(store: Path, source: bytes, exclude: Sequence[str]) -> None:
    """Settle what runs left that ended without doing so, and trust what was edited since. Needs the lock.

    A file that says something else than what a run left was edited by the user, unless a run is under way.
    """
    for note, trusted in running.left_behind(store):
        patterns = IgnoreRules.compile([os.fsencode(pattern) for pattern in exclude], {})
        tree = walk(source, patterns, frozen=trusted)
        folders = (path for path, folder in tree.folders.items() if IGNORE_FILE in folder.names)
        distrust(store, trusted, _contents(source, {*trusted, *folders}))
        note.unlink(missing_ok=True)
    rules = _read(store)
    if rules and running.in_force(store) is None:
        current = _current_contents(source)
        still = [rule for rule in rules if current(rule.folder) == rule.left]
        if len(still) != len(rules):
            _write(store, still)


def untrusted(store: Store) -> list[UntrustedRule]:
    """Return the rules that runs have left and nobody has accepted."""
    return _read(store.path)


def accept(store: Path) -> list[UntrustedRule]:
    """Let the rules in the folder apply as they are, and return those that did not. Needs the lock."""
    rules = _read(store)
    if rules:
        _write(store, ())
        note_paths(store, "rules-accepted", [rule.path for rule in rules])
    return rules


def newly_hidden(source: bytes, before: Tree, now: Tree, changes: Changes) -> list[bytes]:
    """Return the paths that are missing from a tree only because other ignore rules than before leave them out."""
    if before.rules == now.rules and dict(before.rule_files) == dict(now.rule_files):
        return []
    hidden = []
    with FolderCursor(source) as cursor:
        for path in changes.removed:
            folder, name = split(path)
            try:
                os.stat(name, dir_fd=cursor.seek(folder), follow_symlinks=False)
            except OSError:
                continue
            hidden.append(path)
    return hidden


def _contents(source: bytes, folders: Iterable[bytes]) -> dict[bytes, bytes]:
    read = _current_contents(source)
    return {folder: content for folder in folders if (content := read(folder)) is not None}


def _current_contents(source: bytes) -> Callable[[bytes], Optional[bytes]]:
    def read(folder: bytes) -> Optional[bytes]:
        try:
            with FolderCursor(source) as cursor:
                return read_ignore_file(cursor.seek(folder))[0]
        except OSError:
            return None

    return read


def _read(store: Path) -> list[UntrustedRule]:
    try:
        document = json.loads((store / PRIVATE / _NAME).read_text())
        return [
            UntrustedRule(os.fsencode(each["folder"]), _decoded(each["left"]), _decoded(each["trusted"]))
            for each in document["rules"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):
        # Damaged by hand: what newly hides files is reported all the same.
        return []


def _write(store: Path, rules: Iterable[UntrustedRule]) -> None:
    document = {
        "rules": [
            {"folder": os.fsdecode(rule.folder), "left": _encoded(rule.left), "trusted": _encoded(rule.trusted)}
            for rule in rules
        ]
    }
    path = store / PRIVATE / _NAME
    if document["rules"]:
        durable.write_file(path, json.dumps(document).encode())
    else:
        path.unlink(missing_ok=True)


def _encoded(content: Optional[bytes]) -> Optional[str]:
    return None if content is None else base64.b64encode(content).decode()


def _decoded(text: Any) -> Optional[bytes]:
    return None if text is None else base64.b64decode(text)
