"""What the daemon remembers between two calls, in one JSON file."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

GIB = 1024**3
MIB = 1024**2


@dataclass
class Snapshot:
    """The settings of a machine at one moment; its files are kept beside the root folder."""

    name: str
    parent: str
    comment: str
    cpus: int
    memory: int
    disk: int
    mounts: dict[str, dict[str, Any]]


@dataclass
class Instance:
    """A machine. `pending` are states that the next queries see instead of `state`.

    `stale` are targets of mounts behind which nothing answers: they show an empty folder.
    """

    name: str
    state: str = "Running"
    cpus: int = 1
    memory: int = GIB
    disk: int = 5 * GIB
    image: str = ""
    release: str = "Not Available"
    cloud_init: str = ""
    mounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    half_mounted: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    hidden_calls: int = 0
    doomed: bool = False
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    head: str = ""
    snapshots_ever: int = 0
    clones_ever: int = 0
    ip: str = "10.178.222.30"
    ram: str = ""
    holder: int = 0
    holder_started: str = ""

    @property
    def running(self) -> bool:
        """Whether commands can run inside."""
        return self.state == "Running" and not self.pending


@dataclass
class Daemon:
    """Everything the daemon knows; `situations` are what a test has arranged."""

    folder: Path
    instances: dict[str, Instance] = field(default_factory=dict)
    situations: dict[str, Any] = field(default_factory=dict)
    calls: int = 0

    def situation(self, name: str, default: Any) -> Any:
        """Return what a test has arranged under that name."""
        return self.situations.get(name, default)

    def take(self, name: str) -> str | None:
        """Use up one entry of a list of situations."""
        entries = self.situations.get(name) or []
        return str(entries.pop(0)) if entries else None

    def visible(self) -> list[Instance]:
        """Return the machines that a client can see, newest first as the daemon lists them."""
        return [instance for instance in reversed(self.instances.values()) if not instance.hidden_calls]

    def find(self, name: str) -> Instance | None:
        """Return the machine of that name if a client can see it."""
        instance = self.instances.get(name)
        return instance if instance and not instance.hidden_calls else None

    def home_of(self, name: str) -> Path:
        """Return where the files of a machine are kept."""
        return self.folder / "instances" / name


def _load(folder: Path) -> Daemon:
    file = folder / "state.json"
    raw = json.loads(file.read_text()) if file.exists() else {}
    instances = {}
    for name, entry in raw.get("instances", {}).items():
        snapshots = {key: Snapshot(**value) for key, value in entry.pop("snapshots").items()}
        instances[name] = Instance(snapshots=snapshots, **entry)
    return Daemon(folder, instances, raw.get("situations", {}), raw.get("calls", 0))


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Daemon]:
    """Hold the state for as long as one request takes, and keep what was changed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        daemon = _load(folder)
        try:
            yield daemon
        finally:
            raw = {
                "instances": {name: asdict(instance) for name, instance in daemon.instances.items()},
                "situations": daemon.situations,
                "calls": daemon.calls,
            }
            new = folder / "state.json.new"
            new.write_text(json.dumps(raw, indent=1))
            new.replace(folder / "state.json")


def parse_size(text: str) -> int | None:
    """Return bytes for `1536M`, `4G`, `1.5GiB`; None when it is not a size."""
    units = {"B": 1, "K": 1024, "M": MIB, "G": GIB, "": 1}
    number = text.upper().replace("IB", "")
    unit = ""
    if number and number[-1] in units:
        number, unit = number[:-1], number[-1]
    try:
        return int(float(number) * units[unit])
    except ValueError:
        return None


def size_text(size: int) -> str:
    """Return a size the way multipass prints it, with one decimal."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.1f}{unit}"
    return f"{size}B"
