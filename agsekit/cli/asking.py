"""What a command line lacks is asked for, with choices from the configuration where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from agsekit.cli import candidates, interactive, usage
from agsekit.cli.context import Context
from agsekit.cli.help_pages import name_of
from agsekit.errors import AgsekitError, NotFoundError
from agsekit.i18n import _
from agsekit_storage.errors import StorageError

_SHOWN = 10


def complete(context: Context, ctx: Any, parameter: Any, words: Sequence[str]) -> list[str]:
    """Return the words of a command with a value for a parameter that is missing.

    Raises:
        UsageError: nobody can be asked, or there is nothing to choose from.
        typer.Abort: the user does not answer.
    """
    source, backup = (ctx.params.get(name) for name in ("source_dir", "dest_dir"))
    if not context.may_ask():
        raise usage.missing(ctx, parameter, _known(context, parameter, source, backup))
    answer = value(context, parameter, source=source, backup=backup)
    if parameter.param_type_name == "argument":
        return [*words, answer]
    return [name_of(parameter), answer, *words]


def value(context: Context, parameter: Any, *, source: Optional[Path] = None, backup: Optional[Path] = None) -> str:
    """Ask for the value of a parameter, with choices where the configuration has some.

    Raises:
        NotFoundError: it should have some.
        typer.Abort: the user does not answer.
    """
    kind = candidates.kind_of(parameter.metavar, parameter.name)
    if not kind:
        return interactive.ask(parameter.help.rstrip("."), flag=name_of(parameter))
    found = candidates.find(kind, context, source=source, backup=backup)
    if not found:
        raise NotFoundError(
            _("there is nothing to choose from: {question}").format(question=question(kind)),
            hint=_("the configuration is {path}").format(path=context.find_config()),
        )
    return interactive.select(question(kind), found, flag=name_of(parameter))


def question(kind: str) -> str:
    """Return the question for a kind of value."""
    return {
        "AGENT": _("Which agent?"),
        "BACKEND": _("Which backend?"),
        "MOUNT": _("Which folder?"),
        "RUN": _("Which run?"),
        "SNAPSHOT": _("Which snapshot?"),
        "VM": _("Which VM?"),
    }[kind]


def _known(context: Context, parameter: Any, source: Optional[Path], backup: Optional[Path]) -> list[str]:
    """Return what the parameter could be, as far as that is known: it is only a help."""
    kind = candidates.kind_of(parameter.metavar, parameter.name)
    try:
        found = candidates.find(kind, context, source=source, backup=backup)
    except (AgsekitError, StorageError):
        return []
    return [each.value for each in found[:_SHOWN]]
