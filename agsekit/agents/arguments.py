"""Which of a profile's default arguments an agent still gets when the user gave some."""

from __future__ import annotations

from collections.abc import Sequence


def merge_arguments(defaults: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the defaults that the user did not override, then what the user gave.

    A default option is left out, with its values, when the user gave an option of the same name, as `--name value`
    and `--name=value` alike. The values of an option are the arguments up to the next one that begins with `-`.
    """
    names = {_name(argument) for argument in _before_separator(given) if _is_option(argument)}
    kept: list[str] = []
    dropping = False
    for argument in defaults:
        if _is_option(argument):
            dropping = _name(argument) in names
        if not dropping:
            kept.append(argument)
    return [*kept, *given]


def _before_separator(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _is_option(argument: str) -> bool:
    return len(argument) > 1 and argument.startswith("-") and argument != "--" and not _is_number(argument)


def _is_number(argument: str) -> bool:
    try:
        float(argument)
    except ValueError:
        return False
    return True


def _name(argument: str) -> str:
    return argument.split("=", 1)[0]
