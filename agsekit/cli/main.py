"""The command `agsekit`: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from agsekit.cli.deferred import Deferred
from agsekit.cli.options import SETTINGS, Group, HandingOnCommand, PassingCommand
from agsekit.errors import AgsekitError, ExitCode
from agsekit.i18n import _
from agsekit_storage.errors import SnapshotNotFound, StorageError, StoreLocked

# The common ancestor of the framework's usage errors, whichever package it comes from.
_USAGE_ERROR = typer.BadParameter.__mro__[2]


def build() -> Any:
    """Return the command `agsekit` with all its commands, which are made only when they are called."""
    app = typer.Typer(
        name="agsekit",
        cls=Group,
        context_settings=SETTINGS,
        help=_("Run AI coding agents in isolated machines, with snapshots that they cannot reach."),
        no_args_is_help=False,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def root(
        ctx: typer.Context,
        version: bool = typer.Option(False, "--version", help=_("Show the version and exit.")),
    ) -> None:
        if version:
            from agsekit import __version__

            typer.echo(f"agsekit {__version__}")
            raise typer.Exit
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(ExitCode.USAGE)

    group: Any = typer.main.get_command(app)
    for command in _commands():
        group.add_command(command)
    return group


def _commands() -> Sequence[Deferred]:
    """Return the commands in the order of the quick start."""
    setup, agents, protection = _("Setup"), _("Agents"), _("Backups and snapshots")
    machines, network = _("Virtual machines"), _("Network and services")
    mounts = _("Mounts")
    return (
        Deferred(
            "prepare",
            "agsekit.cli.preparing:prepare",
            panel=setup,
            help=_(
                "Install what this machine lacks for its VMs, and make agsekit's own SSH key. "
                "Asks before anything runs."
            ),
        ),
        Deferred(
            "config-example",
            "agsekit.cli.config:config_example",
            panel=setup,
            help=_("Write an example configuration with every key explained. An existing file is left alone."),
        ),
        Deferred(
            "up",
            "agsekit.cli.preparing:up",
            panel=setup,
            help=_(
                "Bring everything of the configuration about: this machine, VMs, mounts, services. "
                "Only what is missing."
            ),
        ),
        Deferred(
            "down",
            "agsekit.cli.preparing:down",
            panel=setup,
            help=_("Stop the services and all VMs of the configuration. They stay, with all that is in them."),
        ),
        *_machine_commands(machines),
        Deferred(
            "mount",
            "agsekit.cli.mounts:mount",
            panel=mounts,
            help=_(
                "Mount a folder of the configuration in its VM, which is started if need be. Repairs what is amiss."
            ),
        ),
        Deferred(
            "umount",
            "agsekit.cli.mounts:umount",
            panel=mounts,
            help=_("Unmount a folder of the configuration from its VM. The folder itself is not touched."),
        ),
        Deferred(
            "run",
            "agsekit.cli.agents:run",
            panel=agents,
            help=_(
                "Run an agent in its VM while snapshots of the folder are taken. What follows `--` goes to the agent."
            ),
            cls=PassingCommand,
        ),
        Deferred(
            "backup-once",
            "agsekit.cli.backups:backup_once",
            panel=protection,
            help=_("Take one snapshot if anything changed. Without options: of the mount that you are in."),
        ),
        Deferred(
            "backup-repeated",
            "agsekit.cli.backups:backup_repeated",
            panel=protection,
            help=_("Take a snapshot now and then every few minutes, until it is stopped."),
        ),
        Deferred(
            "backup-repeated-mount",
            "agsekit.cli.repeating:backup_repeated_mount",
            panel=protection,
            help=_("The same for a mount of the configuration, whose changes are picked up."),
        ),
        Deferred(
            "backup-repeated-all",
            "agsekit.cli.repeating:backup_repeated_all",
            panel=protection,
            help=_("The same for all mounts of the configuration in one process."),
        ),
        Deferred(
            "snapshots",
            "agsekit.cli.snapshots:build",
            panel=protection,
            help=_("The history of a folder, and the way back."),
            group=True,
        ),
        Deferred(
            "shell",
            "agsekit.cli.network:shell",
            panel=machines,
            help=_("Open a shell in a VM, with its port forwarding for as long as the shell is open."),
        ),
        Deferred(
            "ssh",
            "agsekit.cli.network:ssh",
            panel=machines,
            help=_("Connect to a VM with agsekit's own key. Everything after the VM goes to ssh as it is."),
            cls=HandingOnCommand,
        ),
        Deferred(
            "portforward",
            "agsekit.cli.network:portforward",
            panel=network,
            help=_("Keep the port forwarding of all VMs up, until it is stopped."),
        ),
        Deferred(
            "systemd",
            "agsekit.cli.services:build",
            panel=network,
            help=_("Have port forwarding and snapshots run in the background, from login on."),
            group=True,
        ),
    )


def _machine_commands(panel: str) -> Sequence[Deferred]:
    summaries = {
        "create-vm": _(
            "Make a VM and prepare it. An existing one is compared with the configuration, and finished if need be."
        ),
        "create-vms": _("Make and prepare all VMs of the configuration, several at once. Repeatable."),
        "start-vm": _("Start a VM, or all of them, and wait until they run."),
        "stop-vm": _(
            "Stop a VM, or all of them, and wait until they are off. Nothing in them is lost but what runs."
        ),
        "restart-vm": _("Stop a VM, or all of them, and start it again; one that was off is started."),
        "destroy-vm": _("Delete a VM and everything in it. Project folders and snapshots stay."),
    }
    return [
        Deferred(name, f"agsekit.cli.machines:{name.replace('-', '_')}", panel=panel, help=summary)
        for name, summary in summaries.items()
    ]


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
    if isinstance(error, _USAGE_ERROR):
        error.show()  # type: ignore[attr-defined]  # the framework does not export the class
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
