"""Snapshots at an interval, for as long as nobody says stop."""

from __future__ import annotations

from collections.abc import Callable

from agsekit_storage.errors import StorageError
from agsekit_storage.snapshots import Result


def repeat(
    take: Callable[[], Result],
    *,
    wait: Callable[[], bool],
    skip_first: bool,
    on_result: Callable[[Result], None],
    on_failure: Callable[[Exception], None],
) -> None:
    """Take snapshots until `wait` says that it is over.

    A failure of one snapshot is reported and does not end the loop: the disk may have room again next time, the
    folder may be back.

    Args:
        take: takes one snapshot.
        wait: sleeps for the interval and returns False when it is time to stop.
    """
    if skip_first and not wait():
        return
    while True:
        try:
            on_result(take())
        except (StorageError, OSError) as error:
            on_failure(error)
        if not wait():
            return
