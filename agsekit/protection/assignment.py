"""What a protector has to do, and what it says it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Optional

from agsekit.protection.loss import Loss, LossWatch
from agsekit.protection.target import Target
from agsekit.watching.edits import Edits
from agsekit_storage.memory import Memory
from agsekit_storage.running import RunningRules
from agsekit_storage.snapshots import Request
from agsekit_storage.store import Store


@dataclass(frozen=True)
class Assignment:
    """What the protector has to do.

    `rule_files` are the ignore rules that were in force when the run began, and `before` is the snapshot that it
    began with, which must outlive it; `memory` is what is remembered of it. `running` keeps the rules in force for
    others. `on_orphaned` is called in the protector when the run ended without stopping it. `losses` notices when
    the run destroys much.
    """

    store: Store
    target: Target
    rule_files: Mapping[bytes, bytes]
    run: Mapping[str, Any]
    on_orphaned: Callable[[], None]
    before: Optional[str] = None
    running: Optional[RunningRules] = None
    memory: Memory = field(default_factory=Memory)
    losses: Optional[LossWatch] = None

    def request(self, kind: str, dirty: Optional[AbstractSet[bytes]] = None) -> Request:
        """Return the request for a snapshot of this run; `dirty` is what may have changed, None for everything."""
        keep, hold = self.target.keep, self.before
        return Request(
            kind,
            self.target.exclude,
            self.rule_files,
            self.run,
            keep=keep,
            hold=hold,
            loss_share=self.target.guard.share,
            dirty=dirty,
        )

    def edits(self, *, watch: Optional[bool]) -> Edits:
        """Return what tells of edits, by the rules of the run."""
        source, now = self.store.source_folder(), time.monotonic()
        return Edits(source, self.target.exclude, self.rule_files, now=now, watch=watch, frozen=True)


@dataclass(frozen=True)
class Report:
    """What the protector did: how many snapshots it took, what went wrong, and why it could not watch for edits."""

    taken: int
    failures: tuple[str, ...]
    unwatched: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
