"""How people name a snapshot: by id or its beginning, as `latest`, or by a time."""

from __future__ import annotations

import re
import time

from agsekit_storage.ages import Ages
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.model import Snapshot
from agsekit_storage.store import Store

_LATEST = re.compile(r"latest(?:~(\d{1,9}))?\Z", re.ASCII)
_AGO = re.compile(r"(\d{1,9})([smhdw])\Z", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def resolve(store: Store, reference: str, *, now: float) -> Snapshot:
    """Return the snapshot that is meant.

    `latest~2` is the second before the newest; `10m` (also s, h, d, w) is the state of ten minutes ago; `14:05` is
    the state at that local time, today or, where that is still to come, yesterday.

    Raises:
        SnapshotNotFound: nothing fits, or a prefix fits several.
    """
    snapshots = store.snapshots()
    if not snapshots:
        raise SnapshotNotFound(
            "{path} holds no snapshots yet", hint="take one with `agsekit backup-once`", path=store.path
        )
    back = steps_back(reference)
    if back is not None:
        if back >= len(snapshots):
            raise SnapshotNotFound("there are only {count} snapshots", hint=_LIST, count=len(snapshots))
        return snapshots[-1 - back]
    moment = _moment(reference, now)
    if moment is not None:
        return _at(snapshots, moment, reference, now)
    fitting = [each for each in snapshots if each.id == reference] or [
        each for each in snapshots if reference and each.id.startswith(reference)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(each.id for each in fitting[:3])
        raise SnapshotNotFound(
            "{reference} is the beginning of several snapshots: {names}",
            hint="add more of the id",
            reference=reference,
            names=names,
        )
    raise SnapshotNotFound(
        "there is no snapshot {reference!r} in {path}", hint=_LIST, reference=reference, path=store.path
    )


_LIST = "`agsekit snapshots list` shows what there is"


def steps_back(reference: str) -> int | None:
    """Return how many steps before the newest `latest` or `latest~N` means, None for anything else."""
    latest = _LATEST.match(reference)
    return int(latest[1] or 0) if latest else None


def _moment(reference: str, now: float) -> float | None:
    ago = _AGO.match(reference)
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    clock = _CLOCK.match(reference)
    if clock is None:
        return None
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 59)
    if hour > 23 or minute > 59 or second > 59:
        return None
    today = time.localtime(now)
    moment = _local(today, today.tm_mday, hour, minute, second)
    return (
        moment
        if moment <= now or _same_minute(moment, now)
        else _local(today, today.tm_mday - 1, hour, minute, second)
    )


def _local(day: time.struct_time, day_of_month: int, hour: int, minute: int, second: int) -> float:
    # The end of that second: lists show times without the fraction that a snapshot was taken at.
    return time.mktime((day.tm_year, day.tm_mon, day_of_month, hour, minute, second, 0, 0, -1)) + 0.999999


def _same_minute(moment: float, now: float) -> bool:
    return moment - now < 60


def _at(snapshots: list[Snapshot], moment: float, reference: str, now: float) -> Snapshot:
    """Return the newest snapshot that is not younger than a moment, by times that fit the order of snapshots."""
    moments = Ages(snapshots, now=now).moments
    older = [each for each, believed in zip(snapshots, moments) if believed <= moment]
    if not older:
        raise SnapshotNotFound(
            "no snapshot is as old as {reference} ({moment})",
            hint=_LIST,
            reference=reference,
            # A time of day may be that of yesterday.
            moment=time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)),
        )
    return older[-1]
