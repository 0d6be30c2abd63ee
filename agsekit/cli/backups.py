"""Commands that take snapshots: once, or again and again."""

import select
import signal
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from agsekit.cli import documents, render, snapshot_texts, value_texts
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.shared_options import JsonOption, SourceOption, StoreOption
from agsekit.errors import ExitCode, UsageError
from agsekit.i18n import _
from agsekit.protection.target import Target, resolve_target
from agsekit.protection.upkeep import keep_small
from agsekit_storage.events import OnEvent, ignore_events
from agsekit_storage.memory import Memory
from agsekit_storage.registry import BACKENDS
from agsekit_storage.snapshots import Request, Result, take_snapshot
from agsekit_storage.store import Store

if TYPE_CHECKING:
    from agsekit.watching.watcher import CannotWatch

ExcludeOption = Annotated[
    Optional[list[str]],
    typer.Option("--exclude", metavar="PATTERN", help=_("Leave out what matches (gitignore syntax; repeatable).")),
]
BackendOption = Annotated[
    Optional[str],
    typer.Option("--backend", metavar="BACKEND", help=_("How a new store keeps snapshots: ") + ", ".join(BACKENDS)),
]


@page(
    _("Without options: of the mount that you are in."),
    (_("Save the project that you are in"), "agsekit backup-once"),
    (
        _("Save a folder that is in no configuration"),
        "agsekit backup-once --source-dir ~/project --dest-dir ~/backups-project",
    ),
)
def backup_once(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    exclude: ExcludeOption = None,
    backend: BackendOption = None,
    progress: Annotated[bool, typer.Option("--progress", help=_("Show how far it has come."))] = False,
    as_json: JsonOption = False,
) -> None:
    """Take one snapshot if anything changed. Without options: of the mount that you are in."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir, exclude, backend)
    store = target.create_store(home=context.home)
    with snapshot_progress(_("Saving"), shown=progress and not context.quiet, small=True) as on_event:
        result = _take(store, target, "manual", on_event)
    warn_of(result)
    if not result.created:
        _warn_of_rules(result)
    if as_json:
        render.print_json(documents.backup(result))
    elif not context.quiet:
        render.result(describe_result(result))
    keep_small(store.path, context.runner())
    if not all(problem.harmless for problem in result.problems):
        raise typer.Exit(ExitCode.INCOMPLETE)


@page(
    _("Until it is stopped."),
    (
        _("Save a folder every ten minutes"),
        "agsekit backup-repeated --source-dir ~/project --interval 10",
    ),
    (_("Save every edit as it happens, too"), "agsekit backup-repeated --source-dir ~/project --watch"),
    (_("Leave something out"), "agsekit backup-repeated --exclude node_modules/ --exclude '*.log'"),
)
def backup_repeated(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    exclude: ExcludeOption = None,
    backend: BackendOption = None,
    interval: Annotated[
        Optional[float],
        typer.Option("--interval", metavar="MIN", help=_("Minutes between snapshots (default: 5).")),
    ] = None,
    skip_first: Annotated[bool, typer.Option("--skip-first", help=_("Wait first, then begin."))] = False,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help=_("Save edits as they happen, too (default: no)."))
    ] = False,
) -> None:
    """Take a snapshot now and then every few minutes, until it is stopped."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir, exclude, backend)
    minutes = target.interval if interval is None else interval
    if not 0 < minutes <= 1_000_000:
        raise UsageError(_("--interval has to be more than 0"), hint=_("it counts minutes; 0.5 is half a minute"))
    store = target.create_store(home=context.home)
    from agsekit.protection.loop import repeat

    signal.signal(signal.SIGTERM, _end)
    if watch:
        if skip_first:
            time.sleep(minutes * 60)
        _follow(context, store, target, minutes * 60)
        return
    waiting = _("Done, waiting {minutes} minutes").format(minutes=f"{minutes:g}")

    def wait() -> bool:
        render.result(waiting)
        render.flush()
        time.sleep(minutes * 60)
        return True

    with snapshot_progress(_("Saving"), shown=True) as on_event:
        repeat(
            lambda: _take(store, target, "interval", on_event),
            wait=wait,
            skip_first=skip_first,
            on_result=lambda result: _report(result, store, context),
            on_failure=render.print_failure,
        )


def _follow(context: Context, store: Store, target: Target, interval: float) -> None:
    """Save edits as they happen, and everything that changed at every interval (seconds)."""
    from agsekit.protection.loop import Following
    from agsekit.watching.edits import Edits

    memory = Memory()

    def take(kind: str, dirty: Optional[AbstractSet[bytes]]) -> Result:
        request = Request(kind, target.exclude, keep=target.keep, dirty=dirty)
        return take_snapshot(store, request, now=time.time(), on_event=on_event, memory=memory)

    def wait(descriptor: int, seconds: float) -> bool:
        select.select([descriptor] if descriptor >= 0 else [], [], [], seconds)
        return True

    told = False

    def report(result: Result) -> None:
        nonlocal told
        if result.created or not told:
            _report(result, store, context)
        if not told and edits.problem is None:
            render.say(_("Watching {folder} for edits").format(folder=render.safe(str(store.source_folder()))))
        told = True
        render.flush()

    # A person who says --watch has said that it is to be watched wherever it is.
    edits = Edits(store.source_folder(), target.exclude, None, now=time.monotonic(), watch=True)
    with snapshot_progress(_("Saving"), shown=True) as on_event:
        Following(
            edits,
            take,
            interval=interval,
            at_once=True,
            on_result=report,
            on_failure=render.print_failure,
            on_problem=say_unwatched,
        ).run(wait)


def say_unwatched(problem: "CannotWatch") -> None:
    """Say why edits are not seen as they happen."""
    render.warn(_("edits are saved at the interval only: {reason}").format(reason=render.safe(problem.message)))
    if problem.hint:
        render.say("  " + render.safe(problem.hint))


def _report(result: Result, store: Store, context: Context) -> None:
    warn_of(result)
    render.result(describe_result(result))
    keep_small(store.path, context.runner())


def warn_of(result: Result) -> None:
    """Warn of what a person should look at: a loss, or rules that newly hide files."""
    if result.created and result.snapshot.mass_loss:
        render.warn(snapshot_texts.mass_loss(result.snapshot))
    if result.created:
        _warn_of_rules(result)
    if result.hidden:
        sentence = _("new ignore rules leave out {count} paths that earlier snapshots have: {names}")
        render.warn(snapshot_texts.hidden(result.hidden, sentence))


def _warn_of_rules(result: Result) -> None:
    """Name the lines of `.backupignore` files that say nothing."""
    for problem in result.problems:
        if problem.reason == "rules-unusable":
            render.warn(snapshot_texts.describe_problem(problem))


def describe_result(result: Result) -> str:
    """Return the sentence that says what came of a request for a snapshot."""
    snapshot = result.snapshot
    if not result.created:
        return _("No changes since {id}.").format(id=snapshot.id)
    sentence = _("Snapshot {id}: {changes} ({files} files, {size}).")
    return sentence.format(
        id=snapshot.id,
        changes=snapshot_texts.change_counts(snapshot) or _("empty"),
        files=snapshot.files,
        size=value_texts.size(snapshot.bytes),
    )


def choose_target(
    context: Context,
    source: Optional[Path],
    backup: Optional[Path],
    exclude: Optional[list[str]] = None,
    backend: Optional[str] = None,
) -> Target:
    """Return the folder and the store that the options, or else the working folder, stand for."""
    return resolve_target(
        context.load_config,
        source=source.absolute() if source else None,
        backup=backup.absolute() if backup else None,
        exclude=exclude or (),
        backend=backend,
        folder=context.working_folder(),
    )


def _take(store: Store, target: Target, kind: str, on_event: OnEvent = ignore_events) -> Result:
    return take_snapshot(store, Request(kind, target.exclude, keep=target.keep), now=time.time(), on_event=on_event)


def _end(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
