"""What a user should know who restores a folder in which an agent is at work."""

from __future__ import annotations

from agsekit.cli import render
from agsekit.i18n import _
from agsekit_storage.run_log import runs_under_way
from agsekit_storage.store import Store


def warn_of_runs(store: Store) -> None:
    """Name the runs that are under way in the folder of a store: what is restored there may be changed at once."""
    for run in runs_under_way(store):
        render.warn(
            _("run {id} ({agent}) is still under way in {folder}, and may write there again").format(
                id=render.safe(run.id), agent=render.safe(run.agent), folder=render.safe(str(store.source))
            )
        )
