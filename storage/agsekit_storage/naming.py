"""The names of snapshots: UTC time, unique, and sorting in the order they were taken."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from functools import lru_cache
from typing import Optional

_ID = re.compile(r"(\d{8}-\d{6})(?:-(\d{3}))?\Z", re.ASCII)
_STAMP = "%Y%m%d-%H%M%S"
PARTIAL = "-partial"
TRASH = ".trash-"


def is_id(name: str) -> bool:
    """Tell whether a name has the form of a snapshot id, `YYYYMMDD-HHMMSS` or `YYYYMMDD-HHMMSS-NNN`."""
    match = _ID.match(name)
    return match is not None and _seconds(match[1]) is not None


def created_by_name(name: str) -> float:
    """Return the time in an id, in seconds since the epoch, read as UTC.

    Raises:
        ValueError: it is not an id.
    """
    match = _ID.match(name)
    seconds = _seconds(match[1]) if match else None
    if seconds is None:
        raise ValueError(name)
    return seconds


def next_id(now: float, last: Optional[str]) -> str:
    """Return an id for a snapshot taken at `now` that sorts after `last`, even if the clock was set back."""
    stamp = time.strftime(_STAMP, time.gmtime(now))
    if last is None or stamp > last:
        return stamp
    match = _ID.match(last)
    if match is None:
        raise ValueError(last)
    number = int(match[2] or 0) + 1
    if number <= 999:
        return f"{match[1]}-{number:03}"
    following = created_by_name(match[1]) + 1
    return time.strftime(_STAMP, time.gmtime(following))


@lru_cache(maxsize=4096)
def _seconds(stamp: str) -> Optional[float]:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
