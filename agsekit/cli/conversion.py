"""Values of options and arguments that need no conversion are kept away from the framework's converter.

From Typer 0.29 on that converter is pydantic, whose import alone takes longer than most commands do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

_SIMPLE: dict[Any, Callable[[Any], Any]] = {str: str, Path: Path}
_SIMPLE_LISTS: dict[Any, Callable[[Any], Any]] = {list[str]: list}
_KNOWN = ("0.29.",)
"""The releases whose insides were looked at; with any other the framework converts everything itself."""
_CHECKS = ("exists", "writable", "resolve_path", "allow_dash", "path_type", "parser", "click_type")


def convert_plain_values(parameter: Any) -> None:
    """Let a parameter convert what was not given, plain text and unchecked paths without the framework's converter.

    Repeatable. Everything else is converted as before, and so is all of it by a framework that works another way.
    """
    if not typer.__version__.startswith(_KNOWN):
        return
    make = getattr(parameter, "get_runtime_param", None)
    described = getattr(parameter, "type_descriptor", None)
    if make is not None and described is not None and "get_runtime_param" not in vars(parameter):
        parameter.get_runtime_param = lambda: _Converter(described, make)


class _Converter:
    """Stands in for the framework's converter of one parameter, which is made when it is needed."""

    def __init__(self, described: Any, make: Callable[[], Any]) -> None:
        self._make = make
        settings = described.parameter_info
        if any(getattr(settings, name, None) for name in _CHECKS):
            self._text = self._list = None
        else:
            self._text = _SIMPLE.get(described.annotation)
            self._list = _SIMPLE_LISTS.get(described.annotation)

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if self._text and isinstance(value, str):
            return self._text(value)
        if self._list and isinstance(value, (list, tuple)):
            return self._list(value)
        return self._make().coerce(value, param=param, ctx=ctx)
