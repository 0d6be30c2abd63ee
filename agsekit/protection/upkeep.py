"""Keeping stores small after work was done in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agsekit.process import ProgramMissing, Runner
from agsekit_storage.errors import StorageError
from agsekit_storage.maintenance import maintain
from agsekit_storage.store import Store


def keep_small(backup: Path, runner: Runner) -> None:
    """Compact a store where that pays, at a low priority. That it cannot be done now is no failure."""

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> int:
        own = runner.with_environment({**environment, "PATH": runner.environment.get("PATH", "")})
        try:
            return own.run(["nice", "-n", "15", *argv], timeout=None).returncode
        except ProgramMissing as error:
            raise FileNotFoundError(error.program) from None

    try:
        maintain(Store.existing(backup), run)
    except (StorageError, OSError):
        # The next snapshot or `snapshots verify` says what is wrong; nothing was removed.
        return
