"""Questions to a person, only where there is one to answer. The only module that imports questionary."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from typing import Any, Optional

import typer

from agsekit.cli import render
from agsekit.cli.candidates import Candidate
from agsekit.cli.context import Context
from agsekit.cli.render import safe
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _
from agsekit_storage.errors import StorageError

_MOST_CHOICES = 200


def confirm(context: Context, question: str, *, yes: bool, flag: str) -> None:
    """Go on only if the user agrees; `yes` is an agreement given beforehand with `flag`.

    Raises:
        UsageError: nobody can be asked.
        typer.Abort: the user does not agree.
    """
    if yes:
        return
    _refuse_where_nobody_is(context, flag)
    import questionary

    if not _answer(questionary.confirm(_with_flag(question, flag), default=False, auto_enter=False)):
        raise typer.Abort


def wait_for_enter(text: str) -> None:
    """Let the user read what is on the screen until Enter is pressed; ^C and ^D leave."""
    render.say(text)
    try:
        input()
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None


def confirm_number(context: Context, question: str, number: int, *, yes: bool, flag: str) -> None:
    """Go on only if the user types the number, which is harder to do without thinking than pressing a key.

    Raises:
        UsageError: nobody can be asked.
        typer.Abort: something else was typed.
    """
    if yes:
        return
    _refuse_where_nobody_is(context, flag)
    import questionary

    if _answer(questionary.text(question)).strip() != str(number):
        raise typer.Abort


def select(question: str, candidates: Sequence[Candidate], *, flag: str) -> str:
    """Return the value of the candidate that the user picks; `flag` is what would have answered the question.

    Raises:
        typer.Abort: the user picks none.
    """
    import questionary

    width = max(len(safe(each.value)) for each in candidates)
    room = shutil.get_terminal_size().columns - len(" »  ")
    choices = [
        questionary.Choice(_row(safe(each.value), safe(each.note), width, room), value=each.value)
        for each in candidates[:_MOST_CHOICES]
    ]
    if len(candidates) > _MOST_CHOICES:
        left = len(candidates) - _MOST_CHOICES
        render.say(_("{count} more are not listed; name one on the command line.").format(count=left))
    asked = _with_flag(question, flag)
    # What stays on the screen is the answer, not the line of the list.
    chosen = str(
        _answer(
            questionary.select(asked, choices=choices, instruction=_("(arrow keys and Enter)"), erase_when_done=True)
        )
    )
    render.say(f"{asked} {safe(chosen)}")
    return chosen


def _row(value: str, note: str, width: int, room: int) -> str:
    """Return a line of the list that fits into the terminal: of a value the end tells most, of a note the start."""
    if width > room:
        return value if len(value) <= room else "…" + value[1 - room :]
    text = f"{value:{width}}  {note}".rstrip()
    return text if len(text) <= room else text[: room - 1] + "…"


def ask(question: str, *, flag: str) -> str:
    """Return what the user types, at least one character; `flag` is what would have answered the question.

    Raises:
        typer.Abort: the user does not want to.
    """
    import questionary

    return str(_answer(questionary.text(_with_flag(question, flag), validate=bool)))


def ask_checked(
    question: str, *, flag: str, default: str = "", check: Callable[[str], object], path: bool = False
) -> str:
    """Return what the user types, which starts as `default`, once `check` does not raise any more.

    `path` completes the names of folders.

    Raises:
        typer.Abort: the user does not want to.
    """
    import questionary

    def valid(text: str) -> bool | str:
        try:
            check(text)
        except (AgsekitError, StorageError, ValueError) as error:
            return safe(str(error))
        return True

    asked = _with_flag(question, flag)
    kind = functools.partial(questionary.path, only_directories=True) if path else questionary.text
    return str(_answer(kind(asked, default=default, validate=valid), default=default))


def ask_secret(question: str) -> str:
    """Return what the user types without showing it.

    Raises:
        typer.Abort: the user does not want to.
    """
    import questionary

    return str(_answer(questionary.password(question)))


def agree(question: str, *, flag: str = "", default: bool = False) -> bool:
    """Return whether the user says yes; Enter alone says `default`.

    Raises:
        typer.Abort: the user says nothing.
    """
    import questionary

    return bool(_answer(questionary.confirm(_with_flag(question, flag), default=default, auto_enter=False)))


def _with_flag(question: str, flag: str) -> str:
    return f"{question} ({flag})" if flag else question


def _refuse_where_nobody_is(context: Context, flag: str) -> None:
    if not context.may_ask():
        raise UsageError(_("nobody can be asked here"), hint=_("give your agreement with {flag}").format(flag=flag))


def _answer(question: Any, *, default: str = "") -> Any:
    """Ask, and return the answer; ^C leaves, and ^D where nothing was typed."""
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings

    keys = KeyBindings()

    @keys.add("c-d", eager=True)
    def leave(event: Any) -> None:
        if event.app.current_buffer.text in ("", default):
            event.app.exit(exception=EOFError())

    application: Optional[Any] = question.application
    if application is not None:
        application.key_bindings = merge_key_bindings([application.key_bindings or KeyBindings(), keys])
    try:
        return question.unsafe_ask()
    except (KeyboardInterrupt, EOFError):
        raise typer.Abort from None
