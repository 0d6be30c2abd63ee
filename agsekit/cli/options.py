"""The options that every command has, declared once."""

import functools
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from agsekit.cli.context import Context
from agsekit.i18n import _

SETTINGS = {"help_option_names": ["-h", "--help"]}


def context_of(ctx: typer.Context) -> Context:
    """Return the context of this process, made at its first use."""
    root = ctx.find_root()
    if not isinstance(root.obj, Context):
        root.obj = Context()
    return root.obj


def _declare(
    config: Annotated[
        Optional[Path],
        typer.Option(
            "--config",
            metavar="FILE",
            help=_("The configuration file (default: $CONFIG_PATH, then ~/.config/agsekit/config.yaml)."),
            rich_help_panel=_("Common options"),
        ),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option("--debug", help=_("Show every external command."), rich_help_panel=_("Common options")),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help=_("Say nothing but errors and results."), rich_help_panel=_("Common options")
        ),
    ] = False,
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", help=_("Never ask."), rich_help_panel=_("Common options"))
    ] = False,
) -> None:
    """Exist for its parameters only: they become options of every command."""


@functools.lru_cache(maxsize=1)
def _common_options() -> tuple[Any, ...]:
    """Have the framework make the options, since how it does that changes from release to release."""
    maker = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    maker.command()(_declare)
    options: list[Any] = [option for option in typer.main.get_command(maker).params if option.name in _STORED]
    for option in options:
        option.expose_value = False
        option.is_eager = True
        option.callback = _store
    return tuple(options)


_STORED = ("config", "debug", "quiet", "non_interactive")


def _store(ctx: typer.Context, option: Any, value: Any) -> None:
    """Keep what was given; what was not given must not undo what stood before the command's name."""
    if not value or ctx.resilient_parsing:
        return
    context = context_of(ctx)
    if option.name == "config":
        context.config_path = Path(value)
    else:
        setattr(context, option.name, True)


class Command(TyperCommand):
    """A command that also takes the common options, before and after its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_common_options()]


class Group(TyperGroup):
    """A group of commands that also takes the common options, and lists its commands as they were added."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_common_options()]

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of the quick start."""
        return list(self.commands)
