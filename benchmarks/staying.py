"""What a process that stays costs: told what changed, or looking for it, round after round in one process.

As a program it is that process: it changes ten files, takes a snapshot, and writes down what the snapshot took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    # As a script its own folder comes first on the path; its modules are imported as a package, by their full names.
    sys.path[0] = os.fspath(Path(__file__).resolve().parent.parent)

from agsekit_storage.memory import Memory
from agsekit_storage.registry import BACKENDS
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from benchmarks import trees
from benchmarks.measure import Command, Sample, run
from benchmarks.suite import Results, environment_for, say
from benchmarks.trees import Shape

STAYING = "ten files changed, in a process that stays"
_SETTLE = 0.1


def told(backend: str) -> str:
    """Return the name of a process that is told which paths changed, as by inotify."""
    return f"agsekit, {backend} backend, told what changed"


def looking(backend: str) -> str:
    """Return the name of a process that looks at everything each time."""
    return f"agsekit, {backend} backend, looking for it"


def measure_staying(shape: Shape, folder: Path, runs: int, results: Results) -> None:
    """Measure both, with each backend; the first round, which fills what a process remembers, does not count."""
    source = folder / "source"
    environment = environment_for(folder)
    trees.make(shape, source, environment)
    for backend in BACKENDS:
        for name, mode in ((told(backend), "told"), (looking(backend), "looking")):
            store = folder / f"store-{backend}"
            argv = [sys.executable, __file__, os.fspath(source), os.fspath(store), backend, mode]
            sample = run(Command([*argv, shape.kind, str(shape.files), str(runs)], environment))
            for cpu, wall, memory in json.loads(sample.output):
                results.of(shape.title, STAYING, name).samples.append(Sample(cpu, wall, memory))
            say(f"  {STAYING}: {name}")


def _rounds(store: Store, source: Path, shape: Shape, *, tell: bool, runs: int) -> list[tuple[float, float, int]]:
    """Return the seconds on the processor and on the wall of each round, and the memory of the process after it."""
    memory = Memory()
    costs = []
    for number in range(runs + 1):
        changed = trees.change_some(shape, source, time.time_ns()) if number else []
        time.sleep(_SETTLE)
        request = Request("watch", dirty=frozenset(map(os.fsencode, changed)) if tell and number else None)
        cpu, wall = time.process_time(), time.perf_counter()
        result = take_snapshot(store, request, now=time.time(), memory=memory)
        if number:
            if not result.created:
                raise SystemExit("the changes of a round were not found")
            costs.append((time.process_time() - cpu, time.perf_counter() - wall, _resident()))
    return costs


def _resident() -> int:
    """Return the memory that this process has now, in bytes; 0 where the kernel does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def _main(source: str, store: str, backend: str, mode: str, kind: str, files: str, runs: str) -> None:
    opened = Store.create(Path(store), Path(source), backend=backend)
    shape = Shape(kind, int(files))
    sys.stdout.write(json.dumps(_rounds(opened, Path(source), shape, tell=mode == "told", runs=int(runs))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
