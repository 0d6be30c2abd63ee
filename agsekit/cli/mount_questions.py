"""The questions about a new mount."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Optional

from agsekit.cli import interactive
from agsekit.cli.candidates import Candidate
from agsekit.cli.context import Context
from agsekit.cli.selection import engines_of
from agsekit.config.model import Config, Mount
from agsekit.config.select import vm_named
from agsekit.i18n import _
from agsekit.machines.new_mount import Wish, check_new_mount, mount_of


def wish_of(context: Context, words: Sequence[Optional[str]], vm: Optional[str]) -> Wish:
    """Return what is wished for by the words of the command line, or by as many answers as there are."""
    path, target, backup, interval = [*words, None, None, None][:4]
    return Wish(
        _from_here(context, path or "."),
        target,
        None if backup is None else _from_here(context, backup),
        interval,
        vm,
    )


def _from_here(context: Context, path: str) -> str:
    """Return a path that was typed as an absolute one; `~/` is the home, as in the configuration."""
    if path.startswith("~/") or path == "~":
        return path
    return os.path.join(context.working_folder(), path)


def ask_for_mount(context: Context, config: Config, vm: Optional[str]) -> Wish:
    """Ask for a mount, one question a parameter, each with its default to change or to take."""
    if vm is None and len(config.vms) > 1:
        found = [Candidate(each.name, each.engine) for each in config.vms.values()]
        vm = interactive.select(_("In which VM?"), found, flag="--vm")
    engine = engines_of(context, [vm_named(config, vm) if vm else config.first_vm])

    def made(answers: Sequence[str]) -> Mount:
        return mount_of(wish_of(context, answers, vm), config, home=context.home)

    def possible(source: str) -> None:
        mount = made([source])
        check_new_mount(mount, config, engine[mount.vm], home=context.home)

    source = interactive.ask_checked(
        _("Which project folder?"), flag="PATH", default=f"{context.working_folder()}/", check=possible, path=True
    )
    answers = [source]
    usual = made(answers)
    questions = (
        (_("Where in the VM?"), "TARGET", str(usual.target)),
        (_("Where do its snapshots go?"), "BACKUP", str(usual.backup)),
        (_("How many minutes between snapshots?"), "INTERVAL", f"{usual.interval:g}"),
    )
    for question, flag, default in questions:
        check: Callable[[str], object] = lambda text: made([*answers, text])  # noqa: E731
        answers.append(
            interactive.ask_checked(question, flag=flag, default=default, check=check, path=flag == "BACKUP")
        )
    return wish_of(context, answers, vm)
