"""Which stamps may hide a second write: those within a tick of the clock before the walk that meets them."""

from __future__ import annotations

import time

from agsekit_storage.tree import CTIME, WIDTH, Folder

_CLOCK_STEP_NS = 20_000_000
"""Two writes this close together may get the same stamp: the kernel's clock ticks every 1 to 10 ms."""
_COARSE_STEP_NS = 2_000_000_000
"""The same for file systems that store whole seconds (HFS+, ext3) or two of them (FAT)."""


class Stamps:
    """Judges the ctimes that one walk meets; the walk begins when this is made."""

    def __init__(self) -> None:
        self._racy_from = time.time_ns() - _CLOCK_STEP_NS
        self._racy_from_coarse = time.time_ns() - _COARSE_STEP_NS

    def is_racy(self, ctime: int) -> bool:
        """Tell whether a later write could get this stamp, too."""
        return ctime >= self._racy_from or (ctime % 1_000_000_000 == 0 and ctime >= self._racy_from_coarse)

    def mark(self, folder: Folder) -> None:
        """Set the ctimes of a folder that prove nothing to 0."""
        stats = folder.stats
        ctimes = stats[CTIME::WIDTH]
        if not ctimes or max(ctimes) < self._racy_from_coarse:
            return
        for position, ctime in enumerate(ctimes):
            if self.is_racy(ctime):
                stats[position * WIDTH + CTIME] = 0
