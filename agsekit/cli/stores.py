"""Commands about a store as a whole: is it sound, what does it cost, and how does it keep its snapshots."""

import os
from typing import Annotated, Optional

import typer

from agsekit.cli import documents, interactive, render, snapshot_texts, value_texts, wording
from agsekit.cli.backups import choose_target
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.references import named_snapshot
from agsekit.cli.shared_options import JsonOption, SourceOption, StoreOption, YesOption
from agsekit.config.problems import did_you_mean
from agsekit.errors import AgsekitError, ExitCode, UsageError
from agsekit.i18n import _
from agsekit_storage.convert import convert
from agsekit_storage.registry import BACKENDS
from agsekit_storage.rule_trust import accept, untrusted, would_hide
from agsekit_storage.snapshots import DEFAULT_WAIT
from agsekit_storage.store import Store
from agsekit_storage.usage import Usage, measure
from agsekit_storage.verification import Finding, verify


@page(
    _("Exit code 1 when anything is wrong."),
    (_("Check all snapshots"), "agsekit snapshots verify"),
    (_("Read every file of the newest one"), "agsekit snapshots verify latest --data"),
)
def verify_snapshots(
    ctx: typer.Context,
    snapshot: Annotated[
        Optional[str], typer.Argument(metavar="SNAPSHOT", help=_("Only this one; all when left out."))
    ] = None,
    data: Annotated[bool, typer.Option("--data", help=_("Read the content of every file too."))] = False,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a store still holds what it should. Exit code 1 when anything is wrong."""
    store = choose_target(context_of(ctx), source_dir, dest_dir).existing_store()
    chosen = [named_snapshot(ctx, store, snapshot)] if snapshot else store.snapshots()
    findings = list(verify(store, chosen, data=data))
    if as_json:
        render.print_json(documents.findings(findings, checked=len(chosen), data=data))
    else:
        for finding in findings:
            render.result(_describe(finding))
        checked = _("Checked {count} snapshots.")
        faults = _("Found {count} faults.")
        if not findings:
            faults = _("All is well.")
        render.result(f"{checked.format(count=len(chosen))} {faults.format(count=len(findings))}")
    if findings:
        raise typer.Exit(ExitCode.FAILURE)


@page(
    _("And which lines in .backupignore would save most."),
    (_("See what costs most"), "agsekit snapshots usage"),
)
def usage(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each snapshot and which paths cost, and which lines in .backupignore would save most."""
    store = choose_target(context_of(ctx), source_dir, dest_dir).existing_store()
    found = measure(store)
    if as_json:
        render.print_json(documents.usage(found))
    else:
        _show_usage(found)


@page(
    _("The old ones go once every new one is verified."),
    (_("Keep them in a git repository"), "agsekit snapshots convert --to git"),
)
def convert_store(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="BACKEND", help=_("One of: ") + ", ".join(BACKENDS))],
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Move all snapshots to another backend; the old ones go once every new one is verified."""
    context = context_of(ctx)
    store = choose_target(context, source_dir, dest_dir).existing_store()
    _check_backend(store, to)
    question = _("Convert {store} from {old} to {new}?").format(
        store=render.safe(str(store.path)), old=store.backend.name, new=to
    )
    interactive.confirm(context, question, yes=yes, flag="--yes")
    done = convert(store, to, wait=DEFAULT_WAIT, on_snapshot=_say_progress)
    if as_json:
        render.print_json({"backend": to, "snapshots": done.snapshots})
    else:
        sentence = _("Converted {count} snapshots to {backend}.")
        render.result(sentence.format(count=done.snapshots, backend=to))
        _say_what_to_change(context, store, to)


def _check_backend(store: Store, backend: str) -> None:
    """Refuse what cannot be converted to, before anything is asked.

    Raises:
        UsageError: there is no such backend, or the store has it.
    """
    if backend not in BACKENDS:
        likely = did_you_mean(backend, BACKENDS)
        known = _("one of: {names}").format(names=", ".join(BACKENDS))
        raise UsageError(
            _("there is no backend {name}").format(name=repr(backend)), hint=" ".join(filter(None, (likely, known)))
        )
    if backend == store.backend.name:
        raise UsageError(
            _("{path} has the backend {backend} already").format(path=store.path, backend=backend),
            hint=_("there is nothing to convert"),
        )


def _say_what_to_change(context: Context, store: Store, backend: str) -> None:
    """Name what the configuration says about the backend of a store, where that is not so any more."""
    try:
        config = context.load_config()
    except AgsekitError:
        return
    for number, mount in enumerate(config.mounts):
        if mount.backend not in (None, backend) and os.path.realpath(mount.backup) == os.path.realpath(store.path):
            render.say(
                _("In {path}, change mounts[{number}].backend (of {source}) from {old} to {new}.").format(
                    path=render.safe(str(config.path)),
                    number=number,
                    source=render.safe(str(mount.source)),
                    old=mount.backend,
                    new=backend,
                )
            )


@page(
    _("When a run has changed them, the rules from before the run apply until then."),
    (_("See what they leave out, and agree"), "agsekit snapshots accept-rules"),
)
def accept_rules(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let .backupignore files apply that a run has changed. Until then the rules from before the run do."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    store = target.existing_store()
    with store.locked(wait=DEFAULT_WAIT):
        rules = untrusted(store)
        if rules and not yes and not as_json:
            newest = store.tree(store.snapshots()[-1])
            lost = would_hide(os.fsencode(store.source_folder()), target.exclude, newest, rules)
            render.say(
                _("Changed by a run: {names}").format(names=value_texts.names_of([each.path for each in rules]))
            )
            if lost:
                sentence = _("they leave out {count} paths that snapshots have: {names}")
                render.warn(snapshot_texts.hidden(lost, sentence))
            interactive.confirm(context, _("Accept?"), yes=yes, flag="--yes")
        accept(store.path)
    if as_json:
        render.print_json({"accepted": [render.safe_path(each.path) for each in rules]})
    elif rules:
        render.result(_("Accepted: {names}").format(names=value_texts.names_of([each.path for each in rules])))
    else:
        render.result(_("There is nothing to accept."))


@page(
    _("Only needed where the folder does not look like the one that the snapshots are of, and that one is gone."),
    (_("The project is in a new place"), "agsekit snapshots adopt --source-dir ~/new --dest-dir ~/backups-project"),
)
def adopt_source(
    ctx: typer.Context,
    source_dir: SourceOption = None,
    dest_dir: StoreOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let another folder take over the history of one that moved. Refused while the old one is still there."""
    context = context_of(ctx)
    target = choose_target(context, source_dir, dest_dir)
    recorded = Store.existing(target.backup).source
    names = {"source": render.safe(str(target.source)), "recorded": render.safe(str(recorded))}
    question = _("The snapshots are of {recorded}. Go on with {source}?").format(**names)
    interactive.confirm(context, question, yes=yes, flag="--yes")
    target.create_store(home=context.home, adopt=True)
    if as_json:
        render.print_json({"source": str(target.source), "store": str(target.backup)})
    else:
        render.result(_("The history goes on with {source}.").format(**names))


def _say_progress(done: int, total: int) -> None:
    render.say(_("Converted {done} of {total}").format(done=done, total=total))


def _describe(finding: Finding) -> str:
    sentences = {
        "lost": _("{id}: {path} is lost"),
        "altered": _("{id}: {path} was altered"),
        "unexpected": _("{id}: {path} does not belong there"),
        "record": _("{id}: its record cannot be used"),
    }
    problem = finding.problem
    sentence = sentences[problem.reason].format(id=finding.snapshot.id, path=render.safe_path(problem.path))
    return f"{sentence} ({render.safe(problem.detail)})" if problem.detail else sentence


def _show_usage(found: Usage) -> None:
    render.table(
        ((_("Snapshot"), "left"), (_("Time"), "left"), (_("Kind"), "left"), (_("Added"), "right")),
        (
            (
                each.id,
                value_texts.local_time(each.created),
                wording.kind(each.kind),
                value_texts.size(each.stored_bytes),
            )
            for each in found.snapshots
        ),
        spare=(1, 2),
    )
    for title, costs in ((_("Dearest paths"), found.paths), (_("Lines for .backupignore"), found.rules)):
        if costs:
            render.result("")
            render.table(
                ((title, "left"), (_("Size"), "right"), (_("Versions"), "right")),
                ((render.safe_path(each.name), value_texts.size(each.bytes), str(each.versions)) for each in costs),
                spare=(2,),
                wrapped=0,
            )
    render.result("")
    render.result(_("All file content in the store: {size}.").format(size=value_texts.size(found.total)))
