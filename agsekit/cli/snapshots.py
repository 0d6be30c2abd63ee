"""Commands about the history of a store, and the way back."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import documents, interactive, render, snapshot_texts, value_texts, wording
from agsekit.cli.at_work import warn_of_runs
from agsekit.cli.backups import choose_target
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.references import named_snapshot, with_folders
from agsekit.cli.shared_options import DryRunOption, JsonOption, SourceOption, StoreOption, YesOption
from agsekit.config.select import mount_for
from agsekit.errors import ExitCode, UsageError
from agsekit.i18n import _
from agsekit.protection.target import Target
from agsekit_storage.model import Snapshot
from agsekit_storage.restore import Restored, RestoreRequest, preview_restore, restore, restore_to
from agsekit_storage.restore_plan import Plan
from agsekit_storage.store import Store

_SHOWN = 5


@page(
    _("Without options: of the mount that you are in."),
    (_("List those of the project that you are in"), "agsekit snapshots list"),
    (_("List those in which one file changed"), "agsekit snapshots list --path src/app.py"),
    (_("List those of another folder"), "agsekit snapshots list --source-dir ~/project"),
)
def list_snapshots(
    ctx: typer.Context,
    path: Annotated[
        Optional[str], typer.Option("--path", metavar="PATH", help=_("Only those in which this path changed."))
    ] = None,
    run: Annotated[
        Optional[str], typer.Option("--run", metavar="RUN", help=_("Only those made during this run."))
    ] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the snapshots, oldest first. Without options: of the mount that you are in."""
    target = choose_target(context_of(ctx), source_dir, dest_dir)
    store = target.existing_store()
    found = _touching(store, path, target.source) if path else store.snapshots()
    found = _of_run(store, found, run) if run else found
    unreadable = store.unreadable()
    if as_json:
        render.print_json(documents.snapshots(found, unreadable))
        return
    now = time.time()
    columns = (
        (_("Snapshot"), "left"),
        (_("Time"), "left"),
        (_("Age"), "right"),
        (_("Kind"), "left"),
        (_("Files"), "right"),
        (_("Changes"), "left"),
        (_("Added"), "right"),
        (_("Run") if any(each.run for each in found) else "", "left"),
        ("", "left"),
    )
    render.table(
        columns,
        (
            (
                each.id,
                value_texts.local_time(each.created),
                value_texts.age(now - each.created),
                wording.kind(each.kind),
                str(each.files) if each.kind != "foreign" else "",
                snapshot_texts.change_counts(each),
                value_texts.size(each.stored_bytes) if each.kind != "foreign" else "",
                _run_in_short(each),
                ", ".join(
                    [_("pinned")] * each.pinned
                    + [_("incomplete")] * (not each.complete)
                    + [_("unreadable")] * (each.id in unreadable)
                ),
            )
            for each in found
        ),
        spare=(6, 4, 2, 1, 7),
    )


def _of_run(store: Store, found: Sequence[Snapshot], reference: str) -> list[Snapshot]:
    from agsekit_storage.run_log import all_runs, find_run

    wanted = find_run(all_runs(store), reference).id
    return [each for each in found if each.run and each.run.get("id") == wanted]


def _run_in_short(snapshot: Snapshot) -> str:
    """Return the agent and the last word of the run's id, which is enough to name it."""
    if not snapshot.run:
        return ""
    return render.safe(f"{snapshot.run.get('agent', '')} {str(snapshot.run.get('id', '')).rpartition('-')[2]}")


def _touching(store: Store, path: str, source: Optional[Path]) -> list[Snapshot]:
    from agsekit_storage.history import History

    wanted = relative_paths([path], source)
    return History(store).touching(wanted[0] if wanted else b"")


@page(
    _("The state before is saved first, so this can be undone."),
    (_("See what would change"), "agsekit snapshots restore latest~1 --dry-run"),
    (_("Bring one file back from ten minutes ago"), "agsekit snapshots restore 10m src/app.py"),
    (_("Unpack the state of 14:05 beside the project"), "agsekit snapshots restore 14:05 --to ~/project-then"),
)
def restore_snapshot(
    ctx: typer.Context,
    snapshot: Annotated[
        Optional[str],
        typer.Argument(
            metavar="SNAPSHOT", help=_("An id or the beginning of one, `latest`, `latest~2`, `14:05`, `10m`.")
        ),
    ] = None,
    paths: Annotated[
        Optional[list[str]], typer.Argument(metavar="PATH", help=_("Only these, relative to the folder."))
    ] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    to: Annotated[
        Optional[Path], typer.Option("--to", metavar="FOLDER", help=_("Restore into an empty folder instead."))
    ] = None,
    keep_new: Annotated[
        bool, typer.Option("--keep-new", help=_("Keep files that the snapshot does not have."))
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a folder as it was in a snapshot. The state before is saved first, so this can be undone."""
    context = context_of(ctx)
    target, chosen_paths = target_and_paths(context, source_dir, dest_dir, paths or [])
    store = target.existing_store()
    chosen = named_snapshot(ctx, store, snapshot or "latest")
    request = RestoreRequest(chosen, chosen_paths, target.exclude, keep_new)
    if dry_run or (to is None and not yes):
        plan = preview_restore(store, request, into_empty=to is not None)
        if not as_json:
            show_plan(plan, chosen)
        if dry_run or not plan:
            if as_json:
                render.print_json(documents.restored(chosen.id, plan, None))
            return
    if to is None:
        warn_of_runs(store)
        interactive.confirm(context, _("Restore?"), yes=yes, flag="--yes")
    done = _carry_out(context, store, request, to)
    if to is None and yes and not as_json and not context.quiet:
        # Agreed beforehand: then one look at the folder is enough, and the plan is told with what came of it.
        show_plan(done.plan, chosen)
    report_restored(context, done, chosen.id, store, to=to, as_json=as_json)


def _carry_out(context: Context, store: Store, request: RestoreRequest, to: Optional[Path]) -> Restored:
    with snapshot_progress(_("Restoring"), shown=not context.quiet) as on_event:
        if to is None:
            return restore(store, request, now=time.time(), on_event=on_event)
        return restore_to(store, request, to.absolute(), on_event=on_event)


def target_and_paths(
    context: Context, source: Optional[Path], backup: Optional[Path], paths: Sequence[str]
) -> tuple[Target, list[bytes]]:
    """Return the folder and the store that are meant, and paths as the tree of that folder knows them.

    Where neither options nor the working folder name a mount, the first path does; paths then count from the working
    folder.
    """
    here = context.working_folder()
    if paths and source is None and backup is None:
        config = context.load_config()
        if mount_for(config, here) is None:
            places = [_place(here, path) for path in paths]
            mount = mount_for(config, places[0].parent) or mount_for(config, places[0])
            if mount:
                target = choose_target(context, mount.source, None)
                return target, relative_paths(list(map(str, places)), target.source)
    target = choose_target(context, source, backup)
    return target, relative_paths(paths, target.source)


def _place(here: Path, path: str) -> Path:
    """Return where a path really is, but not what it leads to should it be a link."""
    absolute = os.path.normpath(here / path)
    return Path(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))


def relative_paths(paths: Sequence[str], source: Optional[Path]) -> list[bytes]:
    """Return paths as a tree knows them: relative to the source.

    What the user typed counts from the working folder when that is in the source, else from the source.
    """
    base = source or Path("/")
    here = Path.cwd()
    inside = source is not None and Path(os.path.realpath(here)).is_relative_to(os.path.realpath(source))
    start = Path(os.path.realpath(source)) if source else base
    found = []
    for path in paths:
        joined = os.path.normpath(os.path.join(os.path.realpath(here) if inside else start, path))
        relative = os.path.relpath(joined, start)
        if relative == ".." or relative.startswith("../"):
            raise UsageError(
                _("{path} is not in {source}").format(path=path, source=base), hint=_("name paths below the source")
            )
        if relative != ".":
            found.append(os.fsencode(relative))
    return found


def show_plan(plan: Plan, snapshot: Snapshot) -> None:
    """Say on standard error what a restore would do, with the first few paths of each kind."""
    title = _("Snapshot {id} of {time}").format(id=snapshot.id, time=value_texts.local_time(snapshot.created))
    if not plan and not plan.problems:
        render.say(_("{title}: nothing to do, everything is as it was then.").format(title=title))
        return
    render.say(title + ":" if plan else _("{title}: nothing to do.").format(title=title))
    for sentence, paths in (
        (_("bring back"), plan.create),
        (_("overwrite"), plan.replace),
        (_("set mode and time of"), plan.adjust),
        (_("delete"), [*plan.clear, *plan.delete]),
    ):
        if paths:
            names = ", ".join(_name(path) for path in paths[:_SHOWN]) + (", …" if len(paths) > _SHOWN else "")
            render.say(f"  {sentence} {len(paths)}: {names}")
    for problem in plan.problems:
        render.warn(snapshot_texts.describe_problem(problem))


def _name(path: bytes) -> str:
    return _("the folder itself") if path == b"." else render.safe_path(path)


def report_restored(
    context: Context,
    done: Restored,
    snapshot_id: str,
    store: Store,
    *,
    as_json: bool,
    to: Optional[Path] = None,
    back: Sequence[str] = ("undo",),
) -> None:
    """Say what a restore did and how to go back, and end with the code for an incomplete one if it is."""
    if as_json:
        render.print_json(documents.restored(snapshot_id, done.plan, done))
    else:
        show_done(context, done, store, to=to, back=back)
    if any(not problem.harmless for problem in done.problems):
        raise typer.Exit(ExitCode.INCOMPLETE)


def show_done(
    context: Context, done: Restored, store: Store, *, to: Optional[Path] = None, back: Sequence[str] = ("undo",)
) -> None:
    """Say what a restore did, and how to go back; `back` are the words of the command for that."""
    if context.quiet:
        return
    plan = done.plan
    restored = len(plan.create) + len(plan.replace) + len(plan.adjust)
    deleted = len(plan.clear) + len(plan.delete)
    sentences = [_("Restored {count} paths.").format(count=restored)]
    if to is not None:
        into = _("Restored {count} paths into {folder}.")
        sentences = [into.format(count=restored, folder=render.safe(str(to)))]
    if deleted:
        sentences.append(_("Deleted {count} paths.").format(count=deleted))
    render.result(" ".join(sentences))
    if done.before:
        command = render.shell_line(with_folders(context, back, store.source, store.path))
        render.say(_("The state before is saved. To go back to it:") + f"\n  {command}")
