"""Command lines that can be shown: what is a secret by its name, by its shape, or by its value is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MASK = "***"

_SHORT = 4  # characters; a secret that is shorter is too likely to stand in a word by chance
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


def masked(arguments: Sequence[str], secrets: Iterable[str] = ()) -> list[str]:
    """Return arguments with `***` in the place of what is a secret by its name, by its shape, or by `secrets`.

    A secret of fewer than four characters is looked for only where it is a whole argument, or a whole value.
    """
    known = sorted(filter(None, secrets), key=len, reverse=True)
    shown: list[str] = []
    name_before = False
    for argument in arguments:
        shown.append(MASK if name_before and not argument.startswith("-") else _masked(argument, known))
        name_before = argument.startswith("-") and "=" not in argument and _SECRET_NAME.search(argument) is not None
    return shown


def _masked(argument: str, known: Sequence[str]) -> str:
    for secret in known:
        if len(secret) >= _SHORT:
            argument = argument.replace(secret, MASK)
        elif argument.rpartition("=")[2] == secret:
            argument = argument[: len(argument) - len(secret)] + MASK
    assignment = _ASSIGNMENT.fullmatch(argument)
    if assignment and _SECRET_NAME.search(assignment[1]):
        return assignment[1] + assignment[2] + MASK
    return _SHAPED.sub(MASK, _IN_URL.sub(MASK + "@", argument))
