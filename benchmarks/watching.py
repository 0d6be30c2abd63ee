"""Measure a watching loop beside one that polls, and beside rsync: `python benchmarks/watching.py`.

Processor time of the loops is that of their process and what it has waited for; memory is resident, and proportional
(pages that others share count in part). Nothing outside of a work folder is written; the work folder is removed.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# As a script its own folder comes first on the path; its modules are imported as a package, by their full names.
sys.path[0] = os.fspath(Path(__file__).resolve().parent.parent)

from agsekit_storage.store import Store  # noqa: E402
from benchmarks import trees  # noqa: E402
from benchmarks.measure import run  # noqa: E402
from benchmarks.peers import (  # noqa: E402
    Agsekit,
    AgsekitGit,
    AgsekitRsync,
    Contender,
    RsyncLinkDest,
    is_installed,
)
from benchmarks.suite import environment_for  # noqa: E402
from benchmarks.trees import Shape  # noqa: E402

_DEADLINE = 300.0
_SETTLE = 0.1
# A loop that has not used the processor for so long is done: it waits for half a second at most.
_QUIET = 1.0


class Loop:
    """A running `backup-repeated --watch` on a source."""

    def __init__(self, source: Path, store: Path, backend: str) -> None:
        self._store = store
        argv = [Agsekit.program, "backup-repeated", "--watch", "--interval", "60", "--backend", backend]
        argv += ["--source-dir", str(source), "--dest-dir", str(store)]
        self._process = subprocess.Popen(
            argv, env=environment_for(source.parent), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.wait_for(lambda: self._count() >= 1)

    def cpu(self) -> float:
        """Return the seconds of processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        waited_for = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[0]) / 1e9 + waited_for

    def memory(self) -> tuple[int, int]:
        """Return resident and proportional memory in bytes."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()[1:]
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return found["Rss"], found["Pss"]

    def settle(self) -> None:
        """Wait until it does nothing any more."""
        before = -1.0
        while self.cpu() - before > 0.001:
            before = self.cpu()
            time.sleep(_QUIET)

    def snapshot_of(self, edit: Callable[[], None]) -> float:
        """Edit, and return the processor time until the snapshot was taken and all is quiet again."""
        count, before = self._count(), self.cpu()
        edit()
        self.wait_for(lambda: self._count() > count)
        self.settle()
        return self.cpu() - before

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        deadline = time.monotonic() + _DEADLINE
        while not condition():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit("the loop does not do what is waited for")
            time.sleep(0.05)

    def end(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def _count(self) -> int:
        return len(Store.existing(self._store).backend.present()) if (self._store / ".agsekit").exists() else 0


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to look on while nothing happens")
    parser.add_argument("--work", type=Path, default=None, help="where to put the work folder")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="agsekit-benchmark-", dir=options.work) as name:
        work = Path(name)
        shape, environment = Shape.of_size(options.files), environment_for(work)
        trees.make(shape, work / "source", environment)
        print(f"{shape.title}: processor seconds of a snapshot of ten changed files, median of {options.runs}")
        for ours in (AgsekitGit, AgsekitRsync):
            _watching(ours, work, shape, options)
            _once(ours(work / "source", work / f"anew-{ours.backend}", environment), work, shape, options.runs)
        if is_installed(RsyncLinkDest):
            _once(RsyncLinkDest(work / "source", work / "store-link-dest", environment), work, shape, options.runs)
    return 0


def _watching(contender: type[Agsekit], work: Path, shape: Shape, options: argparse.Namespace) -> None:
    loop = Loop(work / "source", work / f"store-{contender.backend}", contender.backend)
    loop.settle()
    begun = loop.cpu()
    time.sleep(options.idle)
    idle = loop.cpu() - begun
    figures = [loop.snapshot_of(lambda: _edit(shape, work)) for _ in range(options.runs)]
    resident, proportional = loop.memory()
    loop.end()
    print(f"{contender.name}, watching: {statistics.median(figures):.3f} s; {begun:.2f} s until it watched")
    print(f"  {idle:.4f} s in {options.idle:g} idle seconds")
    print(f"  {resident / 1e6:.0f} MB of memory, {proportional / 1e6:.0f} MB with shared pages counted in part")


def _once(contender: Contender, work: Path, shape: Shape, runs: int) -> None:
    """Measure a program that is started for each snapshot."""
    contender.prepare()
    figures = []
    for _ in range(runs + 1):
        _edit(shape, work)
        command = contender.snapshot()
        if command is not None:
            figures.append(run(command).cpu)
    print(f"{contender.name}, started anew: {statistics.median(figures[1:]):.3f} s")


def _edit(shape: Shape, work: Path) -> None:
    trees.change_some(shape, work / "source", time.monotonic_ns())
    time.sleep(_SETTLE)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
