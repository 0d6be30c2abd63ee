"""What a store says about itself: `.agsekit/format` and `.agsekit/config.json`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from agsekit_storage import durable, naming
from agsekit_storage.errors import StoreDamaged, StoreRefused

PRIVATE = ".agsekit"
_FORMAT = "agsekit store 1\n"


@dataclass(frozen=True)
class Settings:
    """The backend of a store, the source it belongs to, and which generation of records is in force.

    `retired` is the backend and the generation that a conversion has replaced and not yet removed. `identity` is
    device and inode of the source folder when it was last opened for writing.
    """

    backend: str
    source: Optional[str] = None
    generation: int = 1
    retired: Optional[tuple[str, int]] = None
    identity: Optional[tuple[int, int]] = None


def read(path: Path) -> Optional[Settings]:
    """Return the settings of a store, None where there is no store.

    Raises:
        StoreDamaged: they cannot be read.
        StoreRefused: the store has a format of the future.
    """
    try:
        written = (path / PRIVATE / "format").read_text()
        document = json.loads((path / PRIVATE / "config.json").read_text())
        settings = _from_document(document)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        raise StoreDamaged("{path} cannot be read", path=path / PRIVATE / "config.json") from None
    if written != _FORMAT:
        raise StoreRefused(
            "the store {path} has the format {written!r}, which this version does not know",
            hint="upgrade agsekit",
            path=path,
            written=written.strip(),
        )
    return settings


def write(path: Path, settings: Settings) -> None:
    """Write the settings of a store, each file in one atomic step."""
    document: dict[str, Any] = {"backend": settings.backend, "source": settings.source}
    if settings.generation != 1:
        document["generation"] = settings.generation
    if settings.retired:
        document["retired"] = list(settings.retired)
    if settings.identity:
        document["identity"] = list(settings.identity)
    private = path / PRIVATE
    durable.write_file(private / "config.json", json.dumps(document, indent=1, sort_keys=True).encode())
    if not (private / "format").exists():
        # Last: a folder with a format file is a store.
        durable.write_file(private / "format", _FORMAT.encode())


def check(path: Path, settings: Settings, source: Path, backend: Optional[str]) -> Settings:
    """Hold the settings of a store against what is wanted of it and return them, with a moved source followed.

    Raises:
        StoreRefused: it has another backend, or belongs to another source.
    """
    if backend and backend != settings.backend:
        raise StoreRefused(
            "the store {path} keeps its snapshots with the backend {backend}, not {wanted}",
            hint="keep the backend, or convert it: agsekit snapshots convert --to {wanted}",
            path=path,
            backend=settings.backend,
            wanted=backend,
        )
    refuse_other_source(path, settings.source, source)
    return replace(settings, source=str(source), identity=identity_of(source))


def identity_of(source: Path) -> Optional[tuple[int, int]]:
    """Return device and inode of a folder, None where there is none."""
    try:
        status = os.stat(source)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_other_source(path: Path, recorded: Optional[str], source: Path) -> None:
    """Refuse a store whose own source exists and is another one. A project that was moved keeps its history.

    Raises:
        StoreRefused: it belongs to another folder.
    """
    if recorded and os.path.realpath(recorded) != os.path.realpath(source) and os.path.isdir(recorded):
        raise StoreRefused(
            "the store {path} holds the snapshots of {recorded}, not of {source}",
            hint="choose another backup folder for this source",
            path=path,
            recorded=recorded,
            source=source,
        )


def make_private(path: Path) -> None:
    """Make the folder of a store where there is none, and close it to others.

    Raises:
        StoreRefused: it belongs to somebody else.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        try:
            path.chmod(0o700)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            raise StoreRefused(
                "{path} can be read by others and belongs to somebody else",
                hint="choose another backup folder",
                path=path,
            ) from None
    (path / PRIVATE).mkdir(mode=0o700, exist_ok=True)
    (path / PRIVATE).chmod(0o700)


def refuse_foreign_folder(path: Path) -> None:
    """Refuse to make a store of a folder that holds something else; snapshots of other tools are welcome.

    Raises:
        StoreRefused: it does, or is no folder.
    """
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise StoreRefused("{path} is not a folder", hint="choose another backup folder", path=path) from None
    known = PRIVATE in names and read(path) is not None  # somebody has just made a store of it
    if any(name != PRIVATE for name in names) and not any(map(naming.is_id, names)) and not known:
        raise StoreRefused(
            "{path} holds other things ({names}), so it cannot become a store",
            hint="choose an empty or a new folder",
            path=path,
            names=_examples(names),
        )


def _from_document(document: Any) -> Settings:
    if not isinstance(document, dict):
        raise ValueError(document)
    retired = document.get("retired")
    source = document.get("source")
    identity = document.get("identity")
    return Settings(
        str(document["backend"]),
        None if source is None else str(source),
        int(document.get("generation", 1)),
        (str(retired[0]), int(retired[1])) if retired else None,
        (int(identity[0]), int(identity[1])) if identity else None,
    )


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown + (", …" if len(names) > 3 else "")
