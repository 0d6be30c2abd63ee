"""Commands about runs: which there were, what each changed, and back to before one."""

import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Optional

import typer

from agsekit.cli import documents, interactive, render, risks, value_texts
from agsekit.cli.at_work import warn_of_runs
from agsekit.cli.backups import choose_target
from agsekit.cli.history import StatOption, change_lines, print_diffs
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.shared_options import DryRunOption, JsonOption, SourceOption, StoreOption, YesOption
from agsekit.cli.snapshots import relative_paths, show_done, show_plan
from agsekit.errors import ExitCode
from agsekit.i18n import _
from agsekit.protection.aftermath import risks_between
from agsekit.protection.risky import Risk
from agsekit_storage.history import History
from agsekit_storage.model import SIGNS, Changes, Snapshot
from agsekit_storage.run_log import Run, all_runs, ends_of, find_run
from agsekit_storage.run_undo import RunUndo, plan_run_undo, undo_run
from agsekit_storage.store import Store
from agsekit_storage.textdiff import diff_files, stored_content

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help=_("An id, its beginning or its last word, `latest`, `latest~1`."))
]


@page(
    _("Without options: of the mount that you are in. Changes are paths that were added, edited, and removed."),
    (_("What agents did in this folder"), "agsekit runs list"),
)
def list_runs(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs, oldest first."""
    found = all_runs(choose_target(context_of(ctx), source_dir, dest_dir).existing_store())
    if as_json:
        render.print_json({"runs": [documents.run(each) for each in found]})
        return
    render.table(
        (
            (_("Run"), "left"),
            (_("Started"), "left"),
            (_("Took"), "right"),
            (_("Agent"), "left"),
            (_("VM"), "left"),
            (_("Changes"), "left"),
            (_("Exit"), "right"),
        ),
        (
            (
                render.safe(each.id),
                value_texts.local_time(each.started),
                _duration(each),
                render.safe(each.agent),
                render.safe(each.vm),
                _counts(each),
                _("running") if each.under_way else str("?" if each.exit_code is None else each.exit_code),
            )
            for each in found
        ),
        spare=(4, 2, 1),
    )


@page(
    _(
        "Compares the state before the run with that at its end. Without an option, lists the paths: "
        "+ added, ~ edited, = only mode or owner, - removed."
    ),
    (_("What the last run changed, line by line"), "agsekit runs show --diff"),
    (_("What of it this machine would execute, such as git hooks"), "agsekit runs show --risky"),
)
def show_run(
    ctx: typer.Context,
    run: RunArgument = "latest",
    diff: Annotated[bool, typer.Option("--diff", help=_("Show the lines that differ."))] = False,
    stat: StatOption = False,
    risky: Annotated[
        bool, typer.Option("--risky", help=_("Show what of it this machine would execute or obey."))
    ] = False,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that a run changed."""
    store = choose_target(context_of(ctx), source_dir, dest_dir).existing_store()
    chosen = find_run(all_runs(store), run)
    before, after = ends_of(store, chosen)
    history = History(store)
    changes = history.changes_between(before, after)
    if as_json:
        document: dict[str, object] = {"run": documents.run(chosen), "changes": documents.changes(changes)}
        if risky:
            document["risky"] = [documents.risk(each) for each in _risks(store, before, after, changes)]
        if diff or stat:
            contents = (stored_content(store, before), stored_content(store, after))
            found = diff_files(changes, history.tree(before), history.tree(after), *contents)
            document["files"] = [documents.file_diff(each, lines=diff) for each in found]
        render.print_json(document)
        return
    if risky:
        for line in risks.lines(_risks(store, before, after, changes)):
            render.result(line)
        return
    if diff or stat:
        contents = (stored_content(store, before), stored_content(store, after))
        print_diffs(diff_files(changes, history.tree(before), history.tree(after), *contents), stat=not diff)
        return
    for line in _heading(chosen):
        render.result(line)
    for line in change_lines(changes):
        render.result(line)


def _risks(store: Store, before: Snapshot, after: Snapshot, changes: Changes) -> Sequence[Risk]:
    return risks_between(store, before, after, changes, store.tree(after))


@page(
    _(
        "What you changed elsewhere meanwhile, or since, stays. A path that the run changed and that has changed "
        "again since is a conflict: it is named and left as it is (exit code 3), unless --force names it or a folder "
        "above it. The state now is saved first."
    ),
    (_("Take back the last run, look first"), "agsekit runs undo --dry-run"),
    (
        _("Take back the one before, and its version of a file that you edited"),
        "agsekit runs undo latest~1 --force a.py",
    ),
)
def undo_one_run(
    ctx: typer.Context,
    run: RunArgument = "latest",
    force: Annotated[
        Optional[list[str]],
        typer.Option("--force", metavar="PATH", help=_("Take the old one of a path in conflict (repeatable).")),
    ] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go back to before a run, and keep what a person changed."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    store = target.existing_store()
    chosen = find_run(all_runs(store), run)
    # Of a folder as a whole, nothing is left as a relative path.
    forced = relative_paths(force, target.source) or [b""] if force else []
    if dry_run or not yes:
        plan = plan_run_undo(store, chosen, exclude=target.exclude, force=forced)
        if not as_json:
            show_plan(plan.plan, plan.before)
            _show_conflicts(plan)
        if dry_run or not plan.plan:
            if as_json:
                _print_document(chosen, plan)
            _end_with(plan)
            return
    warn_of_runs(store)
    interactive.confirm(context, _("Undo the run?"), yes=yes, flag="--yes")
    with snapshot_progress(_("Restoring"), shown=not context.quiet) as on_event:
        done = undo_run(store, chosen, now=time.time(), exclude=target.exclude, force=forced, on_event=on_event)
    if as_json:
        _print_document(chosen, done)
    else:
        if yes and not context.quiet:
            show_plan(done.plan, done.before)
        if yes:
            _show_conflicts(done)
        if done.done:
            show_done(context, done.done, store)
    _end_with(done)


def _print_document(run: Run, undo: RunUndo) -> None:
    document = documents.restored(undo.before.id, undo.plan, undo.done)
    render.print_json({"run": run.id, **document, "conflicts": documents.paths(undo.conflicts)})


def _end_with(undo: RunUndo) -> None:
    problems = undo.done.problems if undo.done else ()
    if undo.conflicts or any(not problem.harmless for problem in problems):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _show_conflicts(undo: RunUndo) -> None:
    for path in undo.conflicts:
        render.warn(
            _("{path} has changed since the run, so it stays as it is; --force {path} takes the old one").format(
                path=render.safe_path(path)
            )
        )


def _heading(run: Run) -> Iterator[str]:
    yield _("Run {id}: {agent} in {vm}, {time}, {state}").format(
        id=render.safe(run.id),
        agent=render.safe(run.agent),
        vm=render.safe(run.vm),
        time=value_texts.local_time(run.started),
        state=_state(run),
    )
    if run.arguments:
        yield _("Arguments: {arguments}").format(arguments=_words(run.arguments))
    if not run.last_saved:
        yield _("Its last state could not be saved; this is what was known before.")
    if run.quarantined:
        yield _("Put back after it: {paths}").format(paths=", ".join(map(render.safe, run.quarantined)))


def _words(words: Sequence[str]) -> str:
    import shlex

    return render.safe(shlex.join(words))


def _state(run: Run) -> str:
    if run.under_way:
        return _("still running")
    if run.ended is None:
        return _("its end was not seen")
    if run.exit_code is None:
        return _("ended by force after {time}").format(time=_duration(run))
    return _("exit code {code} after {time}").format(code=run.exit_code, time=_duration(run))


def _duration(run: Run) -> str:
    return "" if run.ended is None else value_texts.age(run.ended - run.started)


def _counts(run: Run) -> str:
    if run.counts is None:
        return "?"
    known = " ".join(f"{sign}{run.counts[way]}" for way, sign in SIGNS.items() if run.counts.get(way))
    return (known or _("none")) if run.last_saved else f"{known} ?".strip()
