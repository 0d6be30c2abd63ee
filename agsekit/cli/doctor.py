"""The command `doctor`: what is wrong, line by line, and what can be mended."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from agsekit.overview.doctor import Mended

from agsekit.cli import render
from agsekit.cli.context import Context
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.cli.services import unit_folder
from agsekit.cli.shared_options import JsonOption
from agsekit.config.model import Config
from agsekit.engines.registry import engine_for
from agsekit.errors import AgsekitError, ExitCode
from agsekit.i18n import _
from agsekit.overview.check import FAIL, OK, Check, Surroundings


@page(
    _(
        "One line a check: this machine, the configuration, folders and stores, VMs, what runs in the background. "
        "Nothing is changed without --fix. It ends with 1 when a check failed."
    ),
    (_("See what is wrong"), "agsekit doctor"),
    (_("Mend what can be mended"), "agsekit doctor --fix"),
)
def doctor(
    ctx: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help=_("Mend what can be mended, and say what was done."))] = False,
    as_json: JsonOption = False,
) -> None:
    """Check everything that agsekit needs, and say what to do about what is wrong."""
    from agsekit.overview.doctor import diagnose, mend

    context = context_of(ctx)
    config, problem = _configuration(context)
    done: list[tuple[Check, Optional[Mended]]] = []
    for check in diagnose(surroundings(context, config), context.find_config(), problem):
        mended = mend(check) if fix else None
        done.append((check, mended))
        if not as_json and not (context.quiet and check.result == OK):
            _show(check, mended)
    failed = any(check.result == FAIL and not (mended and mended.done) for check, mended in done)
    if as_json:
        render.print_json({"version": 1, "ok": not failed, "checks": [_document(*each) for each in done]})
    if failed:
        raise typer.Exit(ExitCode.FAILURE)


def _configuration(context: Context) -> tuple[Optional[Config], Optional[AgsekitError]]:
    try:
        return context.load_config(), None
    except AgsekitError as error:
        return None, error


def surroundings(context: Context, config: Optional[Config]) -> Surroundings:
    """Return what the checks and the overview look at."""
    runner = context.runner()
    return Surroundings(
        config,
        runner,
        lambda vm: engine_for(vm, runner, data_folder=context.data_folder),
        context.home,
        context.ssh_folder,
        context.state_folder,
        unit_folder(context),
        time.time(),
    )


def _show(check: Check, mended: Optional["Mended"]) -> None:
    words = {"ok": _("ok"), "warn": _("warn"), "fail": _("fail")}
    width = max(map(len, words.values()))
    style = {"ok": "good", "warn": "warning", "fail": "error"}[check.result]
    word = render.styled(words[check.result].ljust(width), style, sys.stdout)
    render.result(f"{word}  {render.safe(check.text)}")
    more = mended.text if mended else check.hint if check.result != OK else None
    if more:
        render.result(" " * (width + 2) + render.safe(more))


def _document(check: Check, mended: Optional["Mended"]) -> dict[str, Any]:
    return {
        "check": check.name,
        "subject": check.subject,
        "result": check.result,
        "text": check.text,
        "hint": check.hint,
        "mended": bool(mended and mended.done),
        "done": mended.text if mended else None,
    }
