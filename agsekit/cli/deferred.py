"""Commands that are made, and their modules imported, when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from agsekit.cli.options import Command


class Deferred(TyperCommand):
    """Stands for a command in a list of commands: its name and its help, nothing more.

    Args:
        where: `module:function` of the command, or of what builds a group of commands.
        group: the function builds a group.
        cls: the class of the command.
    """

    def __init__(
        self,
        name: str,
        where: str,
        *,
        help: str,  # noqa: A002  # the framework's word
        panel: str,
        group: bool = False,
        cls: type[Command] = Command,
    ) -> None:
        super().__init__(name, help=help, rich_help_panel=panel, rich_markup_mode=None)
        self._where = where
        self._group = group
        self._class = cls
        self._made: Any = None

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Make the command and have it parse its part of the command line."""
        return self.made().make_context(info_name, args, parent=parent, **extra)

    def made(self) -> Any:
        """Return the command itself."""
        if self._made is None:
            module, _colon, function = self._where.partition(":")
            target: Callable[..., Any] = getattr(importlib.import_module(module), function)
            self._made = typer.main.get_command(target() if self._group else self._app_of(target))
        return self._made

    def _app_of(self, function: Callable[..., Any]) -> typer.Typer:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        app.command(self.name, cls=self._class, help=self.help)(function)
        return app
