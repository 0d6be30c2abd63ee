"""Commands that are made, and their modules imported, when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Optional

import typer
from typer.core import TyperCommand

from agsekit.cli.options import Command
from agsekit.cli.pages import page_of


class Deferred(TyperCommand):
    """Stands for a command in a list of commands: its name and what it does, nothing more.

    Args:
        where: `module:function` of the command.
        panel: the title under which the help lists it, None for that of all commands.
        kind: the class of the command.
    """

    def __init__(
        self,
        name: str,
        where: str,
        *,
        help: str,  # noqa: A002  # the framework's word
        panel: Optional[str],
        kind: type[Command] = Command,
    ) -> None:
        super().__init__(name, help=help, rich_help_panel=panel, rich_markup_mode=None)
        self._where = where
        self._kind = kind
        self._made: Any = None

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Make the command and have it parse its part of the command line."""
        return self.made().make_context(info_name, args, parent=parent, **extra)

    def made(self) -> Any:
        """Return the command itself."""
        if self._made is None:
            module, _colon, name = self._where.partition(":")
            function: Callable[..., Any] = getattr(importlib.import_module(module), name)
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            app.command(self.name, cls=self._kind, help=self.help)(function)
            self._made = typer.main.get_command(app)
            self._made.page = page_of(function)
        return self._made
