"""A user's machine in small: a home of its own, a project, a configuration, and the real console script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agsekit.cli import documents
from agsekit_storage.errors import StoreRefused
from agsekit_storage.snapshots import Request, take_snapshot
from agsekit_storage.store import Store
from tests.support.terminals import Terminal

SCRIPT = Path(sys.executable).parent / "agsekit"
MARK = "AGSEKIT_TEST_MARK"
DEADLINE = 30.0
LIKE_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.getuid() == 0 else []
"""Starts a program that may not read what its mode forbids, not even as root."""


def wait_until(condition: Callable[[], object], *, seconds: float = DEADLINE) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


@dataclass(frozen=True)
class Done:
    """A finished command line: exit code, and what it said on both streams."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


class World:
    """Everything of one test lies in `folder`; `mark` is in the environment of every process it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.home = folder / "home"
        self.project = self.home / "project"
        self.store = self.home / "backups-project"
        self.config = self.home / ".config/agsekit/config.yaml"
        self.project.mkdir(parents=True)
        self.environment: dict[str, str] = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TZ": "Asia/Tokyo",
            "TERM": "xterm",
            "AGSEKIT_LANG": "en",
            # Our terminals do not say where their cursor is, and every question would wait a second for that.
            "PROMPT_TOOLKIT_NO_CPR": "1",
            MARK: self.mark,
        }
        self.windows: list[Terminal] = []
        self._started: list[subprocess.Popen[bytes]] = []

    # The configuration

    def configure(
        self,
        script: str = "true",
        *,
        engine: str = "bubblewrap",
        interval: float = 60,
        env: Mapping[str, str] | None = None,
        **mount: Any,
    ) -> None:
        """Write a configuration with one VM, the project as its mount, and an agent `rogue` that is a shell script.

        Edits are not watched for unless `watch` says so: most tests want to know which snapshots there will be.

        What comes after `--` on the command line are `$1` and so on of the script.
        """
        self.write_config(
            {
                "vms": {"box": {"engine": engine}},
                "mounts": [{"source": str(self.project), "interval": interval, "watch": False, **mount}],
                "agents": {
                    "rogue": {
                        "type": "custom",
                        "command": ["sh", "-c", script, "rogue"],
                        "env": {MARK: self.mark, **(env or {})},
                    }
                },
            }
        )

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Write a configuration; JSON is YAML too."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.touch(mode=0o600)
        self.config.write_text(json.dumps(content))

    # Running

    def agsekit(
        self,
        *arguments: str | bytes | Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        before: Sequence[str] = (),
        seconds: float = 60,
    ) -> Done:
        """Run a command line to its end, within so many seconds; `before` is a program that starts it."""
        done = subprocess.run(
            [*before, SCRIPT, *arguments],
            cwd=cwd or self.home,
            env={**self.environment, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(
        self, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command line and let it run."""
        process = subprocess.Popen(
            [str(SCRIPT), *map(str, arguments)],
            cwd=cwd or self.home,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> Done:
        """Wait for the end of what `start` started."""
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, out.decode(), err.decode())

    def window(
        self, *arguments: str | Path, cwd: Path | None = None, columns: int = 80, before: Sequence[str] = ()
    ) -> Terminal:
        """Start a command line on a terminal."""
        return self.shell(*before, str(SCRIPT), *map(str, arguments), cwd=cwd, columns=columns)

    def shell(self, program: str, *arguments: str, cwd: Path | None = None, columns: int = 80) -> Terminal:
        """Start another program on a terminal."""
        argv = [str(shutil.which(program)), *arguments]
        window = Terminal(argv, self.environment, cwd or self.home, columns=columns)
        self.windows.append(window)
        return window

    def snapshots(self) -> list[dict[str, Any]]:
        """Return the snapshots in the store, oldest first, the way `--json` tells them; none without a store."""
        try:
            return [documents.snapshot(each) for each in Store.existing(self.store).snapshots()]
        except StoreRefused:
            return []

    def save(self, *, now: float) -> str:
        """Take a snapshot at a given time, without the cost of a process, and return its id."""
        store = Store.create(self.store, self.project)
        return take_snapshot(store, Request("manual"), now=now).snapshot.id

    def kinds(self) -> list[str]:
        """Return the kinds of the snapshots, oldest first, each run of intervals as one."""
        kinds: list[str] = []
        for each in self.snapshots():
            if kinds[-1:] != [each["kind"]] or each["kind"] != "interval":
                kinds.append(each["kind"])
        return kinds

    # What is left

    def processes(self) -> list[tuple[int, str]]:
        """Return pid and command line of every process of this world, agsekit's, bwrap's and the agent's alike."""
        return [(pid, line) for pid, line, state in _processes(self.mark, str(self.folder)) if state != "Z"]

    def wait_for_nothing_left(self) -> None:
        """Wait until no process of this world is left."""
        deadline = time.monotonic() + DEADLINE
        while self.processes():
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.02)

    def close(self) -> None:
        """End everything that a failing test left."""
        for window in self.windows:
            window.end()
        for process in self._started:
            process.kill()
            process.communicate()
        for pid, _line in self.processes():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass


def _processes(mark: str, folder: str) -> Iterator[tuple[int, str, str]]:
    for path in Path("/proc").iterdir():
        if not path.name.isdigit() or int(path.name) == os.getpid():
            continue
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (path / "environ").read_bytes().decode(errors="replace")
            state = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in environment or mark in line or folder in line:
            yield int(path.name), line, state


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
