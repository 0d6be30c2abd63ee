"""Whether a program is there inside a sandbox, found out before anything is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from agsekit.config.model import GUEST_HOME
from agsekit.engines.base import MountPoint, ProgramNotInside
from agsekit.i18n import _

_SHARED = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/nix/", "/run/current-system/")


def check_program(
    name: str, search: str, *, cwd: PurePosixPath, home: Path, mounts: Sequence[MountPoint], vm: str
) -> None:
    """Refuse a program that is not there inside: `search` is the PATH inside, `home` the home on the host.

    Raises:
        ProgramNotInside: it is not there; the hint says where it has to be.
    """
    if ".." in PurePosixPath(name).parts:
        return  # what that means depends on links inside
    places = [cwd / name] if "/" in name else [PurePosixPath(folder) / name for folder in search.split(":") if folder]
    if any(_is_there(place, home, mounts) for place in places):
        return
    raise ProgramNotInside(
        _("there is no program {name} inside the sandbox '{vm}'").format(name=repr(name), vm=vm),
        hint=_(
            "inside there are the programs of /usr, the mounted folder, and the home {home}: "
            "install it there with `agsekit shell {vm}`"
        ).format(home=home, vm=vm),
    )


def _is_there(place: PurePosixPath, home: Path, mounts: Sequence[MountPoint]) -> bool:
    """Tell whether a path exists inside. What a link there leads to is not looked at: it counts inside only."""
    for mount in sorted(mounts, key=lambda mount: len(mount.target.parts), reverse=True):
        if mount.target in place.parents:
            return os.path.lexists(mount.source / place.relative_to(mount.target))
    if GUEST_HOME in place.parents:
        return os.path.lexists(home / place.relative_to(GUEST_HOME))
    return str(place).startswith(_SHARED) and os.path.lexists(place)
