"""Measure agsekit beside the programs people use instead: `python benchmarks/run.py --quick`.

Nothing outside of a work folder is written, except the report where `--write` says. The work folder is removed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

# As a script its own folder comes first on the path; its modules are imported as a package, by their full names.
sys.path[0] = os.fspath(Path(__file__).resolve().parent.parent)

from agsekit_storage.registry import BACKENDS  # noqa: E402
from benchmarks import plot, report, startup, staying  # noqa: E402
from benchmarks.measure import adopt_orphans  # noqa: E402
from benchmarks.peers import OURS, PEERS, Contender, is_installed  # noqa: E402
from benchmarks.suite import CASES, Plan, Results, TreeSuite, say  # noqa: E402
from benchmarks.trees import Shape  # noqa: E402

_PARTS = ("start-up", "run", "staying", *CASES)


def main(arguments: list[str]) -> int:
    """Measure what the arguments ask for, and print or write the report."""
    options = _parse(arguments)
    only = options.only or _PARTS
    results = Results()
    contenders = _contenders(options.contender, results)
    shapes = _shapes(options)
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="agsekit-benchmark-", dir=options.work) as name:
        work = Path(name)
        if "start-up" in only:
            startup.measure_startup(work / "startup", options.runs, results)
        for number, shape in enumerate(shapes):
            _measure_tree(shape, work / f"tree-{number}", contenders, options, only, results)
        _write(results, shapes, contenders, arguments, work, options.write)
        say("removing the work folder")
    return 0


def _write(
    results: Results,
    shapes: list[Shape],
    contenders: list[type[Contender]],
    arguments: list[str],
    work: Path,
    target: Optional[Path],
) -> None:
    trees = {shape.title: shape.files for shape in shapes}
    command = shlex.join(["python", "benchmarks/run.py", *arguments])
    plot_name = target.with_suffix(".svg").name if target else "benchmarks.svg"
    text = report.document(results, trees, contenders, command, work, plot_name)
    if target is None:
        sys.stdout.write(text)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.with_suffix(".svg").write_text(plot.svg(results, trees), encoding="utf-8")


def _measure_tree(
    shape: Shape,
    folder: Path,
    contenders: list[type[Contender]],
    options: argparse.Namespace,
    only: Sequence[str],
    results: Results,
) -> None:
    say(shape.title)
    cases = [case for case in CASES if case in only]
    if cases:
        # At the large size a full restore takes too long to repeat, and the runs of "ten files changed" say
        # already what a snapshot costs on the disk.
        small = shape.kind == "project"
        plan = Plan(
            options.runs, options.dear_runs, options.dear_runs if small else 1, options.growth if small else 0
        )
        TreeSuite(shape, folder, contenders, results).run(plan, cases)
    if "staying" in only:
        staying.measure_staying(shape, folder / "staying", options.runs, results)
    if "run" in only:
        startup.measure_run(shape, folder / "run", options.runs, results)


def _shapes(options: argparse.Namespace) -> list[Shape]:
    if options.quick:
        return [Shape("project", 300), Shape("modules", 600)]
    return [Shape.of_size(int(size)) for size in options.sizes.split(",")]


def _contenders(wanted: list[str], results: Results) -> list[type[Contender]]:
    found: list[type[Contender]] = []
    for kind in (*(OURS[backend] for backend in BACKENDS if backend in OURS), *PEERS):
        if wanted and not any(word in kind.name for word in wanted):
            continue
        if is_installed(kind):
            found.append(kind)
        else:
            results.skipped.append(f"{kind.name}: {kind.program} is not installed")
            say(f"{kind.name} is left out: {kind.program} is not installed")
    return found


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small trees and two runs: does it work at all?")
    parser.add_argument("--sizes", default="20000,100000", metavar="N,N", help="files in the trees (%(default)s)")
    parser.add_argument("--only", action="append", choices=_PARTS, help="measure this part (repeatable)")
    parser.add_argument("--contender", action="append", default=[], metavar="NAME", help="only programs named so")
    parser.add_argument("--runs", type=int, default=7, help="runs of what is cheap (%(default)s)")
    parser.add_argument(
        "--dear-runs", type=int, default=3, help="runs of first snapshots, full restores (%(default)s)"
    )
    parser.add_argument("--growth", type=int, default=50, help="snapshots to grow a store by (%(default)s)")
    parser.add_argument("--work", metavar="DIR", help="where the work folder is made (default: TMPDIR)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report here, and the plot beside it")
    options = parser.parse_args(arguments)
    if options.quick:
        options.runs, options.dear_runs, options.growth = 2, 1, 2
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
