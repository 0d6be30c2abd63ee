"""Values as people read them: sizes, times, ages, and the first few of many names."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agsekit.cli.render import safe_path
from agsekit.i18n import _


def size(count: int) -> str:
    """Return a number of bytes the way people read it."""
    amount = float(count)
    whole = _("B")
    for unit in (whole, _("KB"), _("MB"), _("GB")):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == whole or amount >= 10 else f"{_decimal(amount)} {unit}"
        amount /= 1024
    return f"{_decimal(amount)} {_('TB')}"


def _decimal(amount: float) -> str:
    return f"{amount:.1f}".replace(".", _("."))


def local_time(seconds: float) -> str:
    """Return a moment in local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def age(seconds: float) -> str:
    """Return how long ago something was."""
    for unit, length in ((_("d"), 86400), (_("h"), 3600), (_("min"), 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} {_('s')}"


def names_of(paths: Sequence[bytes], shown: int = 5) -> str:
    """Return the first few of some paths."""
    return ", ".join(map(safe_path, paths[:shown])) + (", …" if len(paths) > shown else "")
