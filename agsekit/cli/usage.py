"""Wrong command lines in our own words: the framework's differ from release to release, and stay English."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from agsekit.cli.help_pages import name_of
from agsekit.config.problems import did_you_mean
from agsekit.errors import AgsekitError, UsageError
from agsekit.i18n import _

# The common ancestor of the framework's usage errors, whichever package it comes from.
FRAMEWORK_ERROR: Any = typer.BadParameter.__mro__[2]


def is_missing(error: Exception) -> bool:
    """Tell whether a usage error of the framework says that a parameter is missing."""
    return type(error).__name__ == "MissingParameter"


def is_unknown_option(error: Exception) -> bool:
    """Tell whether a usage error of the framework says that an option does not exist."""
    return type(error).__name__ == "NoSuchOption"


def explained(error: Any) -> AgsekitError:
    """Return our error for a usage error of the framework."""
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return UsageError(error.format_message())
    kind = type(error).__name__
    if is_unknown_option(error):
        return unknown_option(ctx, error.option_name)
    if kind == "BadOptionUsage":
        option = error.option_name
        flag = any(option in each.opts and getattr(each, "is_flag", False) for each in ctx.command.get_params(ctx))
        sentence = _("{name} takes no value") if flag else _("{name} needs a value")
        return UsageError(sentence.format(name=option), hint=see_help(ctx))
    parameter = getattr(error, "param", None)
    if parameter is None:
        return UsageError(error.format_message(), hint=see_help(ctx))
    if is_missing(error):
        return missing(ctx, parameter)
    sentence = _("{name} has to be a number") if _is_number(parameter) else _("{name} cannot have that value")
    return UsageError(sentence.format(name=name_of(parameter)), hint=see_help(ctx))


def _is_number(parameter: Any) -> bool:
    described = getattr(parameter, "type_descriptor", None)
    if described is not None:
        return getattr(described, "annotation", None) in (int, float)
    return getattr(getattr(parameter, "type", None), "name", None) in ("integer", "float")


def missing(ctx: Any, parameter: Any, names: Sequence[str] = ()) -> UsageError:
    """Return the error about a parameter that was left out; `names` are what it could be."""
    hint = see_help(ctx)
    if names:
        hint = _("one of: {names}").format(names=", ".join(names))
    return UsageError(_("{name} is missing").format(name=name_of(parameter)), hint=hint)


def unknown_option(ctx: Any, word: str) -> UsageError:
    """Return the error about an option that the command does not have."""
    known = [option for each in ctx.command.get_params(ctx) for option in (*each.opts, *each.secondary_opts)]
    message = _("{word} is not an option of `{command}`").format(word=word, command=ctx.command_path)
    return UsageError(message, hint=_joined(did_you_mean(word, known), see_help(ctx)))


def unexpected(ctx: Any, words: Sequence[str]) -> UsageError:
    """Return the error about words that the command has no use for; a folder may be meant for an option."""
    hint = see_help(ctx)
    if len(words) == 1 and any("--source-dir" in each.opts for each in ctx.command.get_params(ctx)):
        hint = _("for another folder: {command}").format(
            command=f"{ctx.command_path} --source-dir {shlex.quote(words[0])}"
        )
    return UsageError(
        _("`{command}` has no use for {words}").format(command=ctx.command_path, words=" ".join(map(repr, words))),
        hint=hint,
    )


def unknown_command(ctx: Any, word: str) -> UsageError:
    """Return the error about a command that does not exist; one of another group may have been meant."""
    likely = did_you_mean(word, getattr(ctx.command, "commands", ()))
    elsewhere = [line for line in _lines(ctx.find_root().command) if line.split()[-1] == word]
    if elsewhere and not likely:
        likely = _("did you mean `{command}`?").format(command=f"agsekit {elsewhere[0]}")
    return UsageError(
        _("`{command}` has no command {word}").format(command=ctx.command_path, word=repr(word)),
        hint=_joined(likely, see_help(ctx)),
    )


def _lines(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        yield before + name
        if hasattr(command, "commands"):
            yield from _lines(command, f"{before}{name} ")


def see_help(ctx: Any) -> str:
    """Return the hint that leads to the help of a command."""
    return _("see `{command} --help`").format(command=ctx.command_path)


def _joined(*sentences: str | None) -> str:
    return " ".join(filter(None, sentences))
