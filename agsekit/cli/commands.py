"""The table of all commands: what they are called, where they are, and what they do, in the order of the quick start.

One line a command. What else its help says stands beside its function: `pages.page`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agsekit.cli.deferred import Deferred
from agsekit.cli.options import Command, Group, HandingOnCommand, PassingCommand
from agsekit.i18n import _


class Entry(NamedTuple):
    """A command: its words, its `module:function` below agsekit.cli, and what it does in one short sentence.

    A group of commands has no function; its commands follow it, with its word in front of theirs.
    """

    words: str
    where: str
    summary: str
    kind: type[Command] = Command


def panels() -> Sequence[tuple[str, Sequence[Entry]]]:
    """Return all commands, by the title under which the help lists them."""
    return (
        (
            _("Setup"),
            (
                Entry("prepare", "preparing:prepare", _("Install what this machine lacks for its VMs.")),
                Entry("config-gen", "config_gen:config_gen", _("Write a configuration from a few answers.")),
                Entry("config-example", "config:config_example", _("Write an example configuration.")),
                Entry("config", "", _("Check, show and edit the configuration.")),
                Entry("config validate", "config:validate", _("Say everything that is wrong with it.")),
                Entry("config show", "config:show", _("Show it with defaults, and without secrets.")),
                Entry("config edit", "config_editing:edit", _("Edit a copy, which has to be valid to count.")),
                Entry("config schema", "config:schema", _("Print its JSON Schema, for editors.")),
                Entry("config path", "config:path", _("Print where it is looked for.")),
                Entry("up", "preparing:up", _("Bring about everything that the configuration says.")),
                Entry("down", "preparing:down", _("Stop the services and all VMs of the configuration.")),
                Entry("status", "status:status", _("Show how VMs, mounts, agents and services are doing.")),
                Entry("doctor", "doctor:doctor", _("Check everything that is needed, and mend it.")),
                Entry("completion", "shells:completion", _("Have a shell complete commands and names.")),
                Entry("help", "helping:show_help", _("Explain a command, or the exit codes.")),
                Entry("version", "installation:version", _("Show which agsekit this is and where it came from.")),
                Entry("pip-upgrade", "installation:pip_upgrade", _("Upgrade agsekit where it is installed.")),
            ),
        ),
        (
            _("Virtual machines"),
            (
                Entry("create-vm", "machines:create_vm", _("Make a VM and prepare it.")),
                Entry("create-vms", "machines:create_vms", _("Make and prepare all VMs of the configuration.")),
                Entry("start-vm", "machines:start_vm", _("Start a VM, or all of them.")),
                Entry("stop-vm", "machines:stop_vm", _("Stop a VM, or all of them.")),
                Entry("restart-vm", "machines:restart_vm", _("Stop a VM, or all of them, and start it again.")),
                Entry("destroy-vm", "machines:destroy_vm", _("Delete a VM and everything in it.")),
                Entry("shell", "network:shell", _("Open a shell in a VM, with its port forwarding.")),
                Entry("ssh", "network:ssh", _("Connect to a VM with agsekit's own key."), HandingOnCommand),
            ),
        ),
        (
            _("Mounts"),
            (
                Entry("mount", "mounts:mount", _("Mount a folder of the configuration in its VM.")),
                Entry("umount", "mounts:umount", _("Unmount a folder of the configuration from its VM.")),
                Entry("addmount", "mount_entries:addmount", _("Add a mount to the configuration.")),
                Entry("removemount", "mount_entries:removemount", _("Unmount a folder and forget its mount.")),
            ),
        ),
        (
            _("Agents"),
            (
                Entry(
                    "install-agents",
                    "agent_installation:install_agents",
                    _("Install agents of the configuration in their VMs."),
                ),
                Entry("run", "agents:run", _("Run an agent in its VM, with snapshots meanwhile."), PassingCommand),
                Entry("agents", "", _("What agents there are, where, and their logins.")),
                Entry("agents list", "agent_list:list_agents", _("List the agents and their installed versions.")),
                Entry("agents login", "login:login", _("Log an agent in, in its VM."), PassingCommand),
                Entry("runs", "", _("What runs of agents changed, and back to before one.")),
                Entry("runs list", "runs:list_runs", _("List the runs, oldest first.")),
                Entry("runs show", "runs:show_run", _("Show all that a run changed.")),
                Entry(
                    "runs undo", "runs:undo_one_run", _("Go back to before a run, and keep what a person changed.")
                ),
            ),
        ),
        (_("Backups and snapshots"), _backups()),
        (
            _("Network and services"),
            (
                Entry("portforward", "network:portforward", _("Keep the port forwarding of all VMs up.")),
                Entry("systemd", "", _("Have forwarding and snapshots run in the background.")),
                Entry("systemd install", "services:install", _("Install and start the services.")),
                Entry("systemd uninstall", "services:uninstall", _("Stop the services and remove them.")),
                Entry("systemd status", "services:status", _("Show whether the services are there, and run.")),
            ),
        ),
    )


def _backups() -> Sequence[Entry]:
    return (
        Entry("backup-once", "backups:backup_once", _("Take one snapshot if anything changed.")),
        Entry("backup-repeated", "backups:backup_repeated", _("Take a snapshot now and then every few minutes.")),
        Entry("backup-repeated-mount", "repeating:backup_repeated_mount", _("The same for one mount.")),
        Entry("backup-repeated-all", "repeating:backup_repeated_all", _("The same for all mounts at once.")),
        Entry("undo", "keeping:undo", _("Go back to before the last changes.")),
        Entry("redo", "keeping:redo", _("Take back the last undo.")),
        Entry("timeline", "timeline:timeline", _("Look around in the history, and restore from there.")),
        Entry("snapshots", "", _("The history of a folder, and the way back.")),
        Entry("snapshots list", "snapshots:list_snapshots", _("List the snapshots, oldest first.")),
        Entry("snapshots show", "history:show", _("Show what changed in a snapshot.")),
        Entry("snapshots diff", "history:diff", _("Show differences line by line.")),
        Entry("snapshots log", "history:log", _("List the versions of one file.")),
        Entry("snapshots cat", "history:cat", _("Print a file as it is in a snapshot.")),
        Entry("snapshots restore", "snapshots:restore_snapshot", _("Make a folder as it was in a snapshot.")),
        Entry("snapshots undo", "keeping:undo", _("Restore the state before the last change.")),
        Entry("snapshots redo", "keeping:redo", _("Take back the last undo.")),
        Entry("snapshots pin", "keeping:pin", _("Keep a snapshot for good.")),
        Entry("snapshots unpin", "keeping:unpin", _("Let a pinned snapshot go when its time has come.")),
        Entry("snapshots prune", "keeping:prune_snapshots", _("Delete what the configuration does not keep.")),
        Entry("snapshots accept-rules", "stores:accept_rules", _("Let changed .backupignore files apply.")),
        Entry(
            "snapshots adopt", "stores:adopt_source", _("Let another folder take over the history of one that moved.")
        ),
        Entry("snapshots usage", "stores:usage", _("Show what each snapshot and which paths cost.")),
        Entry("snapshots verify", "stores:verify_snapshots", _("Check that a store holds what it should.")),
        Entry("snapshots convert", "stores:convert_store", _("Move all snapshots to another backend.")),
    )


def entries() -> Iterator[Entry]:
    """Return all commands and groups, each group before its commands."""
    for _title, found in panels():
        yield from found


def add_to(root: Group) -> None:
    """Give the command `agsekit` all its commands, which are made only when they are called."""
    for title, found in panels():
        for entry in found:
            *path, name = entry.words.split()
            parent: Any = root
            for word in path:
                parent = parent.commands[word]
            panel = None if path else title
            parent.add_command(
                Deferred(name, f"agsekit.cli.{entry.where}", help=entry.summary, panel=panel, kind=entry.kind)
                if entry.where
                else Group(name=name, help=entry.summary, rich_help_panel=panel, rich_markup_mode=None)
            )
