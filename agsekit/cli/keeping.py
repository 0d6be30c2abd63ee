"""Commands that say which snapshots stay, and undo and redo."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Optional

import typer

from agsekit.cli import documents, interactive, render, snapshot_texts, value_texts
from agsekit.cli.at_work import warn_of_runs
from agsekit.cli.backups import choose_target
from agsekit.cli.context import Context
from agsekit.cli.history import SnapshotArgument
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.references import named_snapshot
from agsekit.cli.shared_options import DryRunOption, JsonOption, SourceOption, StoreOption, YesOption
from agsekit.cli.snapshots import report_restored, target_and_paths
from agsekit.errors import UsageError
from agsekit.i18n import _
from agsekit.protection.target import Target
from agsekit.protection.upkeep import keep_small
from agsekit_storage.pruning import plan_prune, prune
from agsekit_storage.restore_plan import Plan
from agsekit_storage.retention import Decision
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.undo import Look, Step, look_at, move, take_step


@page(
    _("Nothing but `unpin` lets it go."),
    (_("Keep the newest one"), "agsekit snapshots pin"),
    (_("Keep the one of 14:05"), "agsekit snapshots pin 14:05"),
)
def pin(
    ctx: typer.Context,
    snapshot: SnapshotArgument = "latest",
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a snapshot for good: nothing but `unpin` lets it go."""
    _set_pin(ctx, choose_target(context_of(ctx), source_dir, dest_dir), snapshot, pinned=True, as_json=as_json)


@page(
    "",
    (_("Let the newest one go when its time comes"), "agsekit snapshots unpin latest"),
)
def unpin(
    ctx: typer.Context,
    snapshot: SnapshotArgument = "latest",
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a pinned snapshot go again when its time has come."""
    _set_pin(ctx, choose_target(context_of(ctx), source_dir, dest_dir), snapshot, pinned=False, as_json=as_json)


@page(
    _("What stays is said by `keep`, `max_backups`, `max_size` and `min_free` of the mount."),
    (_("See what would be deleted, and why"), "agsekit snapshots prune --dry-run"),
    (_("Delete without a question"), "agsekit snapshots prune --yes"),
)
def prune_snapshots(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the snapshots that the configuration (`keep`, `max_backups`, …) does not keep."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    store = target.existing_store()
    now = time.time()
    with snapshot_progress("", shown=False) as on_event:
        decisions = plan_prune(store, target.keep, now=now, on_event=on_event)
    doomed = [each for each in decisions if not each.keep]
    if not as_json and not (context.quiet and yes):
        _show_decisions(decisions)
    if doomed and not dry_run:
        question = _("Delete {count} snapshots?")
        interactive.confirm(context, question.format(count=len(doomed)), yes=yes, flag="--yes")
        decisions = prune(store, target.keep, now=now, wait=DEFAULT_WAIT)
        keep_small(store.path, context.runner())
    if as_json:
        render.print_json(documents.decisions(decisions, dry_run=dry_run))
    elif not context.quiet:
        render.result(_pruned(decisions, dry_run=dry_run))


def _pruned(decisions: Sequence[Decision], *, dry_run: bool) -> str:
    kept = sum(each.keep for each in decisions)
    gone = len(decisions) - kept
    if not gone:
        sentence = _("Nothing to delete; {kept} stay.")
    elif dry_run:
        sentence = _("{count} snapshots would be deleted, {kept} would stay.")
    else:
        sentence = _("Deleted {count} snapshots; {kept} stay.")
    return sentence.format(count=gone, kept=kept)


@page(
    _(
        "A number undoes so many changes. Paths go back, each with all below it, to before their own last change, "
        "and nothing else does. Repeat it to go further back; `redo` goes forward again. The state now is saved "
        "first. A file whose name is a number is written as ./3."
    ),
    (_("Take back the last change"), "agsekit undo"),
    (_("Take back the last three"), "agsekit undo 3"),
    (_("Take back what happened to one file"), "agsekit undo src/main.py"),
)
def undo(
    ctx: typer.Context,
    words: Annotated[
        Optional[list[str]], typer.Argument(metavar="[N | PATH...]", help=_("How many changes, or which paths."))
    ] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Restore the state before the last change. Repeat it to go further back; `redo` goes forward again."""
    context = context_of(ctx)
    given = words or []
    counted = len(given) == 1 and _is_count(given[0])
    count = _count(given[0]) if counted else 1
    target, paths = target_and_paths(context, source_dir, dest_dir, [] if counted else given)
    back = ("redo", str(count)) if count > 1 else ("redo",)
    _move(
        context, target, lambda look: look.undo(count, tuple(paths)), back, dry_run=dry_run, yes=yes, as_json=as_json
    )


@page(
    _("A number takes back so many undos of the same paths. It works right after an undo, before new edits."),
    (_("Take back the last undo"), "agsekit redo"),
)
def redo(
    ctx: typer.Context,
    number: Annotated[Optional[str], typer.Argument(metavar="[N]", help=_("How many undos."))] = None,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take back the last undo."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    count = 1 if number is None else _count(number)
    back = ("undo", str(count)) if count > 1 else ("undo",)
    _move(context, target, lambda look: look.redo(count), back, dry_run=dry_run, yes=yes, as_json=as_json)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _count(word: str) -> int:
    if not _is_count(word) or not 0 < len(word) <= 9 or not int(word):
        raise UsageError(_("{word} is not a number of changes").format(word=repr(word)), hint=_("it starts at 1"))
    return int(word)


def _move(
    context: Context,
    target: Target,
    choose: Callable[[Look], Step],
    back: Sequence[str],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    store = target.existing_store()
    if dry_run or not yes:
        look = look_at(store, target.exclude)
        step = choose(look)
        plan = look.plan(step, target.exclude)
        if not as_json:
            _say_step(plan, step)
        if dry_run:
            if as_json:
                render.print_json(documents.restored(step.target.id, plan, None))
            return
    warn_of_runs(store)
    interactive.confirm(context, _("Restore?"), yes=yes, flag="--yes")
    with snapshot_progress(_("Restoring"), shown=not context.quiet) as on_event:
        if yes:
            step, done = move(store, choose, target.exclude, now=time.time(), on_event=on_event)
        else:
            done = take_step(store, step, target.exclude, now=time.time(), on_event=on_event)
    if yes and not as_json and not context.quiet:
        _say_step(done.plan, step)
    report_restored(context, done, step.target.id, store, back=back, as_json=as_json)


def _say_step(plan: Plan, step: Step) -> None:
    """Say in one line what a step does, and name what it cannot do."""
    kinds = (
        ("+", plan.create),
        ("~", plan.replace),
        ("=", plan.adjust),
        ("-", [*plan.clear, *plan.delete]),
    )
    changed = [*plan.create, *plan.replace, *plan.clear, *plan.delete] or plan.adjust
    render.say(
        _("Back to {id} of {time}: {counts} ({names})").format(
            id=step.target.id,
            time=value_texts.local_time(step.target.created),
            counts=" ".join(f"{sign}{len(paths)}" for sign, paths in kinds if paths) or _("nothing to do"),
            names=value_texts.names_of(changed) or "-",
        )
    )
    for problem in plan.problems:
        render.warn(snapshot_texts.describe_problem(problem))


def _set_pin(ctx: typer.Context, target: Target, reference: str, *, pinned: bool, as_json: bool) -> None:
    store = target.existing_store()
    chosen = named_snapshot(ctx, store, reference)
    with store.locked(wait=DEFAULT_WAIT):
        store.pin(chosen.id, pinned=pinned)
    if as_json:
        render.print_json(documents.snapshot(store.get(chosen.id)))
        return
    sentence = _("{id} is pinned.") if pinned else _("{id} is not pinned any more.")
    render.result(sentence.format(id=chosen.id))


def _show_decisions(decisions: Sequence[Decision]) -> None:
    reasons = {
        "newest": _("the newest"),
        "pinned": _("pinned"),
        "held": _("before a run or a restore"),
        "before-loss": _("before a mass loss"),
        "safety": _("saved before a restore, less than a day ago"),
        "foreign": _("made by another tool"),
        "damaged": _("its record cannot be read"),
        "recent": _("recent"),
        "hourly": _("the last of its hour"),
        "daily": _("the last of its day"),
        "weekly": _("the last of its week"),
        "unseen": _("old by a clock that went far ahead since"),
        "thinned": _("others are close by"),
        "too-old": _("too old"),
        "max-backups": _("more than max_backups"),
        "max-size": _("the store is larger than max_size"),
        "min-free": _("the disk has less free than min_free"),
    }
    render.table(
        ((_("Snapshot"), "left"), (_("Time"), "left"), ("", "left"), (_("Reason"), "left")),
        (
            (
                each.snapshot.id,
                value_texts.local_time(each.snapshot.created),
                _("keep") if each.keep else _("delete"),
                reasons[each.reason],
            )
            for each in decisions
        ),
        spare=(1,),
        wrapped=3,
    )
