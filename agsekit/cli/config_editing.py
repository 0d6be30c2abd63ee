"""The configuration in the user's editor."""

import os
import shlex
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import typer

from agsekit.cli import interactive, render
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.config.load import parse_config
from agsekit.config.problems import Finding, Problems
from agsekit.config.rewrite import Draft, keep_copy, read_draft, replace_config
from agsekit.config.yaml_nodes import read_limited
from agsekit.engines.base import HostCommand
from agsekit.errors import AgsekitError, ConfigError, ExitCode, UsageError
from agsekit.i18n import _
from agsekit.process import ProgramMissing
from agsekit.terminal import run_foreground

_USUAL_EDITORS = ("nano", "vi")


@page(
    _(
        "$VISUAL or $EDITOR opens a copy. What you save is checked, and takes the place of the configuration when it "
        "is valid; a copy of the one before is kept beside it."
    ),
    (_("Edit the configuration that agsekit uses"), "agsekit config edit"),
)
def edit(ctx: typer.Context) -> None:
    """Edit a copy of the configuration, which has to be valid to count."""
    context = context_of(ctx)
    editor = _editor(context)
    path = context.find_config()
    draft = read_draft(path)
    with tempfile.TemporaryDirectory(dir=draft.path.parent, prefix=".edit-") as folder:
        copy = Path(folder) / draft.path.name
        with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(draft.data)
        try:
            data = _edited(context, editor, copy, draft)
            kept = None if data == draft.data else replace_config(draft, data, now=time.time())
        except BaseException:
            _keep(draft, copy)
            raise
    if kept is None:
        render.say(_("Nothing was changed. An editor with a window of its own has to wait: EDITOR='code --wait'."))
        return
    render.result(_("Wrote {path}.").format(path=render.safe(str(path))))
    if not context.quiet:
        render.say(_("A copy of the configuration before is {path}.").format(path=render.safe(str(kept))))


def _editor(context: Context) -> Sequence[str]:
    """Return the command of the user's editor.

    Raises:
        UsageError: there is no terminal, or no editor is named.
    """
    if not context.may_ask():
        raise UsageError(
            _("an editor needs a terminal, and there is none here"),
            hint=_("edit {path}, then run `agsekit config validate`").format(path=context.find_config()),
        )
    named = context.environment.get("VISUAL") or context.environment.get("EDITOR") or ""
    try:
        words = shlex.split(named)
    except ValueError:
        words = []
    if words:
        return words
    for usual in _USUAL_EDITORS:
        with suppress(ProgramMissing):
            return [context.runner().find(usual)]
    raise UsageError(
        _("neither VISUAL nor EDITOR names an editor"), hint=_("name one: EDITOR=nano agsekit config edit")
    )


def _edited(context: Context, editor: Sequence[str], copy: Path, draft: Draft) -> bytes:
    """Have the user edit the copy until it is valid, and return what it holds.

    Raises:
        typer.Exit: the user gives up.
    """
    while True:
        try:
            code = run_foreground(HostCommand([*editor, str(copy)], env=context.environment))
        except ProgramMissing as error:
            raise UsageError(error.message, hint=_("name another editor: EDITOR=nano agsekit config edit")) from None
        if code:
            raise AgsekitError(
                _("{editor} ended with exit code {code}, so nothing was written").format(editor=editor[0], code=code),
                hint=_("end it without an error to have your changes taken"),
            )
        data = read_limited(copy)[0]
        if data == draft.data or _is_valid(context, data):
            return data
        if not interactive.agree(_("Go on editing?"), default=True):
            raise typer.Exit(ExitCode.CONFIG)


def _is_valid(context: Context, data: bytes) -> bool:
    """Tell what there is to be said about new content, and whether it can be used."""
    problems = Problems(context.find_config())
    valid = True
    try:
        parse_config(data, problems, home=context.home)
    except ConfigError:
        valid = False
    for finding in problems.findings:
        _tell(problems.file, finding)
    return valid


def _tell(path: Path, finding: Finding) -> None:
    text = render.safe(finding.text(path))
    if finding.is_warning:
        render.warn(text)
    else:
        render.print_error(finding.text(path), None)


def _keep(draft: Draft, copy: Path) -> None:
    """Keep what the user wrote and did not get to use."""
    try:
        data = copy.read_bytes()
        if data != draft.data:
            kept = keep_copy(draft, data, now=time.time())
            render.say(_("What you wrote is kept in {path}.").format(path=render.safe(str(kept))))
    except OSError as error:
        render.print_failure(error)
