"""The key `guard` of a mount, which has short forms: a word, a list of words, or a mapping."""

from __future__ import annotations

from collections.abc import Sequence

from agsekit.config import fields, keys, number_fields
from agsekit.config.model import Guard
from agsekit.config.problems import Problems
from agsekit.config.tables import Table


def load_guard(table: Table, problems: Problems) -> Guard:
    """Return what the key says, in whichever form."""
    default = Guard()
    value = table.get("guard")
    if value is None:
        return default
    if value.entries is not None:
        below = Table(value, keys.GUARD.names, problems)
        return Guard(
            below.parsed("risky", fields.parse_risky, default.risky),
            below.parsed("loss", fields.parse_loss, default.loss),
            below.parsed("share", number_fields.parse_share, default.share),
        )
    words: Sequence[str]
    if value.items is None:
        words = (table.parsed("guard", fields.parse_guard_or_off, ""),)
    else:
        words = table.texts("guard", fields.parse_guard)
    if fields.OFF in words:
        return Guard(fields.OFF, fields.OFF)
    return Guard(
        "quarantine" if "quarantine" in words else default.risky, "pause" if "pause" in words else default.loss
    )
