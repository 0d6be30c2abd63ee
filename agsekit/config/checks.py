"""What has to hold between the mounts of a configuration."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agsekit.config.model import Mount
from agsekit.config.problems import quoted
from agsekit.config.tables import Table
from agsekit.i18n import _


@dataclass(frozen=True)
class PlacedMount:
    """A mount, and the table of the file that it comes from."""

    mount: Mount
    table: Table


def check_mounts(placed: Sequence[PlacedMount]) -> None:
    """Note mounts that get in each other's way, and stores that a mount would hand to an agent.

    Paths are compared as they are written; the storage layer compares what they lead to. A default that
    stands in for a wrong value is compared with nothing.
    """
    taken: dict[Hashable, PlacedMount] = {}
    for each in placed:
        mount = each.mount
        wanted = (
            ("source", (mount.vm, mount.source), _("is mounted in the same VM by {other} too")),
            ("target", (mount.vm, mount.target), _("is used in the same VM by {other} too")),
            ("backup", mount.backup, _("is the backup folder of {other} too; give each mount its own")),
        )
        for key, value, problem in wanted:
            if key in each.table.wrong:
                continue
            first = taken.setdefault((key, value), each)
            if first is not each:
                each.table.problem(key, problem.format(other=first.table.path))
    for store in placed:
        if "backup" not in store.table.wrong:
            for other in placed:
                _check_apart(store, other)


def _check_apart(store: PlacedMount, other: PlacedMount) -> None:
    backup, source = store.mount.backup, other.mount.source
    if _is_within(backup, source):
        store.table.problem(
            "backup",
            _("{backup} lies inside {source}, which {other} hands to an agent; put it elsewhere").format(
                backup=quoted(str(backup)), source=quoted(str(source)), other=other.table.path
            ),
        )
    elif _is_within(source, backup):
        other.table.problem(
            "source",
            _("{source} lies inside {backup}, the backup folder of {store}").format(
                source=quoted(str(source)), backup=quoted(str(backup)), store=store.table.path
            ),
        )


def check_config_out_of_reach(path: Path, placed: Sequence[PlacedMount]) -> None:
    """Warn of a configuration that an agent could rewrite, because it lies in a mounted folder."""
    real_path = Path(os.path.realpath(path))
    for each in placed:
        if _is_within(real_path, Path(os.path.realpath(each.mount.source))):
            each.table.warn("source", _("holds this configuration, so an agent could rewrite it; keep it elsewhere"))


def word_within(words: Sequence[str], sources: Sequence[Path]) -> Path | None:
    """Return the source that an absolute path among the words lies in, as it is written or really; else None."""
    for word in words:
        if word.startswith("/"):
            places = (Path(os.path.normpath(word)), Path(os.path.realpath(word)))
            for source in sources:
                if any(_is_within(place, folder) for place in places for folder in _spellings(source)):
                    return source
    return None


def _spellings(folder: Path) -> tuple[Path, Path]:
    return folder, Path(os.path.realpath(folder))


def _is_within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
