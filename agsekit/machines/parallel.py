"""The same thing for several machines at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_GLANCE = 0.2


class _Task(Generic[R]):
    def __init__(self, work: Callable[[], R]) -> None:
        self._work = work
        self.outcome: R | Exception | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self.outcome = self._work()
        except Exception as error:
            self.outcome = error
        finally:
            self.done.set()


def for_each(
    items: Sequence[T], work: Callable[[T], R], expected: type[Exception], *, patience: float | None = None
) -> list[R | Exception]:
    """Do the work for all items at once; return what came of each, in their order, `expected` errors included.

    What is not done after `patience` seconds comes to a TimeoutError. Any error that is not expected is raised again.
    The threads are daemons: after ^C nothing waits for a machine that boots.
    """
    tasks = [_Task(lambda item=item: work(item)) for item in items]  # type: ignore[misc]
    if len(tasks) == 1 and patience is None:
        tasks[0].run()
    else:
        for task in tasks:
            threading.Thread(target=task.run, daemon=True).start()
        deadline = None if patience is None else time.monotonic() + patience
        for task in tasks:
            while not task.done.wait(_GLANCE):  # a wait without an end could not be interrupted
                if deadline is not None and time.monotonic() > deadline:
                    task.outcome = TimeoutError()
                    break
    for task in tasks:
        if isinstance(task.outcome, TimeoutError):
            continue
        if isinstance(task.outcome, Exception) and not isinstance(task.outcome, expected):
            raise task.outcome
    return [task.outcome for task in tasks]  # type: ignore[misc]  # None is an outcome of R only
