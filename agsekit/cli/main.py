"""The command `agsekit`: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from agsekit.cli import commands, usage
from agsekit.cli.options import SETTINGS, Group, without_command
from agsekit.errors import AgsekitError, ExitCode
from agsekit.i18n import _
from agsekit_storage.errors import SnapshotNotFound, StorageError, StoreLocked


def build() -> Any:
    """Return the command `agsekit` with all its commands, which are made only when they are called."""
    app = typer.Typer(
        name="agsekit",
        cls=Group,
        context_settings=SETTINGS,
        help=_("Run AI coding agents in isolated machines, with snapshots that they cannot reach."),
        no_args_is_help=False,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def root(
        ctx: typer.Context,
        version: bool = typer.Option(False, "--version", help=_("Show the version and exit.")),
    ) -> Any:
        if version:
            from agsekit import __version__

            typer.echo(f"agsekit {__version__}")
            raise typer.Exit
        if ctx.invoked_subcommand is None:
            return without_command(ctx)
        return None

    group: Any = typer.main.get_command(app)
    commands.add_to(group)
    return group


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code of the process."""
    try:
        code = build().main(list(arguments), prog_name="agsekit", standalone_mode=False)
        sys.stdout.flush()
    except Exception as error:
        return _code_of(error)
    except KeyboardInterrupt as error:
        return _code_of(error)
    return code if isinstance(code, int) else ExitCode.OK


def _code_of(error: BaseException) -> int:
    """Tell the user what went wrong and return the exit code for it."""
    from agsekit.cli import render

    if isinstance(error, (typer.Abort, KeyboardInterrupt)):
        render.say("\n" + _("Cancelled."))
        return ExitCode.CANCELLED
    if isinstance(error, BrokenPipeError):
        # The reader of our output has seen enough; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILURE
    if isinstance(error, AgsekitError):
        render.print_failure(error)
        return error.exit_code
    if isinstance(error, StorageError):
        render.print_failure(error)
        return storage_exit_code(error)
    if isinstance(error, OSError):
        render.print_failure(error)
        return ExitCode.FAILURE
    if isinstance(error, usage.FRAMEWORK_ERROR):
        render.print_failure(usage.explained(error))
        return ExitCode.USAGE
    return _report_bug(error)


def storage_exit_code(error: StorageError) -> ExitCode:
    """Return the exit code of a failure in the storage library."""
    if isinstance(error, StoreLocked):
        return ExitCode.LOCKED
    if isinstance(error, SnapshotNotFound):
        return ExitCode.NOT_FOUND
    return ExitCode.FAILURE


def _report_bug(error: BaseException) -> int:
    """Write what a bug report needs into a file, and say in one line where it is."""
    from agsekit.cli import render
    from agsekit.cli.bug_report import write_bug_report

    where = write_bug_report(error)
    render.print_error(
        _("something went wrong that agsekit did not expect: {error}").format(error=type(error).__name__),
        _("please report it with {path}").format(path=where) if where else _("please report it"),
    )
    return ExitCode.BUG
