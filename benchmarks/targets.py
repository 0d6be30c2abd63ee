"""The targets: what agsekit promises of its speed, against whom, and whether it was kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from benchmarks import startup, staying, suite
from benchmarks.measure import Series
from benchmarks.peers import AgsekitGit, AgsekitRsync, Borg, Contender, GitCommit, Restic, RsyncCopy, RsyncDryRun
from benchmarks.peers import RsyncLinkDest as LinkDest
from benchmarks.suite import Results

_MEGABYTE = 1_000_000
_PROMISED: tuple[tuple[str, type[Contender], type[Contender], Optional[float]], ...] = (
    (suite.FIRST, AgsekitRsync, RsyncCopy, 1.1),
    (suite.FIRST, AgsekitGit, GitCommit, 0.8),
    (suite.UNCHANGED, AgsekitRsync, RsyncDryRun, 0.7),
    (suite.UNCHANGED, AgsekitGit, RsyncDryRun, None),
    (suite.CHANGED, AgsekitRsync, LinkDest, 0.25),
    (suite.CHANGED, AgsekitGit, GitCommit, 1.0),
    (suite.CHANGED, AgsekitGit, Restic, 0.2),
    (suite.CHANGED, AgsekitGit, Borg, 0.2),
    (suite.RESTORE_ALL, AgsekitRsync, RsyncCopy, None),
    (suite.RESTORE_ALL, AgsekitGit, GitCommit, None),
)
_LARGE = 100_000


@dataclass(frozen=True)
class Row:
    """One line of the report. `kept` is None where nothing was promised."""

    what: str
    ours: str
    peer: str
    ratio: str
    target: str
    kept: Optional[bool]


def rows(results: Results, trees: dict[str, int]) -> Iterator[Row]:
    """Yield all rows; `trees` are the numbers of files by tree, and promises for large ones bind those alone."""
    for tree, files in trees.items():
        yield from _against_peers(results, tree, files)
        yield from _restores(results, tree)
        yield from _staying(results, tree)
        yield from _memory(results, tree, files)
        yield from _added_by_run(results, tree)
    yield from _startup(results)


def _against_peers(results: Results, tree: str, files: int) -> Iterator[Row]:
    for case, ours, peer, limit in _PROMISED:
        mine, theirs = _series(results, tree, case, ours.name), _series(results, tree, case, peer.name)
        if mine and theirs:
            ratio = mine.cpu / theirs.cpu
            binding = limit is not None and (case != suite.UNCHANGED or files >= _LARGE)
            yield Row(
                f"{case}, {tree}: {ours.name}",
                seconds(mine.cpu),
                f"{peer.name}: {seconds(theirs.cpu)}",
                f"{ratio:.2f}",
                f"≤ {limit}" if binding else "",
                ratio <= limit if binding and limit is not None else None,
            )


def _restores(results: Results, tree: str) -> Iterator[Row]:
    for ours in (AgsekitRsync, AgsekitGit):
        mine = _series(results, tree, suite.RESTORE_ONE, ours.name)
        if mine:
            what = f"{suite.RESTORE_ONE}, {tree}: {ours.name}"
            yield Row(what, seconds(mine.cpu), "", "", "≤ 0.2 s", mine.cpu <= 0.2)


def _staying(results: Results, tree: str) -> Iterator[Row]:
    """Yield what a round of a process that stays costs, and the memory that it holds in between."""
    for backend, peer, limit in (("git", GitCommit.name, 0.1), ("rsync", LinkDest.name, None)):
        mine, looking = (
            _series(results, tree, staying.STAYING, name)
            for name in (staying.told(backend), staying.looking(backend))
        )
        if not mine:
            continue
        for name, other in (
            (staying.looking(backend), looking),
            (peer, _series(results, tree, suite.CHANGED, peer)),
        ):
            if other:
                yield Row(
                    f"{staying.STAYING}, {tree}: {staying.told(backend)}",
                    seconds(mine.cpu),
                    f"{name}: {seconds(other.cpu)}",
                    f"{mine.cpu / other.cpu:.2f}",
                    f"≤ {limit} s" if limit else "",
                    mine.cpu <= limit if limit else None,
                )
        held = mine.peak / _MEGABYTE
        what = f"memory in between, {tree}: {staying.told(backend)}"
        yield Row(what, f"{held:.0f} MB", "", "", "≤ 60 MB", held <= 60)


def _memory(results: Results, tree: str, files: int) -> Iterator[Row]:
    for ours in (AgsekitRsync, AgsekitGit):
        found = [results.series[key].peak for key in results.series if key[0] == tree and key[2] == ours.name]
        if found:
            peak = max(found) / _MEGABYTE
            kept = peak <= 120 if files >= _LARGE else None
            target = "≤ 120 MB" if files >= _LARGE else ""
            yield Row(f"peak memory, {tree}: {ours.name}", f"{peak:.0f} MB", "", "", target, kept)


def _added_by_run(results: Results, tree: str) -> Iterator[Row]:
    for case, limit in ((startup.TO_AGENT, 0.3), (startup.WHOLE_RUN, None)):
        mine, bare = (_series(results, tree, case, name) for name in (startup.RUN_AGENT, startup.BY_HAND))
        if mine and bare:
            added = mine.cpu - bare.cpu
            unit = "on the wall" if case == startup.TO_AGENT else "CPU"
            yield Row(
                f"{case} ({unit}), {tree}",
                seconds(mine.cpu),
                f"{startup.BY_HAND}: {seconds(bare.cpu)}",
                f"+{added:.2f} s",
                f"≤ +{limit} s" if limit else "",
                added <= limit if limit else None,
            )


def _startup(results: Results) -> Iterator[Row]:
    bare = _series(results, startup.STARTUP, startup.STARTUP, startup.BARE)
    for name, limit in ((startup.VERSION, 1.5), (startup.HELP, 12.0)):
        mine = _series(results, startup.STARTUP, startup.STARTUP, name)
        if mine and bare:
            ratio = mine.cpu / bare.cpu
            peer = f"{startup.BARE}: {seconds(bare.cpu)}"
            yield Row(f"`{name}`", seconds(mine.cpu), peer, f"{ratio:.2f}", f"≤ {limit:g}", ratio <= limit)
    for name in (startup.COMMANDS, startup.NAMES):
        mine = _series(results, startup.STARTUP, startup.STARTUP, name)
        if mine:
            yield Row(name, seconds(mine.cpu), "", "", "≤ 150 ms", mine.cpu <= 0.15)


def _series(results: Results, tree: str, case: str, contender: str) -> Optional[Series]:
    found = results.series.get((tree, case, contender))
    return found if found and found.samples else None


def seconds(amount: float) -> str:
    """Return a duration with three digits that mean something."""
    return f"{amount * 1000:.0f} ms" if amount < 1 else f"{amount:.2f} s"
