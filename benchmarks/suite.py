"""What is measured: every case with every contender in turn, A B C A B C, so that noise hits all alike."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from benchmarks import trees
from benchmarks.measure import Command, Failed, Sample, Series, run
from benchmarks.peers import Contender, RsyncDryRun
from benchmarks.trees import Shape

FIRST, UNCHANGED, CHANGED = "first snapshot", "nothing changed", "ten files changed"
RESTORE_ONE, RESTORE_ALL = "restore of one file", "restore of everything"
CASES = (FIRST, UNCHANGED, CHANGED, RESTORE_ONE, RESTORE_ALL)
_SLOW_RUNS = 3
# Longer than the window in which two writes can get one stamp: what is written later is told by its stamp.
_SETTLE = 0.1


@dataclass(frozen=True)
class Plan:
    """How much to measure: runs of what is cheap, first snapshots, full restores, snapshots to grow a store by."""

    runs: int
    first_runs: int
    restore_runs: int
    growth: int


@dataclass
class Results:
    """Everything that was measured. Keys of `series` are (tree, case, contender)."""

    series: dict[tuple[str, str, str], Series] = field(default_factory=dict)
    disk: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)
    """(tree, contender): bytes of the store after the first snapshot, after the last, snapshots in between."""
    skipped: list[str] = field(default_factory=list)

    def of(self, tree: str, case: str, contender: str) -> Series:
        """Return the series of one contender, made at its first use."""
        return self.series.setdefault((tree, case, contender), Series())


class TreeSuite:
    """All cases on one tree."""

    def __init__(self, shape: Shape, folder: Path, contenders: Sequence[type[Contender]], results: Results) -> None:
        self._shape = shape
        self._folder = folder
        self._source = folder / "source"
        self._results = results
        self._moment = 0
        environment = environment_for(folder)
        trees.make(shape, self._source, environment)
        self._contenders = [kind(self._source, folder / _store_name(kind.name), environment) for kind in contenders]
        self._broken: set[str] = set()

    def run(self, plan: Plan, cases: Sequence[str]) -> None:
        """Measure the cases; the first snapshots are always taken, since all others need them."""
        self._first(plan.first_runs if FIRST in cases else 1)
        if UNCHANGED in cases:
            self._once(lambda contender: contender.unchanged())
            self._repeat(UNCHANGED, plan.runs, lambda contender: contender.unchanged())
        if CHANGED in cases:
            self._grow(CHANGED, plan.runs)
        if RESTORE_ONE in cases:
            path = trees.a_file(self._shape)
            self._restore(RESTORE_ONE, plan.runs, lambda contender, to: contender.restore_one(path, to))
        if RESTORE_ALL in cases:
            self._restore(RESTORE_ALL, plan.restore_runs, lambda contender, to: contender.restore_all(to))
        if CHANGED in cases and plan.growth:
            self._grow("growth", plan.growth)

    def _active(self) -> Iterable[Contender]:
        return (contender for contender in self._contenders if contender.name not in self._broken)

    def _first(self, runs: int) -> None:
        for number in range(runs):
            for contender in self._active():
                contender.remove()
                contender.prepare()
                os.sync()  # who brings its data to the disk must not pay for what others left in memory
                self._measure(FIRST, contender, contender.snapshot())
            say(f"  {FIRST}: {number + 1}/{runs}")

    def _once(self, command: Callable[[Contender], Optional[Command]]) -> None:
        """Run everything once unmeasured: the page cache and the caches of the programs fill."""
        time.sleep(_SETTLE)
        for contender in self._active():
            self._attempt(contender, command(contender))

    def _repeat(self, case: str, runs: int, command: Callable[[Contender], Optional[Command]]) -> None:
        for number in range(runs):
            for contender in self._active():
                if number < _SLOW_RUNS or not contender.slow:
                    self._measure(case, contender, command(contender))
            say(f"  {case}: {number + 1}/{runs}")

    def _grow(self, case: str, snapshots: int) -> None:
        before = {contender.name: _size(contender) for contender in self._active()}
        for number in range(snapshots):
            self._moment += 1
            trees.change_some(self._shape, self._source, self._moment)
            time.sleep(_SETTLE)
            for contender in self._active():
                self._measure(case, contender, contender.snapshot())
            say(f"  {case}: {number + 1}/{snapshots}")
        for contender in self._active():
            after = _size(contender)
            if after > before[contender.name]:
                sizes = (before[contender.name], after, snapshots)
                self._results.disk[self._shape.title, contender.name] = sizes

    def _restore(self, case: str, runs: int, command: Callable[[Contender, Path], Optional[Command]]) -> None:
        for number in range(runs):
            for contender in self._active():
                target = self._folder / "restored" / f"{number}"
                target.mkdir(parents=True)
                self._measure(case, contender, command(contender, target))
                self._check_restored(case, contender, target)
                trees.set_aside(target.parent)
            say(f"  {case}: {number + 1}/{runs}")

    def _check_restored(self, case: str, contender: Contender, target: Path) -> None:
        """A program that is fast because it does not do the work must not look good."""
        expected = {RESTORE_ONE: 1, RESTORE_ALL: self._shape.files}[case]
        restored = sum(len(files) for _, _, files in os.walk(target))
        if (self._shape.title, case, contender.name) in self._results.series and restored < expected:
            raise Failed(f"{contender.name} restored {restored} files of {expected} ({case})")

    def _measure(self, case: str, contender: Contender, command: Optional[Command]) -> None:
        sample = self._attempt(contender, command)
        if sample is not None:
            self._results.of(self._shape.title, case, contender.name).samples.append(sample)

    def _attempt(self, contender: Contender, command: Optional[Command]) -> Optional[Sample]:
        if command is None:
            return None
        try:
            return run(command)
        except Failed as error:
            # One broken program must not cost the results of the others, nor go unnoticed.
            self._broken.add(contender.name)
            self._results.skipped.append(f"{contender.name}, {self._shape.title}: {str(error).splitlines()[0]}")
            say(f"  FAILED: {error}")
            return None


def environment_for(folder: Path) -> Mapping[str, str]:
    """Return the environment of everything measured: a home of its own, and no configuration of the user."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "gitconfig"
    # A `git gc` in the background would be counted as part of the commit that happened to start it.
    settings.write_text("[user]\nname = Benchmark\nemail = benchmark@example.org\n[gc]\nauto = 0\n")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AGSEKIT_LANG": "en",
        "TMPDIR": str(folder),
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }


def say(text: str) -> None:
    """Tell on standard error how far it has come."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _size(contender: Contender) -> int:
    return 0 if isinstance(contender, RsyncDryRun) else trees.allocated_bytes(contender.store)


def _store_name(contender: str) -> str:
    # The dry run compares with what the hard-linking rsync made.
    name = contender.replace("--dry-run", "--link-dest")
    return "store-" + "".join(letter if letter.isalnum() else "-" for letter in name)
