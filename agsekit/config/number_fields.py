"""From the text of one value to a number: sizes, spans of time, counts and shares. See `fields` for the rules."""

from __future__ import annotations

import re

from agsekit.config.fields import InvalidValueError
from agsekit.config.problems import quoted
from agsekit.i18n import _

_MEBIBYTE = 1024**2
_UNITS = {"": 1, "k": 1024, "m": _MEBIBYTE, "g": 1024**3, "t": 1024**4}
SIZE = r"([0-9]{1,15})(\.[0-9]{1,6})?\s*(?:([kmgtKMGT])(?:i?[bB])?|[bB])?"
SMALLEST_RAM = 128 * _MEBIBYTE  # what multipass accepts
SMALLEST_DISK = 512 * _MEBIBYTE
INTERVAL = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
SHARE = r"0?\.[0-9]{0,5}[1-9][0-9]{0,5}|1(?:\.0{1,6})?"
LONGEST_INTERVAL = 365 * 24 * 60


def parse_share(text: str) -> float:
    """Return a share of a whole: more than 0, and at most 1."""
    if not re.fullmatch(SHARE, text):
        raise InvalidValueError(_("must be a share between 0 and 1, such as 0.5"))
    return float(text)


def parse_cpu(text: str) -> int:
    """Return a number of processors."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise InvalidValueError(_("must be a whole number from 1, such as 2, not {value}").format(value=quoted(text)))
    return int(text)


def parse_ram(text: str) -> int:
    """Return an amount of memory in bytes."""
    return _parse_size(text, smallest=SMALLEST_RAM, example="4G")


def parse_disk(text: str) -> int:
    """Return the size of a disk in bytes."""
    return _parse_size(text, smallest=SMALLEST_DISK, example="20G")


def _parse_size(text: str, *, smallest: int, example: str) -> int:
    """Read a size as multipass does: units are powers of 1024 whether or not there is an `i`."""
    match = re.fullmatch(SIZE, text)
    if not match:
        raise InvalidValueError(
            _("must be a size such as {example} or 4096M, not {value}").format(example=example, value=quoted(text))
        )
    whole, fraction, unit = match.groups()
    size = int(float(whole + (fraction or "")) * _UNITS[(unit or "").lower()])
    if size < smallest:
        raise InvalidValueError(
            _("must be at least {smallest}M, not {value}; give a unit, such as {example}").format(
                smallest=smallest // _MEBIBYTE, value=quoted(text), example=example
            )
        )
    return size


def parse_amount(text: str) -> int:
    """Return a size in bytes, such as 20G."""
    return _parse_size(text, smallest=1024**2, example="20G")


def parse_max_backups(text: str) -> int:
    """Return a number of snapshots, at least two: one to work from and one to go back to."""
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or int(text) < 2:
        raise InvalidValueError(_("must be a whole number from 2 up, not {value}").format(value=quoted(text)))
    return int(text)


_SPANS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}


def parse_duration(text: str) -> float:
    """Return a span of time in seconds: a number and one of m, h, d, w, y; 0 for none."""
    match = re.fullmatch(r"([0-9]{1,6})([mhdwy]?)", text, re.ASCII)
    if match is None or (not match[2] and int(match[1])):
        raise InvalidValueError(_("must be a time such as 12h, 30d or 1y, not {value}").format(value=quoted(text)))
    return int(match[1]) * _SPANS.get(match[2], 0.0)


def parse_interval(text: str) -> float:
    """Return a number of minutes greater than 0."""
    minutes = float(text) if re.fullmatch(INTERVAL, text) else 0.0
    if not 0 < minutes <= LONGEST_INTERVAL:
        raise InvalidValueError(
            _("must be a number of minutes greater than 0, such as 5 or 0.5, not {value}").format(value=quoted(text))
        )
    return minutes
