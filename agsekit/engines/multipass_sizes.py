"""Sizes as Multipass takes and prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNITS: Mapping[str, int] = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_PRINTED = re.compile(r"(\d+)(?:\.(\d+))?\s*([KMGT]?)(?:i?B)?")


def argument(size: int) -> str:
    """Return an exact number of bytes in the largest unit that holds it without a fraction."""
    for unit in ("G", "M", "K"):
        if size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size}B"


def setting(key: str, value: int) -> tuple[str, str]:
    """Return the name and the value of a setting for one of our keys."""
    return {"cpu": "cpus", "ram": "memory", "disk": "disk"}[key], str(value) if key == "cpu" else argument(value)


def parse(text: str) -> tuple[int, float]:
    """Return the bytes that `get` prints and half a unit of the last digit: it rounds to one decimal.

    Raises:
        ValueError: this is no size.
    """
    match = _PRINTED.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    whole, fraction, unit = match[1], match[2] or "", _UNITS[match[3]]
    precision = unit * 10 ** -len(fraction) / 2 if fraction else 0
    return round(float(f"{whole}.{fraction or 0}") * unit), precision
