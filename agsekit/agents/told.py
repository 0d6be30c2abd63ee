"""Arguments as they may be told: what could be a secret is left out, and so is what would be too long to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agsekit.masking import masked

_LONGEST = 200
"""Characters of one argument; a prompt can be as long as a file."""
_MOST = 1000
"""Characters of all of them: they are in the record of every snapshot."""


def without_secrets(arguments: Sequence[str], secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """Return arguments with `***` in the place of what is a secret by its name, by its shape, or by `secrets`."""
    return _shortened(masked(arguments, secrets))


def _shortened(arguments: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    room = _MOST
    for argument in arguments:
        short = argument if len(argument) <= _LONGEST else argument[: _LONGEST - 1] + "…"
        room -= len(short)
        if room < 0:
            return (*kept, "…")
        kept.append(short)
    return tuple(kept)
