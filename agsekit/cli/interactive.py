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

    if not questionary.confirm(f"{question} ({flag})", default=False, auto_enter=False).ask():
        raise typer.Abort


def confirm_number(context: Context, question: str, number: int, *, yes: bool, flag: str) -> None:
    """Go on only if the user types the number, which is harder to do without thinking than pressing a key.

    Raises:
        UsageError: nobody can be asked.
        typer.Abort: something else was typed.
    """
    if yes:
        return
    if not context.may_ask():
        raise UsageError(_("nobody can be asked here"), hint=_("give your agreement with {flag}").format(flag=flag))
    import questionary

    if (questionary.text(question).ask() or "").strip() != str(number):
        raise typer.Abort
