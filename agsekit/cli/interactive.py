"""Questions to a person, only where there is one to answer."""

from __future__ import annotations

import typer

from agsekit.cli.context import Context
from agsekit.errors import UsageError
from agsekit.i18n import _


def confirm(context: Context, question: str, *, yes: bool, flag: str) -> None:
    """Go on only if the user agrees; `yes` is an agreement given beforehand with `flag`.

    Raises:
        UsageError: nobody can be asked.
        typer.Abort: the user does not agree.
    """
    if yes:
        return
    if not context.may_ask():
        raise UsageError(_("nobody can be asked here"), hint=_("give your agreement with {flag}").format(flag=flag))
    import questionary

    if not questionary.confirm(f"{question} ({flag})", default=False).ask():
        raise typer.Abort
