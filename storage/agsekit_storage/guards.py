"""Refusals that keep a store out of reach of what it protects."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from agsekit_storage.errors import SourceUnavailable, StoreRefused


def check_source(source: Path, *, home: Optional[Path]) -> Path:
    """Return the real path of a source folder.

    Raises:
        SourceUnavailable: it does not exist or is not a folder.
        StoreRefused: it is `/` or the home folder itself.
    """
    real = Path(os.path.realpath(source))
    if not real.is_dir():
        what = "is not a folder" if os.path.lexists(source) else "does not exist"
        raise SourceUnavailable(
            f"the source folder {source} {what}", hint="check the path, or the `source:` of the mount"
        )
    if real == Path("/") or (home is not None and real == Path(os.path.realpath(home))):
        raise StoreRefused(
            f"{source} is too much to protect: it is "
            + ("the whole machine" if real == Path("/") else "your home folder"),
            hint="name the folder of one project",
        )
    return real


def check_apart(source: Path, store: Path) -> None:
    """Refuse a store inside the source or the other way round, by their real paths.

    Raises:
        StoreRefused: one contains the other, links resolved.
    """
    real_source, real_store = os.path.realpath(source), os.path.realpath(store)
    if _contains(real_source, real_store):
        raise StoreRefused(
            f"the store {store} lies inside the source {source}, where an agent could delete it",
            hint="choose a folder beside the project, such as "
            + str(Path(real_source).parent / f"backups-{Path(real_source).name}"),
        )
    if _contains(real_store, real_source):
        raise StoreRefused(
            f"the source {source} lies inside the store {store}", hint="choose a folder beside the project"
        )


def _contains(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
