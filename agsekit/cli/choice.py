"""What is meant where a name was left out: the only candidate, or the one that the user picks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from agsekit.cli.candidates import Candidate
from agsekit.cli.context import Context
from agsekit.config.model import Config, Mount, Vm
from agsekit.config.select import mount_of_source, vm_named
from agsekit.errors import NotFoundError, UsageError
from agsekit.i18n import _


def choose_vm(context: Context, config: Config, name: Optional[str]) -> Vm:
    """Return the VM of that name, or the one that is meant without a name.

    Raises:
        NotFoundError: there is none of that name.
        UsageError: several could be meant, and nobody can be asked.
        typer.Abort: the user picks none.
    """
    if name is not None:
        return vm_named(config, name)
    hint = _("name one of these VMs: {names}")
    return vm_named(config, choose(context, list(config.vms), _("Which VM?"), hint, flag="VM"))


def choose_mount(context: Context, config: Config, source: Optional[Path]) -> Mount:
    """Return the mount of that source folder, or the one that is meant without a folder.

    Raises:
        NotFoundError: there is no such mount, or none at all.
        UsageError: several could be meant, and nobody can be asked.
        typer.Abort: the user picks none.
    """
    if source is not None:
        return mount_of_source(config, source.absolute())
    if not config.mounts:
        raise NotFoundError(
            _("There is no mount in the configuration"), hint=_("add one to {path}").format(path=config.path)
        )
    sources = list(dict.fromkeys(str(mount.source) for mount in config.mounts))
    chosen = choose(
        context, sources, _("Which mount?"), _("name one of these folders with --mount: {names}"), flag="--mount"
    )
    return mount_of_source(config, Path(chosen))


def choose(context: Context, names: Sequence[str], question: str, hint: str, *, flag: str) -> str:
    """Return the only name, or the one that the user picks; `hint` has a placeholder {names}.

    `flag` is the argument or option that would have answered the question.

    Raises:
        UsageError: several could be meant, and nobody can be asked.
        typer.Abort: the user picks none.
    """
    if len(names) == 1:
        return names[0]
    if not context.may_ask():
        raise UsageError(_("several could be meant"), hint=hint.format(names=", ".join(names)))
    from agsekit.cli import interactive

    return interactive.select(question, [Candidate(name) for name in names], flag=flag)
