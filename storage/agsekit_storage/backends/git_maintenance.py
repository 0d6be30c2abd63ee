"""Compacting the shadow repository: many small packs into one, and with git's help everything into one."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from agsekit_storage.backends.git_objects import Pack, open_packs
from agsekit_storage.backends.git_pack import KINDS
from agsekit_storage.backends.git_refs import Refs
from agsekit_storage.backends.git_repository import WORTH_REPACKING, Repository
from agsekit_storage.durable import sync_file_system, write_file
from agsekit_storage.errors import StoreDamaged

_MANY_PACKS = 30
_SMALL = 4 * 1024 * 1024
_WORTH_IT = 32 * 1024 * 1024
"""So many bytes of new packs make a repacking pay, beside half of what was there after the last one."""
_MERGED = "merged"
_STATE = "agsekit-repacked"
_SUFFIXES = (".idx", ".rev", ".bitmap", ".mtimes", ".pack")

ENVIRONMENT = {
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.hooksPath=/dev/null",
    "core.bigFileThreshold=4m",
    "core.packedGitWindowSize=1m",
    "core.packedGitLimit=32m",
    "core.deltaBaseCacheLimit=16m",
    "pack.threads=1",
    "pack.windowMemory=32m",
    "repack.writeBitmaps=false",
)


class Compactor:
    """Works on one repository; only one of them does at a time.

    Args:
        locked: takes the lock of the store.
    """

    def __init__(self, repository: Repository, locked: Callable[[], AbstractContextManager[None]]) -> None:
        self._repository = repository
        self._locked = locked
        self._refs = Refs(repository.path)

    def repack(self, run: Callable[[Sequence[str], Mapping[str, str]], int]) -> bool:
        """Have git put all that a snapshot needs into one pack, when that pays, and remove everything else.

        git works without the lock, for as long as it takes. What snapshots taken meanwhile share with earlier ones
        was reachable when git began, and what is new in them is in packs that came later, which stay.
        """
        before = self._packs()
        size = sum(path.stat().st_size for path in before)
        deleted = self._repository.deleted_size()
        if size <= self._size_after_last() * 1.5 + _WORTH_IT and deleted < WORTH_REPACKING:
            return False
        try:
            status = run(self._command(), ENVIRONMENT)
        except OSError:
            return False
        # Also after a failure: the same would fail again, and is not tried before there is more to gain.
        self._note_size(size)
        new = [path for path in self._packs() if path not in before]
        if status or not new:
            return False
        sync_file_system(self._repository.packs)
        with self._locked():
            kept = [path for path in self._packs() if path not in before]
            self._check_commits(kept)
            _remove(path for path in before if not path.with_suffix(".keep").exists())
            self._repository.note_deleted(max(0, self._repository.deleted_size() - deleted))
        self._note_size(sum(path.stat().st_size for path in new))
        return True

    def merge(self) -> bool:
        """Put many small packs into one, without git; every snapshot brings one."""
        small = [path for path in self._packs() if path.stat().st_size <= _SMALL]
        if len(small) <= _MANY_PACKS:
            return False
        with self._locked():
            merged = self._merge_into_one(frozenset(small))
            _remove(path for path in merged if path.exists())
        return bool(merged)

    def _merge_into_one(self, small: frozenset[Path]) -> list[Path]:
        """Write the objects of small packs into a new one and return those that it replaces."""
        replaced = []
        seen: set[bytes] = set()
        writer = self._repository.start_pack(_MERGED)
        try:
            for pack in open_packs(self._repository.packs):
                entries = list(pack.entries()) if pack.path in small else []
                pack.close()
                # What git made of differences only makes sense in its own pack.
                if entries and all(kind in KINDS for _, kind, _ in entries):
                    replaced.append(pack.path)
                    for identifier, _, entry in entries:
                        if identifier not in seen:
                            seen.add(identifier)
                            writer.add_compressed(identifier, entry)
            if len(replaced) < 2:
                return []
            self._repository.finish_pack(_MERGED, writer)
        except (IndexError, ValueError, struct.error):
            # A damaged pack stays as it is; the check of the store names what it has lost.
            return []
        finally:
            writer.close()
        before = frozenset(self._packs())
        self._repository.show_pack(_MERGED)
        self._repository.forget_pack(_MERGED)
        return replaced if frozenset(self._packs()) - before else []

    def _packs(self) -> list[Path]:
        return [path for path in self._repository.packs.glob("pack-*.pack") if path.with_suffix(".idx").exists()]

    def _command(self) -> list[str]:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        return ["git", f"--git-dir={self._repository.path}", *settings, "repack", "-a", "-n", "-q"]

    def _check_commits(self, packs: Iterable[Path]) -> None:
        """Make sure that the packs that stay hold the commit of every snapshot."""
        commits = {bytes.fromhex(commit) for commit in self._refs.read().values()}
        for path in packs:
            pack = Pack(path.with_suffix(".idx"))
            commits = {commit for commit in commits if pack.find(commit) is None}
            pack.close()
        if commits:
            raise StoreDamaged(
                "git has not packed {count} snapshots of {path}", count=len(commits), path=self._repository.path
            )

    def _size_after_last(self) -> int:
        try:
            return int((self._repository.path / _STATE).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _note_size(self, size: int) -> None:
        write_file(self._repository.path / _STATE, b"%d\n" % size, durable=False)


def _remove(packs: Iterable[Path]) -> None:
    """Delete packs with what belongs to them, the index first: without it git does not look for the rest."""
    for path in packs:
        for suffix in _SUFFIXES:
            try:
                os.unlink(path.with_suffix(suffix))
            except FileNotFoundError:
                pass
