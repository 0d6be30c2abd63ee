"""Signals as data, for a loop that waits for several things."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """Signals as data: while this is entered they are bytes in the pipe `descriptor`, and change nothing.

    A signal that was ignored before (nohup) stays ignored.
    """

    def __init__(self, caught: Sequence[signal.Signals]) -> None:
        self._caught = caught

    def __enter__(self) -> Signals:
        self.descriptor, self._writing = os.pipe()
        for end in (self.descriptor, self._writing):
            os.set_blocking(end, False)
        self._waker = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers: dict[signal.Signals, Any] = {}
        for number in self._caught:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._waker)
        os.close(self.descriptor)
        os.close(self._writing)

    def arrived(self) -> list[int]:
        """Return the numbers of the signals since the last call, oldest first."""
        try:
            return list(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []

    def keep(self, numbers: Sequence[int]) -> None:
        """Let signals arrive once more, for somebody else."""
        os.write(self._writing, bytes(numbers))

    def suspend(self) -> bool:
        """Stop the process group of agsekit as ^Z would; return when it is continued.

        Returns False at once where nobody could continue it: the caller ignores ^Z.
        """
        if signal.SIGTSTP not in self._handlers:
            return False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            os.kill(0, signal.SIGTSTP)  # the kernel drops it when no shell of this session waits for us
        finally:
            signal.signal(signal.SIGTSTP, _note)
        return True


def _note(_number: int, _frame: FrameType | None) -> None:
    """Let the wakeup descriptor do the work."""
