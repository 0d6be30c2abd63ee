"""A shell inside a VM, with the VM's port forwarding for as long as it is open."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from agsekit.background import start_background
from agsekit.config.model import Vm
from agsekit.engines.base import Engine, GuestCommand, MountPoint
from agsekit.terminal import run_foreground

_PATIENCE = 3.0
_LOOK = 0.02
# By the interpreter that runs, and in `/`: nothing that lies in the user's folder is imported.
_AGSEKIT = "from agsekit.__main__ import main; main()"


def open_shell(
    vm: Vm, engine: Engine, mounts: Sequence[MountPoint], *, tty: bool, on_started: Callable[[Sequence[str]], None]
) -> int:
    """Run a shell in a VM that is ready, in its home folder, and return the exit code.

    `mounts` are what an engine without lasting mounts is to show inside.
    """
    run_id = "shell-" + secrets.token_hex(4)
    command = engine.command(vm, mounts, GuestCommand(["bash"], run_id, tty=tty))
    on_started(command.argv)
    try:
        return run_foreground(command)
    finally:
        if not engine.capabilities.ends_with_client:
            engine.terminate(vm, run_id)


class TunnelsBeside:
    """`agsekit portforward --vm NAME` as a process of its own, from entering to leaving.

    It ends with this process, whatever ends that. `complaints` are the lines it has written for people.
    """

    def __init__(self, vm: Vm, config: Path, environment: Mapping[str, str]) -> None:
        self._rules = len(vm.port_forwarding)
        self._argv = [
            *(sys.executable, "-c", _AGSEKIT, "portforward", "--json"),
            *("--config", str(config.absolute()), "--vm", vm.name),
        ]
        self._environment = environment
        self.complaints: list[str] = []

    def __enter__(self) -> TunnelsBeside:
        self._said: IO[bytes] = tempfile.TemporaryFile()
        self._read = 0
        self._process = start_background(self._argv, self._environment, output=self._said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.end(patience=5.0)
        self._said.close()

    def first_statuses(self) -> list[dict[str, Any]]:
        """Wait a moment for what becomes of each rule, and return the statuses as `--json` tells them."""
        deadline = time.monotonic() + _PATIENCE
        found: list[dict[str, Any]] = []
        while len(found) < self._rules and time.monotonic() < deadline and self._process.exit_code() is None:
            time.sleep(_LOOK)
            found += self.statuses()
        return found

    def statuses(self) -> list[dict[str, Any]]:
        """Return the statuses since the last call."""
        descriptor = self._said.fileno()
        text = os.pread(descriptor, os.fstat(descriptor).st_size - self._read, self._read)
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        statuses = []
        for line in whole.splitlines():
            if line.startswith(b"{"):
                statuses.append(json.loads(line))
            else:
                self.complaints.append(line.decode("utf-8", "backslashreplace"))
        return statuses
