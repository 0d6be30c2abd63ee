"""A configuration file replaced by another, in one step, with a copy of the old one kept."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit.config.yaml_nodes import read_limited
from agsekit.errors import AgsekitError, ConfigError
from agsekit.i18n import _
from agsekit_storage.lock import exclusive

KEPT = 10
"""So many copies of older configurations."""

_SUFFIX = ".yaml"
_COPY = re.compile(r"[0-9]{8}-[0-9]{6}(?:-[0-9]{3})?\.yaml")
_WAIT = 10.0


@dataclass(frozen=True)
class Draft:
    """A configuration as it was read: `path` is the file itself, with all links on the way to it resolved."""

    path: Path
    data: bytes

    @property
    def copies(self) -> Path:
        """The folder of the copies: beside the file, with `.backups` behind its name."""
        return self.path.with_name(f"{self.path.name}.backups")


def read_draft(path: Path) -> Draft:
    """Read a configuration that is going to be changed.

    Raises:
        ConfigError: it is missing, unreadable, or too large.
    """
    real = Path(os.path.realpath(path))
    return Draft(real, read_limited(real)[0])


def replace_config(draft: Draft, data: bytes, *, now: float, mode: Optional[int] = None) -> Path:
    """Replace a configuration, which keeps its owner and its mode, and return where the copy of the old one is.

    `mode` is one to give it instead.

    Raises:
        ConfigError: the file has changed since it was read; it is left as it is.
        AgsekitError: it cannot be written; it is as it was.
    """
    try:
        draft.copies.mkdir(mode=0o700, exist_ok=True)
        with exclusive(draft.copies / ".lock", wait=_WAIT):
            status = os.stat(draft.path, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or read_limited(draft.path)[0] != draft.data:
                raise ConfigError(
                    _("{path} was changed by somebody else meanwhile").format(path=draft.path),
                    hint=_("nothing was written; run the command again"),
                )
            copy = keep_copy(draft, draft.data, now=now)
            _replace(draft.path, data, status, stat.S_IMODE(status.st_mode) if mode is None else mode)
            _prune(draft.copies)
    except OSError as error:
        raise AgsekitError(
            _("{path} cannot be written: {reason}").format(path=draft.path, reason=error.strerror),
            hint=_("it is as it was; check who owns it and its folder"),
        ) from None
    return copy


def keep_copy(draft: Draft, data: bytes, *, now: float) -> Path:
    """Keep content among the copies, for the user alone to read, and return where."""
    draft.copies.mkdir(mode=0o700, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    for name in (stamp, *(f"{stamp}-{number:03}" for number in range(1, 1000))):
        copy = draft.copies / f"{name}{_SUFFIX}"
        try:
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        _write(descriptor, data)
        return copy
    raise FileExistsError(17, os.strerror(17), str(draft.copies))


def _replace(path: Path, data: bytes, status: os.stat_result, mode: int) -> None:
    import tempfile

    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        if (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, mode)
        _write(descriptor, data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _prune(folder: Path) -> None:
    copies = sorted(name[: -len(_SUFFIX)] for name in os.listdir(folder) if _COPY.fullmatch(name))
    for name in copies[:-KEPT]:
        os.unlink(folder / f"{name}{_SUFFIX}")
