"""What the help of a command says beside what it takes; it stands at the function of the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_ATTRIBUTE = "__agsekit_page__"


class Page(NamedTuple):
    """The details of a command's help, and examples: pairs of what one gives and its command line."""

    details: str = ""
    examples: Sequence[tuple[str, str]] = ()


def page(details: str, *examples: tuple[str, str]) -> Callable[[F], F]:
    """Give the function of a command its page: more on what it does, and examples.

    Each example is a pair: what it is for (a short sentence without full stop), and a whole command line.
    """

    def keep(function: F) -> F:
        setattr(function, _ATTRIBUTE, Page(details, examples))
        return function

    return keep


def page_of(function: Callable[..., Any]) -> Page:
    """Return the page of a function, an empty one when it has none."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Page) else Page()
