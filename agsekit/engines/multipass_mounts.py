"""Which folders Multipass can mount; it says yes to some that it then cannot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from agsekit.errors import EngineError
from agsekit.i18n import _


def check_source(source: Path, environment: Mapping[str, str]) -> None:
    """Refuse a folder that cannot be mounted.

    Raises:
        EngineError: it is missing, no folder, or unreadable; or it has a name that the snap cannot use.
    """
    reason = _unusable(source)
    if reason:
        raise EngineError(
            _("{source} cannot be mounted: {reason}").format(source=source, reason=reason),
            hint=_("Create it, or correct `source` in the configuration"),
        )
    odd = _odd_part(source)
    if odd and _is_snap(environment):
        raise EngineError(
            _("Multipass cannot mount {source}: it comes as a snap, which does not get at '{part}'").format(
                source=source, part=odd
            ),
            hint=_("Use a path of ASCII letters without hidden folders, or `engine: bubblewrap` for the VM"),
        )


def _unusable(source: Path) -> str | None:
    if not os.path.lexists(source):
        return _("it does not exist")
    if not os.path.isdir(source):
        return _("it is not a folder")
    if not os.access(source, os.R_OK | os.X_OK):
        return _("it cannot be read")
    return None


def _odd_part(source: Path) -> str | None:
    """Return the first part, of the path or of where it leads, that is hidden or not in ASCII."""
    parts = (*source.parts, *Path(os.path.realpath(source)).parts)
    return next((part for part in parts if part.startswith(".") or not part.isascii()), None)


def _is_snap(environment: Mapping[str, str]) -> bool:
    found = shutil.which("multipass", path=environment.get("PATH", os.defpath))
    return found is not None and ("/snap/bin/" in found or os.path.basename(os.path.realpath(found)) == "snap")
