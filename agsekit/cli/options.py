"""The options that every command has, declared once."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from agsekit.cli import help_pages, usage
from agsekit.cli.context import Context
from agsekit.cli.conversion import convert_plain_values
from agsekit.cli.pages import Page
from agsekit.errors import ExitCode, UsageError
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
            "--quiet",
            "-q",
            help=_("Say nothing but errors, warnings, and what was asked for."),
            rich_help_panel=_("Common options"),
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
    maker = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
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


def _with_cheap_conversion(parameters: Sequence[Any]) -> Sequence[Any]:
    for parameter in parameters:
        convert_plain_values(parameter)
    return parameters


class _Explained:
    """What a command and a group have in common: the common options, and pages in our own words."""

    def get_params(self, ctx: Any) -> Any:
        """Return arguments and options, `--help` among them."""
        framework: Any = super()
        return _with_cheap_conversion(framework.get_params(ctx))

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Parse the words of the command; what is missing is asked for."""
        framework: Any = super()
        words = list(args)
        while True:
            try:
                return framework.parse_args(ctx, list(words))
            except usage.FRAMEWORK_ERROR as error:
                if not usage.is_missing(error):
                    # The framework's parser does not know the context, which says where to find help.
                    error.ctx = error.ctx or ctx
                    raise
                from agsekit.cli import asking

                words = asking.complete(context_of(ctx), ctx, error.param, words)
                ctx.params.clear()

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line."""
        pieces = " ".join([*help_pages.usage_pieces(self, ctx), *self.last_pieces])
        formatter.write_usage(ctx.command_path, pieces, prefix=_("Usage: "))

    last_pieces: tuple[str, ...] = ()
    """What stands at the end of the usage line."""


class Command(_Explained, TyperCommand):
    """A command that also takes the common options, before and after its own."""

    page = Page()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_common_options()]

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the command line; what is left over is told in our own words."""
        # The framework would complain first, and in its own.
        ctx = super().make_context(info_name, args, parent, allow_extra_args=True, **extra)
        if ctx.args and not ctx.resilient_parsing:
            raise usage.unexpected(ctx, ctx.args)
        return ctx

    def invoke(self, ctx: Any) -> Any:
        """Run the command; ^C becomes an `Abort`, which every release of the framework hands on."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does, the details, and the examples."""
        help_pages.write_text(formatter, f"{self.help} {self.page.details}".rstrip())
        help_pages.write_examples(formatter, self.page.examples)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options by panel."""
        help_pages.write(formatter, help_pages.option_rows(self, ctx))


class PassingCommand(Command):
    """A command that hands everything after `--` on as it is; `passed_on` returns it.

    The framework drops the `--`, so the words behind it have to be taken away before it sees them.
    """

    last_pieces = ("[-- ARGS...]",)

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Parse what stands before `--`; an option that does not exist may have been meant for behind it."""
        words = list(args)
        own = words[: words.index("--")] if "--" in words else words
        ctx.meta[_PASSED_ON] = words[len(own) + 1 :]
        try:
            return super().parse_args(ctx, own)
        except usage.FRAMEWORK_ERROR as error:
            if not usage.is_unknown_option(error):
                raise
            found = usage.unknown_option(ctx, error.option_name)
            elsewhere = _("what is meant for the agent goes after `--`: {command} AGENT -- {word}").format(
                word=error.option_name, command=ctx.command_path
            )
            raise UsageError(found.message, hint=f"{found.hint}; {elsewhere}") from None


_PASSED_ON = "agsekit.passed_on"


def passed_on(ctx: typer.Context) -> list[str]:
    """Return what stood after `--` on the command line of a `PassingCommand`."""
    words: list[str] = ctx.meta[_PASSED_ON]
    return words


class HandingOnCommand(Command):
    """A command that hands on everything after its first argument, `--` and what looks like options included."""

    allow_interspersed_args = False


class Group(_Explained, TyperGroup):
    """A group of commands that also takes the common options, and lists its commands as they were added."""

    last_pieces = ("COMMAND", "[ARGS]...")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Asked for without a command, a group says what it has; the framework does that in many ways.
        kwargs = {"callback": self._alone, **kwargs, "invoke_without_command": True, "no_args_is_help": False}
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *_common_options()]
        self._context: Any = None

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        self._context = ctx
        return super().invoke(ctx)

    def _alone(self) -> Any:
        return without_command(self._context) if self._context.invoked_subcommand is None else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and the words after it."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise usage.unknown_command(ctx, args[0])
        return args[0] if command else None, command, args[1:]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the commands are about."""
        help_pages.write_text(formatter, self.help or "")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands and options by panel."""
        help_pages.write(formatter, help_pages.command_rows(self, ctx), help_pages.option_rows(self, ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where there is more."""
        words = ctx.command_path.split()
        help_pages.write_more(formatter, " ".join([words[0], "help", *words[1:], "COMMAND"]))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of the quick start."""
        return list(self.commands)


def without_command(ctx: Any) -> Any:
    """Answer a group without a command: with a menu, or where nobody can be asked with its help."""
    context = context_of(ctx)
    if context.may_ask():
        from agsekit.cli.menu import open_menu

        return open_menu(ctx, context)
    typer.echo(ctx.get_help(), err=True)
    raise typer.Exit(ExitCode.USAGE)
