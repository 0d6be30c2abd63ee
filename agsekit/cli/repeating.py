"""Commands that take snapshots of the configuration's mounts, again and again."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Callable, Optional

import typer

from agsekit.cli import render
from agsekit.cli.backups import describe_result, say_unwatched, warn_of
from agsekit.cli.choice import choose_mount
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.progress import snapshot_progress
from agsekit.config.model import Config, Mount
from agsekit.config.watch import WatchedConfig
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.protection.heartbeat import Heartbeat
from agsekit.protection.rounds import MountState, Rounds
from agsekit.watching.watcher import CannotWatch
from agsekit_storage.snapshots import Result


@page(
    _("At the interval of the mount, until it is stopped. Changes of the configuration are picked up."),
    (_("Save one mount of several"), "agsekit backup-repeated-mount --mount ~/project"),
)
def backup_repeated_mount(
    ctx: typer.Context,
    mount: Annotated[
        Optional[Path],
        typer.Option("--mount", metavar="FOLDER", help=_("The source of the mount; not needed if there is one.")),
    ] = None,
) -> None:
    """Take snapshots of a mount of the configuration at its interval, until it is stopped."""
    context = context_of(ctx)
    chosen = choose_mount(context, context.load_config(), mount)

    def of_config(config: Config) -> Sequence[Mount]:
        return [each for each in config.mounts if each.source == chosen.source][:1]

    _go_round(context, "backup-repeated-mount", of_config, only=chosen.source)


@page(
    _("In one process, each at its interval, until it is stopped. Changes are picked up."),
    (_("Save all mounts"), "agsekit backup-repeated-all"),
)
def backup_repeated_all(ctx: typer.Context) -> None:
    """Take snapshots of all mounts of the configuration at their intervals, until it is stopped."""
    _go_round(context_of(ctx), "backup-repeated-all", lambda config: config.mounts, only=None)


def _go_round(
    context: Context, command: str, choose: Callable[[Config], Sequence[Mount]], *, only: Optional[Path]
) -> None:
    from agsekit.config.load import load_config

    path = context.find_config().absolute()
    watched = WatchedConfig(path, lambda: load_config(path, home=context.home))
    for warning in watched.config.warnings:
        render.warn(render.safe(warning))
    if not choose(watched.config):
        render.say(_("There is no mount yet; waiting for a change of {path}").format(path=render.safe(str(path))))
    heartbeat = Heartbeat(context.state_folder, command, path, source=only)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with snapshot_progress(_("Saving"), shown=not context.quiet) as on_event:
            reporter = _Reporter(heartbeat, named=only is None)
            Rounds(watched, choose, reporter, home=context.home, on_event=on_event).run()
    finally:
        heartbeat.remove()


class _Reporter:
    """Tells a person line by line, with the name of the mount in front when there may be several."""

    def __init__(self, heartbeat: Heartbeat, *, named: bool) -> None:
        self._heartbeat = heartbeat
        self._named = named

    def result(self, state: MountState, result: Result, *, full: bool) -> None:
        warn_of(result)
        if full or result.created:
            self._print(state, describe_result(result))
        if full:
            self._print(state, _("Done, waiting {minutes} minutes").format(minutes=f"{state.mount.interval:g}"))

    def unwatched(self, state: MountState, problem: CannotWatch) -> None:
        if self._named:
            render.say(self._name(state) + ":")
        say_unwatched(problem)

    def failure(self, state: MountState, error: Exception) -> None:
        if self._named:
            render.say(self._name(state) + ":")
        render.print_failure(error)
        render.say(
            _("Trying again in {seconds} seconds, and then until it succeeds.").format(seconds=f"{state.retry:g}")
        )

    def problem(self, error: AgsekitError) -> None:
        render.print_failure(error)
        render.say(_("The configuration from before stays in force."))

    def beat(self, states: Sequence[MountState]) -> None:
        self._heartbeat.write(states, now=time.time())

    def _print(self, state: MountState, text: str) -> None:
        render.result(f"{self._name(state)}: {text}" if self._named else text)
        render.flush()

    def _name(self, state: MountState) -> str:
        return render.safe(str(state.mount.source))


def _end(number: int, frame: Optional[FrameType]) -> None:
    raise SystemExit(128 + number)
