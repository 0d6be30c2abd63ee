"""Arguments as they may be told: what could be a secret is left out, and so is what would be too long to read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MASK = "***"
_LONGEST = 200
"""Characters of one argument; a prompt can be as long as a file."""
_MOST = 1000
"""Characters of all of them: they are in the record of every snapshot."""

_WORD = r"(?:key|token|secret|passw(?:or)?d|passphrase|credential|auth|bearer|cookie)s?"
_SECRET_NAME = re.compile(
    rf"(?i)(?:^|[^a-z]){_WORD}(?:$|[^a-z])|(?:api|auth|access|private)[_-]?{_WORD}|[a-z]{_WORD}$"
)
_ASSIGNMENT = re.compile(r"(?s)(-{0,2}[A-Za-z][\w.-]*)([=:]\s*)(.+)")
_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_SHAPED = re.compile(
    r"(?i:bearer|basic|token)\s+\S{6,}"
    r"|\b(?:sk|pk|rk|gh[oprsu]|github_pat|glpat|xox[a-z]|hf|npm|AKIA|AIza)[-_A-Za-z0-9]{12,}"
    r"|\beyJ[\w-]{8,}\.[\w.-]+"
)


def without_secrets(arguments: Sequence[str], secrets: Iterable[str] = ()) -> tuple[str, ...]:
    """Return arguments with `***` in the place of what is a secret by its name, by its shape, or by `secrets`."""
    known = sorted((each for each in secrets if len(each) >= 4), key=len, reverse=True)
    told: list[str] = []
    name_before = False
    for argument in arguments:
        told.append(MASK if name_before and not argument.startswith("-") else _masked(argument, known))
        name_before = argument.startswith("-") and "=" not in argument and _SECRET_NAME.search(argument) is not None
    return _shortened(told)


def _masked(argument: str, known: Sequence[str]) -> str:
    for secret in known:
        argument = argument.replace(secret, MASK)
    assignment = _ASSIGNMENT.fullmatch(argument)
    if assignment and _SECRET_NAME.search(assignment[1]):
        return assignment[1] + assignment[2] + MASK
    return _SHAPED.sub(MASK, _IN_URL.sub(MASK + "@", argument))


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
