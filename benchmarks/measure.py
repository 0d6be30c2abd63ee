"""Runs whole programs and says what they cost."""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Command:
    """A program to measure. `codes` are the exit codes that mean success; `inherit` are descriptors it needs."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path = Path("/")
    codes: tuple[int, ...] = (0,)
    inherit: Sequence[int] = ()


@dataclass(frozen=True)
class Sample:
    """The cost of one run: seconds on the processors, by all of its processes, and on the wall; peak bytes.

    The peak is that of the largest process, and never less than what this program itself had. `started` is the
    moment it was started, in seconds since the epoch.
    """

    cpu: float
    wall: float
    peak: int
    output: bytes = b""
    started: float = 0.0


@dataclass
class Series:
    """All samples of one contender in one case."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """Median of the processor seconds."""
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def wall(self) -> float:
        """Median of the seconds on the wall."""
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def peak(self) -> int:
        """The largest peak, in bytes."""
        return max(sample.peak for sample in self.samples)


class Failed(Exception):
    """A measured program did not do what it should."""


def adopt_orphans() -> None:
    """Have processes that outlive their parent become ours, so that their cost is counted too (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Command) -> Sample:
    """Run a command to the end of its last process.

    Raises:
        Failed: its exit code is none of those expected.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    started = time.time()
    process = subprocess.Popen(
        list(command.argv),
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(command.inherit),
    )
    assert process.stdout is not None  # noqa: S101  # it was asked for
    output = process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    _wait_for_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode not in command.codes:
        shown = output.decode("utf-8", "replace")[-2000:]
        raise Failed(f"{' '.join(command.argv[:6])} … ended with {process.returncode}:\n{shown}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    scale = 1 if sys.platform == "darwin" else 1024
    return Sample(cpu, wall, usage.ru_maxrss * scale, output, started)


def _wait_for_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def own_peak() -> int:
    """Return the peak of this program in bytes: smaller peaks of others cannot be told."""
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
