"""Commands that look back: what a snapshot changed, differences, the versions of a file, and its content then."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from typing import Annotated, Optional

import typer

from agsekit.cli import documents, render, snapshot_texts, value_texts, wording
from agsekit.cli.backups import choose_target
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.references import named_snapshot
from agsekit.cli.shared_options import JsonOption, SourceOption, StoreOption
from agsekit.cli.snapshots import relative_paths, target_and_paths
from agsekit.errors import NotFoundError, UsageError
from agsekit.i18n import _
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.history import History, is_at_or_below
from agsekit_storage.model import SIGNS, Changes
from agsekit_storage.reference import resolve
from agsekit_storage.textdiff import FileDiff, diff_files, open_stored, source_content, stored_content

SnapshotArgument = Annotated[
    str,
    typer.Argument(
        metavar="SNAPSHOT", help=_("An id or the beginning of one, `latest`, `latest~2`, `14:05`, `10m`.")
    ),
]
StatOption = Annotated[bool, typer.Option("--stat", help=_("Only list the files, with counts of lines."))]


@page(
    "",
    (_("Show what the newest one changed"), "agsekit snapshots show"),
    (_("Show it for the one before"), "agsekit snapshots show latest~1"),
)
def show(
    ctx: typer.Context,
    snapshot: SnapshotArgument = "latest",
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what changed in a snapshot."""
    store = choose_target(context_of(ctx), source_dir, dest_dir).existing_store()
    chosen = named_snapshot(ctx, store, snapshot)
    history = History(store)
    changes = history.changes_in(chosen)
    if as_json:
        render.print_json({"snapshot": documents.snapshot(chosen), "changes": documents.changes(changes)})
        return
    render.result(
        _("Snapshot {id}, {kind}, {time}").format(
            id=chosen.id, kind=wording.kind(chosen.kind), time=value_texts.local_time(chosen.created)
        )
    )
    for problem in chosen.problems:
        render.result("! " + snapshot_texts.describe_problem(problem))
    for line in change_lines(changes):
        render.result(line)


@page(
    _("Between a snapshot and the folder now, or between two snapshots."),
    (_("Show what changed since the newest one"), "agsekit snapshots diff"),
    (_("Compare two snapshots of one folder"), "agsekit snapshots diff latest~2 latest src"),
    (_("Only count lines"), "agsekit snapshots diff 14:05 --stat"),
)
def diff(
    ctx: typer.Context,
    first: SnapshotArgument = "latest",
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[SNAPSHOT] [PATH]...", help=_("The later snapshot (else: the folder now), and paths.")
        ),
    ] = None,
    stat: StatOption = False,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the difference between a snapshot and the folder now, or between two snapshots."""
    target = choose_target(context_of(ctx), source_dir, dest_dir)
    store = target.existing_store()
    earlier = named_snapshot(ctx, store, first)
    history = History(store)
    rest = list(words or [])
    later = next((each for each in history.snapshots if rest and each.id == _id_of(history, rest[0])), None)
    paths = relative_paths(rest[1:] if later else rest, target.source)
    if later is None:
        changes, after = history.changes_since(earlier, target.exclude)
        read = source_content(os.fsencode(store.source_folder()))
    else:
        changes, after = history.changes_between(earlier, later), history.tree(later)
        read = stored_content(store, later)
    found = diff_files(_only(changes, paths), store.tree(earlier), after, stored_content(store, earlier), read)
    print_diffs(found, stat=stat, as_json=as_json)


@page(
    "",
    (_("List the versions of a file"), "agsekit snapshots log src/app.py"),
)
def log(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help=_("A file, relative to the folder that you are in."))],
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the versions of one file."""
    target, paths = target_and_paths(context_of(ctx), source_dir, dest_dir, [path])
    history = History(target.existing_store())
    versions = history.versions(_only_path(paths))
    if as_json:
        render.print_json({"versions": [documents.version(each) for each in versions]})
        return
    now = time.time()
    columns = (
        (_("Snapshot"), "left"),
        (_("Time"), "left"),
        (_("Age"), "right"),
        (_("Kind"), "left"),
        (_("Size"), "right"),
        (_("Change"), "left"),
    )
    render.table(
        columns,
        (
            (
                each.snapshot.id,
                value_texts.local_time(each.snapshot.created),
                value_texts.age(now - each.snapshot.created),
                wording.kind(each.snapshot.kind),
                value_texts.size(each.entry.row[1]) if each.entry else "",
                wording.change(each.change),
            )
            for each in versions
        ),
    )


@page(
    "",
    (_("Print a file as it was"), "agsekit snapshots cat latest~1 src/app.py"),
    (_("Keep that version under another name"), "agsekit snapshots cat 10m src/app.py > app-then.py"),
)
def cat(
    ctx: typer.Context,
    snapshot: SnapshotArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help=_("A file, relative to the folder that you are in."))],
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
) -> None:
    """Print a file as it is in a snapshot, byte for byte."""
    target, paths = target_and_paths(context_of(ctx), source_dir, dest_dir, [path])
    store = target.existing_store()
    chosen = named_snapshot(ctx, store, snapshot)
    wanted = _only_path(paths)
    history = History(store)
    if not history.has_file(chosen, wanted):
        names = {"path": render.safe_path(wanted), "id": chosen.id}
        if history.has(chosen, wanted):
            raise UsageError(
                _("{path} is not a file in snapshot {id}").format(**names),
                hint=_("to bring it back elsewhere: {command}").format(
                    command=f"agsekit snapshots restore {chosen.id} {shlex.quote(path)} --to FOLDER"
                ),
            )
        raise NotFoundError(
            _("{path} is not in snapshot {id}").format(**names),
            hint=_("`agsekit snapshots log {path}` lists its versions").format(path=render.safe(path)),
        )
    with open_stored(store, chosen, wanted) as content:
        shutil.copyfileobj(content, sys.stdout.buffer)


def _only_path(found: list[bytes]) -> bytes:
    if not found:
        raise UsageError(
            _("name a file, not the folder itself"), hint=_("`agsekit snapshots list` lists the states of the folder")
        )
    return found[0]


def _id_of(history: History, reference: str) -> Optional[str]:
    """Return the id of the snapshot that a word names, None when it must be a path."""
    try:
        return resolve(history.store, reference, now=time.time()).id
    except SnapshotNotFound:
        return None


def _only(changes: Changes, paths: list[bytes]) -> Changes:
    if not paths:
        return changes

    def chosen(found: Iterable[bytes]) -> list[bytes]:
        return [each for each in found if any(is_at_or_below(each, path) for path in paths)]

    return Changes(
        chosen(changes.added), chosen(changes.modified), chosen(changes.metadata), [], chosen(changes.removed)
    )


def change_lines(changes: Changes) -> Iterable[str]:
    """Yield a line for every path that changed, with a sign for how."""
    for way, sign in SIGNS.items():
        for path in getattr(changes, way):
            yield f"{sign} {render.safe_path(path)}"


def print_diffs(found: Iterable[FileDiff], *, stat: bool, as_json: bool = False) -> None:
    """Print the differences of files: line by line, or with `stat` how many lines."""
    if as_json:
        render.print_json({"files": [documents.file_diff(each, lines=not stat) for each in found]})
        return
    for each in found:
        if stat:
            counts = wording.note(each.note) or f"+{each.added} -{each.removed}"
            render.result(f"{each.status} {render.safe_path(each.path)} ({counts})")
        else:
            render.print_diff(each.status, each.path, each.lines, wording.note(each.note))
