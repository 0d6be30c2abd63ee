"""Refusals that keep a store out of reach of what it protects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from agsekit_storage.errors import SourceUnavailable, StoreRefused

_MOST_LINKS = 40
"""As many as the kernel follows in one path."""


def check_source(source: Path, *, home: Optional[Path]) -> Path:
    """Return the real path of a source folder.

    Raises:
        SourceUnavailable: it does not exist or is not a folder.
        StoreRefused: it is `/` or the home folder itself.
    """
    real = Path(os.path.realpath(source))
    if not real.is_dir():
        raise SourceUnavailable(
            "the source folder {source} is not a folder"
            if os.path.lexists(source)
            else "the source folder {source} does not exist",
            hint="check the path, or the `source:` of the mount",
            source=source,
        )
    if real == Path("/") or (home is not None and _contains(str(real), os.path.realpath(home))):
        raise StoreRefused(
            "{source} is too much to protect: it is the whole machine"
            if real == Path("/")
            else "{source} is too much to protect: it is your home folder, or holds it",
            hint="name the folder of one project",
            source=source,
        )
    return real


def check_apart(source: Path, store: Path) -> None:
    """Refuse a store inside the source or the other way round, by their real paths.

    Raises:
        StoreRefused: one contains the other, links resolved, or the source contains a link to the store.
    """
    real_source, real_store = os.path.realpath(source), os.path.realpath(store)
    if _contains(real_source, real_store):
        raise StoreRefused(
            "the store {store} lies inside the source {source}, where an agent could delete it",
            hint="choose a folder beside the project, such as {other}",
            other=Path(real_source).parent / f"backups-{Path(real_source).name}",
            store=store,
            source=source,
        )
    turnable = next((link for link in _links_to(store) if _contains(real_source, link)), None)
    if turnable:
        raise StoreRefused(
            "the store {store} is reached through {turnable}, which an agent could point somewhere else",
            hint="name {real_store} itself",
            store=store,
            turnable=turnable,
            real_store=real_store,
        )
    if _contains(real_store, real_source):
        raise StoreRefused(
            "the source {source} lies inside the store {store}",
            hint="choose a folder beside the project",
            source=source,
            store=store,
        )


def _links_to(path: Path) -> Iterator[str]:
    """Yield the real place of every symbolic link that is followed on the way to `path`."""
    # Not abspath, which would drop `..` after a link; and a working folder that was deleted must not matter.
    absolute = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)
    here, rest, followed = "/", str(absolute).split("/")[::-1], 0
    while rest and followed < _MOST_LINKS:
        name = rest.pop()
        if name == "..":
            here = os.path.dirname(here)
        elif name not in ("", "."):
            place = os.path.join(here, name)
            if not os.path.islink(place):
                here = place
                continue
            yield place
            followed += 1
            target = os.readlink(place)
            here = "/" if target.startswith("/") else here
            rest += target.split("/")[::-1]


def _contains(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
