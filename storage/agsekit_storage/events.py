"""What a long operation tells its caller while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from agsekit_storage.model import Problem


@dataclass(frozen=True)
class Waiting:
    """Another process is writing to the store; we wait for it."""


@dataclass(frozen=True)
class Walked:
    """The source was walked; this many files (not folders) were found."""

    files: int


@dataclass(frozen=True)
class Progress:
    """This many of the files that have to be copied are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Met:
    """A path was met that a snapshot cannot hold as it should."""

    problem: Problem


@dataclass(frozen=True)
class CapUnmet:
    """A cap of the policy cannot be met, so nothing was deleted for it: `cap` is `max-size` or `min-free`.

    `missing` is by how many bytes it would be missed even if everything went that may.
    """

    cap: str
    missing: int


Event = Union[Waiting, Walked, Progress, Met, CapUnmet]
OnEvent = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Do nothing with an event."""
