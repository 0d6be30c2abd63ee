"""Help pages in plain text, grouped by panel: the framework's own pages cost more time than most commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agsekit.i18n import _

Rows = dict[str, list[tuple[str, str]]]


def option_rows(command: Any, ctx: Any) -> Rows:
    """Return the lines about arguments and options, by the title of their panel."""
    rows: Rows = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record:
            usual = _("Arguments") if parameter.param_type_name == "argument" else _("Options")
            rows.setdefault(_panel(parameter, usual), []).append(record)
    return rows


def command_rows(group: Any, ctx: Any) -> Rows:
    """Return the lines about the commands of a group, by the title of their panel."""
    rows: Rows = {}
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            summary = command.short_help or first_sentence(command.help or "")
            rows.setdefault(_panel(command, _("Commands")), []).append((name, summary))
    return rows


def write(formatter: Any, rows: Rows) -> None:
    """Write one section for each panel."""
    for title, lines in rows.items():
        with formatter.section(title):
            formatter.write_dl(lines)


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
        indent = " " * formatter.current_indent
        for purpose, line in examples:
            formatter.write(f"{indent}# {purpose}\n{indent}{line}\n")


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text, as one line without the full stop."""
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _panel(item: Any, otherwise: str) -> str:
    panel = getattr(item, "rich_help_panel", None)
    return panel if isinstance(panel, str) else otherwise
