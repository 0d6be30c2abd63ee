"""Commands about the configuration."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from agsekit.cli import render
from agsekit.cli.options import context_of
from agsekit.cli.pages import page
from agsekit.i18n import _


@page(
    _("It explains every key. An existing file is left alone."),
    (_("Write it where agsekit looks for it"), "agsekit config-example"),
    (_("Write it elsewhere"), "agsekit config-example ~/agsekit.yaml"),
)
def config_example(
    ctx: typer.Context,
    path: Annotated[
        Optional[Path],
        typer.Argument(metavar="PATH", help=_("Where to write it (default: the user's configuration).")),
    ] = None,
) -> None:
    """Write an example configuration with every key explained. An existing file is left alone."""
    from agsekit.config.example import write_example

    target = path or context_of(ctx).find_config()
    if write_example(target):
        render.say(_("Wrote {path}. Next: edit it, then `agsekit run AGENT`.").format(path=render.safe(str(target))))
    else:
        render.say(_("{path} exists and was left alone.").format(path=render.safe(str(target))))
