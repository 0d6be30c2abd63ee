"""Help pages in plain text, grouped by panel: the framework's own pages cost more time than most commands.

They are alike with every release of the framework, and every word of them can be translated.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agsekit.i18n import _

Rows = Mapping[str, Sequence[tuple[str, str]]]

_WIDEST_NAME = 24
_NARROWEST_TEXT = 20


def name_of(parameter: Any) -> str:
    """Return what people call a parameter: `VM`, or `--vm` for an option."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper())


def usage_pieces(command: Any, ctx: Any) -> list[str]:
    """Return the words of the usage line after the name of the command."""
    pieces = [_("[OPTIONS]")]
    for parameter in command.get_params(ctx):
        name = name_of(parameter)
        if parameter.param_type_name == "option":
            if parameter.required:
                pieces.append(f"{name} {parameter.metavar}")
            continue
        if not parameter.required and not name.startswith("["):
            name = f"[{name}]" + "..." * (parameter.nargs == -1)
        pieces.append(name)
    return pieces


def option_rows(command: Any, ctx: Any) -> Rows:
    """Return the lines about arguments and options, by the title of their panel."""
    rows: dict[str, list[tuple[str, str]]] = {}
    parameters = [each for each in command.get_params(ctx) if not getattr(each, "hidden", False)]
    common = {id(each) for each in parameters if _panel(each, "")}
    for parameter in sorted(parameters, key=lambda each: id(each) in common):
        usual = _("Arguments") if parameter.param_type_name == "argument" else _("Options")
        rows.setdefault(_panel(parameter, usual), []).append((_spelling(parameter), _meaning(parameter)))
    return rows


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return name_of(parameter)
    names = ", ".join([*sorted(parameter.opts, key=len), *parameter.secondary_opts])
    return f"{names} {parameter.metavar}" if parameter.metavar else names


def _meaning(parameter: Any) -> str:
    text = parameter.help or ""
    if parameter.name == "help":
        text = _("Show this message and exit.")
    default = parameter.default
    if getattr(parameter, "show_default", True) and isinstance(default, (str, int)) and not isinstance(default, bool):
        text = f"{text.rstrip('.')} ({_('default: {value}').format(value=default)})."
    return text


def command_rows(group: Any, ctx: Any) -> Rows:
    """Return the lines about the commands of a group, by the title of their panel."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            summary = command.short_help or first_sentence(command.help or "")
            rows.setdefault(_panel(command, _("Commands")), []).append((name, summary))
    return rows


def write(formatter: Any, *tables: Rows) -> None:
    """Write one section for each panel, with the texts of all of them below one another."""
    names = [name for rows in tables for lines in rows.values() for name, _text in lines]
    column = max((len(name) for name in names if len(name) <= _WIDEST_NAME), default=0) + 4
    column = min(column, max(formatter.width - _NARROWEST_TEXT, 8))
    for rows in tables:
        for title, lines in rows.items():
            with formatter.section(title):
                for name, text in lines:
                    formatter.write("".join(f"{line}\n" for line in _row(name, text, column, formatter.width)))


def _row(name: str, text: str, column: int, width: int) -> Iterable[str]:
    first = f"  {name}"
    wrapped = textwrap.wrap(text, width - column, break_on_hyphens=False) or [""]
    if len(first) + 2 <= column:
        first = first.ljust(column) + wrapped.pop(0)
    yield first.rstrip()
    for line in wrapped:
        yield " " * column + line if line else ""


def write_text(formatter: Any, text: str) -> None:
    """Write paragraphs, indented."""
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(text)


def write_examples(formatter: Any, examples: Sequence[tuple[str, str]]) -> None:
    """Write command lines, each below what it is for; they are not wrapped, so that they can be copied."""
    if not examples:
        return
    with formatter.section(_("Examples")):
        for purpose, line in examples:
            formatter.write(f"  # {purpose}\n  {line}\n")


def write_more(formatter: Any, line: str) -> None:
    """Write how to get the help of one command."""
    formatter.write_paragraph()
    formatter.write(_("More on a command, with examples: {line}").format(line=line) + "\n")


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, as one line without the full stop."""
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _panel(item: Any, otherwise: str) -> str:
    panel = getattr(item, "rich_help_panel", None)
    return panel if isinstance(panel, str) else otherwise
