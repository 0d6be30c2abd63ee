"""What the command line itself costs, and what `agsekit run` adds to the sandbox that it starts."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmarks import trees
from benchmarks.measure import Command, Failed, Sample, run
from benchmarks.peers import Agsekit
from benchmarks.suite import Results, environment_for, say
from benchmarks.trees import Shape

BARE, VERSION, HELP = "python -c pass", "agsekit --version", "agsekit --help"
COMMANDS, NAMES = "Tab after agsekit", "Tab after agsekit run"
STARTUP = "start-up"
RUN_AGENT, BY_HAND = "agsekit run", "the same bwrap by hand"
TO_AGENT, WHOLE_RUN = "run: until the agent starts", "run: from start to end"
_CONFIG = """
vms: {{box: {{engine: bubblewrap}}}}
mounts: [{{source: {source}, backup: {backup}, vm: box}}]
agents: {{clock: {{type: custom, command: [date, +%s.%N]}}}}
"""


def measure_startup(folder: Path, runs: int, results: Results) -> None:
    """Measure the answers that need no work, and words that a shell completes, beside an idle interpreter."""
    environment = environment_for(folder)
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(source=folder / "source", backup=folder / "store"))
    config.chmod(0o600)
    environment = {**environment, "CONFIG_PATH": str(config)}
    complete = [Agsekit.program, "__complete", "bash"]
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        VERSION: [Agsekit.program, "--version"],
        HELP: [Agsekit.program, "--help"],
        COMMANDS: [*complete, "1", "agsekit", ""],
        NAMES: [*complete, "2", "agsekit", "run", ""],
    }
    for number in range(runs + 1):
        for name, argv in commands.items():
            sample = run(Command(argv, environment))
            if number:  # the first one warms up
                results.of(STARTUP, STARTUP, name).samples.append(sample)
    say(f"  {STARTUP}: {runs}/{runs}")


def measure_run(shape: Shape, folder: Path, runs: int, results: Results) -> None:
    """Measure a run in which nothing changes, beside the bwrap command that it comes down to."""
    if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
        results.skipped.append(f"agsekit run, {shape.title}: bwrap is not installed")
        return
    source = folder / "source"
    environment = environment_for(folder)
    trees.make(shape, source, environment)
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(source=source, backup=folder / "store"))
    config.chmod(0o600)
    program = [Agsekit.program, "run", "--config", str(config), "clock", str(source)]
    for number in range(runs + 2):
        ours = run(Command(program, environment))
        command = _by_hand(source, environment)
        by_hand = run(command)
        for descriptor in command.inherit:
            os.close(descriptor)
        if number > 1:  # the first run takes the first snapshot, the second settles its stamps
            _note(results, shape, RUN_AGENT, ours)
            _note(results, shape, BY_HAND, by_hand)
    say(f"  run: {runs}/{runs}")


def _by_hand(source: Path, environment: Mapping[str, str]) -> Command:
    from agsekit.config.model import Vm
    from agsekit.engines.base import GuestCommand, MountPoint
    from agsekit.engines.bubblewrap import BubblewrapEngine
    from agsekit.process import Runner

    engine = BubblewrapEngine(Runner(environment), data_folder=Path(environment["HOME"]) / "by-hand")
    vm, mounts = Vm("box", engine="bubblewrap"), [MountPoint(source, PurePosixPath("/home/ubuntu/source"))]
    engine.make_ready(vm, mounts, on_event=lambda text: None)
    command = engine.command(vm, mounts, GuestCommand(["date", "+%s.%N"], "benchmark", cwd=mounts[0].target))
    return Command(list(command.argv), command.env, inherit=command.inherit)


def _note(results: Results, shape: Shape, name: str, sample: Sample) -> None:
    # Among what agsekit says there is one line of the agent: the time at which it started.
    told = re.search(rb"^[0-9]{9,}\.[0-9]{9}$", sample.output, re.MULTILINE)
    if told is None:
        raise Failed(f"{name} did not start the agent: {sample.output!r}")
    until = float(told[0]) - sample.started
    results.of(shape.title, TO_AGENT, name).samples.append(Sample(until, until, sample.peak))
    results.of(shape.title, WHOLE_RUN, name).samples.append(sample)
