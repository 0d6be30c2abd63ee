"""The report: a table of promises, tables of everything measured, and where it was measured."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import suite
from benchmarks.measure import own_peak
from benchmarks.peers import Contender
from benchmarks.suite import Results
from benchmarks.targets import Row, rows, seconds

_MARKS = {True: "✓", False: "✗", None: ""}
_INTRODUCTION = """\
Written by the script itself. Every figure is the median of whole processes, start of the interpreter included,
that were run in turn with those they are compared with, with a warm page cache. What counts is the time on the
processors (user + system, all processes of a command): other programs on the machine disturb it least. Below 1,
a ratio means that agsekit needs less than the other program. Losses (✗) are shown as plainly as wins (✓).
What a process that stays costs with each snapshot is measured inside it, without its start.

git leaves the project's own `.git` out, which everybody else here saves; its `gc` is turned off, as it would run
in the background now and then. restic encrypts, because it cannot do otherwise; borg does not. Everything agsekit
writes has been brought to the disk (fsync) when a command ends; rsync and git do not wait for that.
"""


def document(
    results: Results,
    trees: dict[str, int],
    contenders: Sequence[type[Contender]],
    command: str,
    folder: Path,
    plot: str,
) -> str:
    """Return the whole report as Markdown."""
    parts = [
        "# Benchmarks\n",
        _INTRODUCTION,
        f"![Time on the processors by case and program]({plot})\n",
        _setting(contenders, command, folder),
        "## Against the targets\n",
        _targets(rows(results, trees)),
    ]
    for tree in trees:
        parts += [f"## {tree}\n", "Time on the processors, and in brackets on the wall:\n", _times(results, tree)]
        parts += [_space(results, tree)]
    if results.skipped:
        parts += ["## Not measured\n", "\n".join(f"- {line}" for line in results.skipped) + "\n"]
    return "\n".join(part for part in parts if part)


def _setting(contenders: Sequence[type[Contender]], command: str, folder: Path) -> str:
    versions = {kind.program: kind(folder, folder, {"HOME": ""}).versions() for kind in contenders}
    lines = [
        f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        f"- command: `{command}`",
        f"- machine: {os.cpu_count()} processors, {platform.system()} {_kernel()}, {_file_system(folder)}",
        f"- Python {platform.python_version()}; " + "; ".join(versions.values()),
    ]
    return "\n".join(lines) + "\n"


def _kernel() -> str:
    return ".".join(platform.release().replace("-", ".").split(".")[:2])


def _file_system(folder: Path) -> str:
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown file system"
    here = os.path.realpath(folder) + "/"
    fitting = [fields for fields in mounts if here.startswith(fields[1].rstrip("/") + "/")]
    return max(fitting, key=lambda fields: len(fields[1]))[2] if fitting else "unknown file system"


def _targets(found: Iterable[Row]) -> str:
    lines = ((row.what, row.ours, row.peer, row.ratio, row.target, _MARKS[row.kept]) for row in found)
    return _table(("what", "agsekit", "compared with", "ratio", "target", ""), lines)


def _times(results: Results, tree: str) -> str:
    names = list(dict.fromkeys(name for where, case, name in results.series if where == tree and case in suite.CASES))
    lines = []
    for name in names:
        cells = [name]
        for case in suite.CASES:
            series = results.series.get((tree, case, name))
            measured = series is not None and series.samples
            cells.append(
                f"{seconds(series.cpu)} ({seconds(series.wall)}) × {len(series.samples)}"
                if series and measured
                else ""
            )
        lines.append(cells)
    return _table(("program", *suite.CASES), lines)


def _space(results: Results, tree: str) -> str:
    floor = own_peak()
    lines = []
    names = list(dict.fromkeys(name for where, case, name in results.series if where == tree and case in suite.CASES))
    for name in names:
        cells = [name, *_disk(results, tree, name)]
        for case in (suite.FIRST, suite.CHANGED):
            series = results.series.get((tree, case, name))
            peak = series.peak if series and series.samples else 0
            cells.append("" if not peak else f"{peak / 1e6:.0f} MB" if peak > floor else f"≤ {floor / 1e6:.0f} MB")
        lines.append(cells)
    titles = ("program", "store before", "store after", "per snapshot", "peak, first", "peak, ten changed")
    return "Space on the disk (snapshots of ten changed files each) and in memory:\n\n" + _table(titles, lines)


def _disk(results: Results, tree: str, name: str) -> Iterator[str]:
    if (tree, name) not in results.disk:
        yield from ("", "", "")
        return
    before, after, snapshots = results.disk[tree, name]
    yield f"{before / 1e6:.1f} MB"
    yield f"{after / 1e6:.1f} MB after {snapshots}"
    yield f"{(after - before) / snapshots / 1024:.0f} KiB"


def _table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    shown = [titles, ["---"] * len(titles), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in shown) + "\n"
