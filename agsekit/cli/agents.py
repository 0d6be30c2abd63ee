"""Commands about agents."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.agent_types import CUSTOM
from agsekit.agents.run import RunHooks, RunPlan, RunRequest, execute_run, plan_run
from agsekit.cli import losses, render, risks, snapshot_texts
from agsekit.cli.context import Context
from agsekit.cli.options import context_of, passed_on
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.cli.references import with_folders
from agsekit.config.model import Agent, Mount, Vm
from agsekit.engines.base import Engine, MountPoint, ProgramNotInside
from agsekit.engines.registry import engine_for
from agsekit.errors import AgsekitError, ExitCode, UsageError
from agsekit.i18n import _
from agsekit.machines.wake import wake
from agsekit.process import Runner
from agsekit.protection.session import Summary
from agsekit.protection.upkeep import keep_small
from agsekit_storage.errors import StorageError
from agsekit_storage.events import Event
from agsekit_storage.model import Changes

_SHOWN = 4


@page(
    _("What follows `--` goes to the agent."),
    (_("Run an agent in the folder that you are in"), "agsekit run claude"),
    (_("Run it in another folder, with arguments of its own"), "agsekit run claude ~/project -- --continue"),
    (_("Run it in a VM of your choice, without snapshots"), "agsekit run claude --vm agent --disable-backups"),
)
def run(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help=_("The name of the agent in the configuration."))],
    source_dir: Annotated[
        Optional[Path], typer.Argument(metavar="SOURCE_DIR", help=_("A mounted folder, or one below it."))
    ] = None,
    vm: Annotated[Optional[str], typer.Option("--vm", metavar="VM", help=_("Run it in this VM."))] = None,
    proxychains: Annotated[
        Optional[str],
        typer.Option(
            "--proxychains",
            metavar="URL",
            help=_("Send it through this proxy (scheme://host:port); empty: through none."),
        ),
    ] = None,
    disable_backups: Annotated[bool, typer.Option("--disable-backups", help=_("Take no snapshot at all."))] = False,
    skip_default_args: Annotated[
        bool, typer.Option("--skip-default-args", help=_("Leave out `default-args` of the configuration."))
    ] = False,
) -> None:
    """Run an agent in its VM while snapshots of the folder are taken. What follows `--` goes to the agent."""
    context = context_of(ctx)
    request = RunRequest(
        agent,
        source_dir.absolute() if source_dir else None,
        context.working_folder(),
        vm,
        passed_on(ctx),
        skip_default_args,
        backups=not disable_backups,
        tty=sys.stdin.isatty() and sys.stdout.isatty(),
        proxy=proxychains,
    )
    runner = context.runner()
    try:
        try:
            code, summary, plan = _run(context, request, runner)
        except _NotInstalled as missing:
            _install(context, request, missing)
            code, summary, plan = _run(context, request, runner)
    except UsageError:
        raise
    except (AgsekitError, StorageError, OSError) as error:
        render.print_failure(error)
        raise typer.Exit(ExitCode.NOT_STARTED) from None
    if summary and plan.mount:
        _say_failures(summary)
        losses.warn_of(context, summary.losses, plan.mount, ended=code == ExitCode.LOSS)
        if summary.after and summary.after.mass_loss and not summary.losses:
            render.warn(snapshot_texts.mass_loss(summary.after))
        if not context.quiet:
            _warn_of(summary)
            if sys.stderr.isatty():
                render.say()  # the agent may have left the cursor anywhere in a line
            _show_summary(context, summary, plan.mount, plan.run_id)
        keep_small(plan.mount.backup, runner)
    raise typer.Exit(code)


def _run(context: Context, request: RunRequest, runner: Runner) -> tuple[int, Optional[Summary], RunPlan]:
    config = context.load_config()
    warn = _silent if context.quiet else lambda text: render.warn(render.safe(text))
    for warning in config.warnings:
        warn(warning)
    plan = plan_run(config, request, runner, on_warning=warn)
    engine = engine_for(plan.vm, runner, data_folder=context.data_folder)
    say = _silent if context.quiet else render.say
    notice = engine.notice(plan.vm)
    if notice:
        say(render.safe(notice))
    if plan.mount is None:
        say(_("This folder is in no mount: the agent starts in the home of the VM, and nothing is being backed up."))
    elif not request.backups:
        say(_("Snapshots are off: what the agent destroys is gone."))
    with snapshot_progress(_("Saving"), shown=not context.quiet) as on_event:
        hooks = RunHooks(
            on_status=lambda text: say(render.safe(text)),
            on_snapshot=_ignore if context.quiet else on_event,
            on_protected=lambda first: None,
            on_started=runner.trace,
            on_ready=lambda mounts: _wake(context, plan, engine, mounts, say),
            losses=losses.hooks(context, plan.mount, _ignore) if plan.mount else None,
        )
        try:
            code, summary = execute_run(plan, engine, backups=request.backups, home=context.home, hooks=hooks)
        except ProgramNotInside as error:
            raise not_installed(plan.agent, plan.vm, error) from None
    return code, summary, plan


class _NotInstalled(ProgramNotInside):
    """An agent is not there inside, and agsekit can install it."""

    def __init__(self, agent: Agent, vm: Vm) -> None:
        self.agent, self.vm = agent, vm
        self.command = f"agsekit install-agents {agent.name} {vm.name}"
        super().__init__(
            _("{agent} is not installed in VM '{vm}'").format(agent=agent.name, vm=vm.name),
            hint=_("install it with `{command}`").format(command=self.command),
        )


def not_installed(agent: Agent, vm: Vm, error: ProgramNotInside) -> ProgramNotInside:
    """Return the error for an agent that is not there inside: with the command that installs it, if there is one."""
    return error if agent.type == CUSTOM and not agent.install else _NotInstalled(agent, vm)


def _install(context: Context, request: RunRequest, missing: _NotInstalled) -> None:
    """Install what is missing if the user agrees; where nobody can be asked, or does not agree, it stays missing.

    Raises:
        AgsekitError: it is not installed.
    """
    if not context.may_ask():
        raise missing
    from agsekit.agents.install_plan import plan
    from agsekit.cli.agent_installation import carry_out
    from agsekit.cli.interactive import confirm

    try:
        confirm(context, missing.message + ". " + _("Install it now?"), yes=False, flag=missing.command)
    except typer.Abort:
        raise missing from None
    orders = plan(context.load_config(), [missing.agent], [missing.vm])
    for outcome in carry_out(context, orders, proxy=request.proxy):
        if outcome.error:
            raise outcome.error


def _wake(
    context: Context, plan: RunPlan, engine: Engine, mounts: Sequence[MountPoint], say: Callable[[str], None]
) -> None:
    """Check a VM that may not have noticed that this machine has slept."""
    folder = context.runtime_folder / "vms"
    wake(plan.vm, engine, mounts, folder=folder, on_event=lambda text: say(render.safe(text)))


def _silent(text: str) -> None:
    """Say nothing."""


def _ignore(event: Event) -> None:
    """Show nothing of a snapshot."""


def _say_failures(summary: Summary) -> None:
    for failure, count in Counter(summary.failures).items():
        sentence = _("a snapshot failed: {reason}") if count == 1 else _("a snapshot failed {count} times: {reason}")
        render.warn(sentence.format(count=count, reason=render.safe(failure)))


def _warn_of(summary: Summary) -> None:
    for reason in summary.unwatched:
        render.warn(_("edits are saved at the interval only: {reason}").format(reason=render.safe(reason)))
    if summary.changed_rules:
        names = ", ".join(map(render.safe_path, summary.changed_rules))
        render.warn(
            _(
                "{names} changed during the run. The rules from before stay in force until you accept the new ones:"
            ).format(names=names)
        )
        render.say("  agsekit snapshots accept-rules")
    if summary.would_hide:
        sentence = _("They would leave out {count} paths: {names}.")
        render.say("  " + snapshot_texts.hidden(summary.would_hide, sentence))


def _show_summary(context: Context, summary: Summary, mount: Mount, run_id: str) -> None:
    """Say what the run did to the folder, and how to undo it."""
    folder = render.safe(str(mount.source))
    if summary.after is None:
        render.say(_("What the run changed in {folder} is not known.").format(folder=folder))
    elif not summary.changes:
        render.say(_("Nothing changed in {folder}.").format(folder=folder))
        return
    else:
        render.say(
            _("The run changed {folder}: {changes}. Snapshots taken: {count}.").format(
                folder=folder, changes=_describe_changes(summary.changes), count=summary.snapshots
            )
        )
    words = ["snapshots", "restore", summary.before.id]
    if summary.after:
        words = ["runs", "undo", run_id.rpartition("-")[2]]
    command = render.shell_line(with_folders(context, words, mount.source, mount.backup))
    render.say(_("To undo all of it:") + f"\n  {command}")
    risks.show(summary, run_id, lambda words: with_folders(context, words, mount.source, mount.backup))


def _describe_changes(changes: Changes) -> str:
    parts = []
    for title, paths in (
        (_("added"), changes.added),
        (_("changed"), [*changes.modified, *changes.metadata]),
        (_("removed"), changes.removed),
    ):
        if paths:
            names = ", ".join(map(render.safe_path, paths[:_SHOWN])) + (", …" if len(paths) > _SHOWN else "")
            parts.append(f"{title} {len(paths)} ({names})")
    return "; ".join(parts)
