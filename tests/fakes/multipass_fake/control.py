"""How a test arranges a fake multipass and looks at what was asked of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import guest
from .mounts import register
from .state import Instance, opened

_FAKES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Call:
    """One call of the client; `rc` and `stdin` (bytes read) are None while it runs or when it was killed."""

    argv: Sequence[str]
    cwd: str
    rc: int | None
    stdin: int | None


class FakeMultipass:
    """A multipass of its own for one test; `close` ends everything that runs inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment in which `multipass` is this fake."""
        path = [str(_FAKES), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
        return {"PATH": os.pathsep.join(path), "HOME": "/", "FAKE_MULTIPASS_STATE": str(self.folder)}

    def add(self, name: str, *, state: str = "Running", mounts: Mapping[str, Path] | None = None) -> Instance:
        """Make a machine; `mounts` maps targets to sources."""
        instance = Instance(name, state=state)
        for target, source in (mounts or {}).items():
            register(instance, str(source), target)
        with opened(self.folder) as daemon:
            daemon.instances[name] = instance
        return instance

    def situate(self, **situations: Any) -> None:
        """Arrange situations; their names are listed at the top of the program."""
        with opened(self.folder) as daemon:
            daemon.situations.update(situations)

    def change(self, name: str, **fields: Any) -> None:
        """Change fields of a machine, e.g. its state or the `pending` states of a boot."""
        with opened(self.folder) as daemon:
            for field, value in fields.items():
                setattr(daemon.instances[name], field, value)

    def instance(self, name: str) -> Instance | None:
        """Return a machine as it is now."""
        with opened(self.folder) as daemon:
            return daemon.instances.get(name)

    def root(self, name: str) -> Path:
        """Return the root folder of a machine."""
        with opened(self.folder) as daemon:
            return guest.root_of(daemon, daemon.instances[name])

    def ram(self, name: str) -> Sequence[str]:
        """Return the names of the files in the memory file system of a machine."""
        instance = self.instance(name)
        return sorted(os.listdir(instance.ram)) if instance and instance.ram else []

    def calls(self) -> Sequence[Call]:
        """Return every call so far, in order."""
        ends = {entry["call"]: entry for entry in self._lines("ends.jsonl")}
        return [
            Call(
                tuple(entry["argv"]),
                entry["cwd"],
                ends.get(entry["call"], {}).get("rc"),
                ends.get(entry["call"], {}).get("stdin"),
            )
            for entry in self._lines("calls.jsonl")
        ]

    def _lines(self, name: str) -> list[dict[str, Any]]:
        file = self.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def processes(self, name: str) -> Sequence[str]:
        """Return the command lines of what runs inside a machine, without what holds it together."""
        instance = self.instance(name)
        if instance is None or not instance.holder:
            return []
        space = os.readlink(f"/proc/{instance.holder}/ns/pid")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/pid") == space:
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found.append(b" ".join(words).decode(errors="replace").strip())
            except OSError:
                continue
        plumbing = ("bwrap", "timeout 7200", "tail -f /dev/null")
        return [line for line in found if not line.startswith(plumbing) and "fake-session.py" not in line]

    def close(self) -> None:
        """End everything inside all machines."""
        with opened(self.folder) as daemon:
            for instance in daemon.instances.values():
                guest.end_all(instance)
