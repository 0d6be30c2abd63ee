"""The command `timeline`: the history of a folder to look at, on the terminal or as a page."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import interactive, render, snapshot_texts, value_texts, wording
from agsekit.cli.backups import choose_target
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.shared_options import SourceOption, StoreOption
from agsekit.errors import UsageError
from agsekit.i18n import _
from agsekit.protection.target import Target
from agsekit.timeline.browser import Texts


@page(
    _(
        "Arrow keys move, Enter looks more closely, r restores what is selected after showing the plan and asking, "
        "/ searches a path, q goes back."
    ),
    (_("Look around in the history of the project that you are in"), "agsekit timeline"),
    (_("Keep a long run as one page for the browser"), "agsekit timeline --html run.html"),
)
def timeline(
    ctx: typer.Context,
    html: Annotated[
        Optional[Path], typer.Option("--html", metavar="FILE", help=_("Write one page for a web browser instead."))
    ] = None,
    run: Annotated[
        Optional[str], typer.Option("--run", metavar="RUN", help=_("With --html: only what this run did."))
    ] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
) -> None:
    """Look around in the history of a folder, and restore from there."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    if html is not None:
        _write_page(target, html, run)
    elif not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            _("the timeline needs a terminal"),
            hint=_("write a page with `--html FILE`, or list what there is: agsekit snapshots list"),
        )
    else:
        _browse(context, target)


def texts() -> Texts:
    """Return how a timeline makes texts of values."""
    return Texts(
        render.safe,
        render.safe_path,
        value_texts.local_time,
        value_texts.age,
        value_texts.size,
        snapshot_texts.change_counts,
        wording.kind,
        wording.note,
    )


def _browse(context: Context, target: Target) -> None:
    from agsekit.cli.timeline_screen import browse
    from agsekit.timeline.browser import Browser
    from agsekit.timeline.model import Timeline

    browser = Browser(Timeline(target.existing_store()), texts())
    while True:
        wish = browse(browser)
        if wish is None:
            return
        _restore(context, target, wish.snapshot.id, wish.path)
        # What was restored is a snapshot more, and the way back.
        browser = Browser(Timeline(target.existing_store()), texts())


def _restore(context: Context, target: Target, snapshot_id: str, path: Optional[bytes]) -> None:
    """Do what `snapshots restore` does: show the plan, ask, restore, say how to go back."""
    import time

    from agsekit.cli.at_work import warn_of_runs
    from agsekit.cli.snapshots import show_done, show_plan
    from agsekit_storage.restore import RestoreRequest, preview_restore, restore

    store = target.existing_store()
    request = RestoreRequest(store.get(snapshot_id), [path] if path else [], target.exclude)
    plan = preview_restore(store, request)
    show_plan(plan, request.snapshot)
    if plan:
        warn_of_runs(store)
        try:
            interactive.confirm(context, _("Restore?"), yes=False, flag="")
            with snapshot_progress(_("Restoring"), shown=True) as on_event:
                done = restore(store, request, now=time.time(), on_event=on_event)
            show_done(context, done, store)
            render.flush()
        except typer.Abort:
            render.say(_("Nothing was restored."))
    interactive.wait_for_enter(_("Press Enter to go back to the timeline."))


def _write_page(target: Target, path: Path, run: Optional[str]) -> None:
    from agsekit.timeline.model import Timeline
    from agsekit.timeline.page import write_page
    from agsekit_storage.run_log import all_runs, find_run

    found = Timeline(target.existing_store())
    chosen = found.snapshots
    if run is not None:
        wanted = find_run(all_runs(found.store), run).id
        chosen = [each for each in chosen if each.run and each.run.get("id") == wanted]
    write_page(found, chosen, path, texts())
    render.result(_("Wrote {path}, with snapshots: {count}.").format(path=render.safe(str(path)), count=len(chosen)))
