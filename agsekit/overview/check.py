"""One line of a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit.config.model import Config, Vm
from agsekit.engines.base import Engine
from agsekit.process import Runner

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """What was looked at, and what came of it.

    `name` is stable and English, for programs; `subject` is what of several things was meant, such as a VM.
    `result` is `ok`, `warn` (it works, but not for long, or not as well as it could) or `fail`. `mend`, where there
    is one, puts it right and returns a sentence on what it did; it may raise AgsekitError, StorageError or OSError.
    """

    name: str
    result: str
    text: str
    hint: Optional[str] = None
    subject: Optional[str] = None
    mend: Optional[Callable[[], str]] = None


@dataclass(frozen=True)
class Surroundings:
    """What the checks look at. `config` is None when it cannot be loaded; times are seconds since 1970."""

    config: Optional[Config]
    runner: Runner
    engine_of: Callable[[Vm], Engine]
    home: Path
    ssh_folder: Path
    state_folder: Path
    unit_folder: Path
    now: float
