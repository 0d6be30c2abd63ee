"""The command `help`: the page of a command, and what the exit codes mean."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Optional

import typer

from agsekit.cli import render, usage
from agsekit.cli.pages import page
from agsekit.errors import ExitCode
from agsekit.i18n import _

EXIT_CODES = "exit-codes"


@page(
    _("Without a command: of agsekit as a whole. `agsekit help exit-codes` explains the exit codes."),
    (_("Explain one command"), "agsekit help snapshots restore"),
    (_("Explain the exit codes"), "agsekit help exit-codes"),
)
def show_help(
    ctx: typer.Context,
    words: Annotated[
        Optional[list[str]], typer.Argument(metavar="COMMAND", help=_("The words of the command, or `exit-codes`."))
    ] = None,
) -> None:
    """Print the help of a command."""
    if words == [EXIT_CODES]:
        render.table(
            ((_("Code"), "right"), (_("Meaning"), "left")),
            ((str(int(code)), meaning) for code, meaning in exit_codes().items()),
        )
        return
    render.result(_page_context(ctx, words or ()).get_help())


def _page_context(ctx: typer.Context, words: Sequence[str]) -> Any:
    found: Any = ctx.find_root()
    for word in words:
        command = found.command.commands.get(word) if hasattr(found.command, "commands") else None
        if command is None:
            raise usage.unknown_command(found, word)
        found = command.make_context(word, [], parent=found, resilient_parsing=True)
    return found


def exit_codes() -> Mapping[ExitCode, str]:
    """Return what each exit code means."""
    return {
        ExitCode.OK: _("done, or there was nothing to do"),
        ExitCode.FAILURE: _("it failed; the message says why"),
        ExitCode.USAGE: _("the command line is wrong"),
        ExitCode.INCOMPLETE: _("done, but some files could not be read or written"),
        ExitCode.CONFIG: _("the configuration is missing or wrong"),
        ExitCode.LOCKED: _("another agsekit is writing to the store"),
        ExitCode.NOT_FOUND: _("there is no such VM, mount, agent or snapshot"),
        ExitCode.ENGINE: _("the engine is missing, cannot be reached, or failed"),
        ExitCode.LOSS: _("`guard: pause` ended the agent, because it destroyed too much"),
        ExitCode.BUG: _("a bug in agsekit; please report it"),
        ExitCode.NOT_STARTED: _("run, shell, ssh: it failed before the command inside started"),
        ExitCode.CANCELLED: _("you cancelled it"),
    }
