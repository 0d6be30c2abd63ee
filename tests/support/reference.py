"""What is made from the commands themselves: the page docs/commands.md, and the table that completion reads.

`python -m tests.support.reference` writes both; tests hold them fresh.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agsekit.cli import candidates, help_pages
from agsekit.cli.commands import panels
from agsekit.cli.completion import TABLE
from agsekit.cli.helping import exit_codes
from agsekit.cli.main import build
from agsekit.i18n import _

Rows = Sequence[tuple[str, str]]

PAGE = Path(__file__).resolve().parents[2] / "docs/commands.md"
_HEAD = """\
# Commands

Made from the code by `python -m tests.support.reference`; a change here is lost.

Every command explains itself: `agsekit COMMAND -h`, or `agsekit help COMMAND`. The options that all commands have may
stand anywhere on the line. Results go to standard output and everything else to standard error; nothing is asked
unless both standard input and output are terminals.
"""


def contexts() -> Iterator[tuple[str, str, Any]]:
    """Return the title of the panel, the words, and the context of every command and group, none of them run."""
    root = build().make_context("agsekit", [], resilient_parsing=True)
    for title, entries in panels():
        for entry in entries:
            found = root
            for word in entry.words.split():
                found = found.command.commands[word].make_context(word, [], parent=found, resilient_parsing=True)
            yield title, entry.words, found


def own_part(line: str) -> list[str]:
    """Return the words of an example up to what the shell does with the rest."""
    words = shlex.split(line)
    ends = [number for number, word in enumerate(words) if word in (">", "|", "&&")]
    return words[: ends[0]] if ends else words


def text() -> str:
    """Return the page."""
    parts = [_HEAD]
    common: Rows = []
    last = None
    for title, words, ctx in contexts():
        if title != last:
            parts.append(f"## {title}\n")
        last = title
        rows = dict(help_pages.option_rows(ctx.command, ctx))
        common = rows.pop(_("Common options"))
        parts.append(f"### agsekit {words}\n")
        parts.extend(
            [f"{ctx.command.help}\n"] if hasattr(ctx.command, "commands") else _command(words, ctx, rows.values())
        )
    parts.append("## Options of all commands\n")
    parts.append(_table("option", [*common, ("-h, --help", _("Show this message and exit."))]))
    parts.append("## Exit codes\n\nNew ones may be added; an unknown one means failure.\n")
    parts.append(_table("code", [(str(int(code)), what) for code, what in exit_codes().items()]))
    return "\n".join(parts)


def _command(words: str, ctx: Any, panels: Iterable[Rows]) -> Iterator[str]:
    page = ctx.command.page
    usage = " ".join(["agsekit", words, *help_pages.usage_pieces(ctx.command, ctx), *ctx.command.last_pieces])
    yield f"{ctx.command.help} {page.details}".rstrip() + "\n"
    yield f"```\n{usage}\n```\n"
    rows = [row for panel in panels for row in panel if row[0] != "-h, --help"]
    if rows:
        yield _table("argument or option", rows)
    if page.examples:
        yield "\n".join(["```sh", *(f"# {purpose}\n{line}" for purpose, line in page.examples), "```\n"])


def _table(title: str, rows: Rows) -> str:
    lines = [f"| {title} | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {meaning} |" for name, meaning in rows)]) + "\n"


def table() -> str:
    """Return the table that completion reads, one line a command."""
    found: dict[str, Any] = {}
    root = build().make_context("agsekit", [], resilient_parsing=True)
    found["*"] = {"options": _options(root, common=True)}
    found[""] = {"options": _options(root), "arguments": None}
    for _title, words, ctx in contexts():
        arguments = [each for each in ctx.command.get_params(ctx) if each.param_type_name == "argument"]
        known: dict[str, Any] = {
            "summary": ctx.command.help,
            "options": _options(ctx),
            "arguments": None if hasattr(ctx.command, "commands") else [_kind(each) for each in arguments],
        }
        if arguments:
            known["many"] = any(each.nargs == -1 for each in arguments)
        if not getattr(ctx.command, "allow_interspersed_args", True) and arguments:
            known["handing"] = True
        found[words] = known
    lines = ",\n".join(f"{json.dumps(words)}: {json.dumps(known)}" for words, known in found.items())
    return f"{{\n{lines}\n}}\n"


def _options(ctx: Any, *, common: bool = False) -> dict[str, Any]:
    """Return the options: those of all commands, or those of one."""
    options = [each for each in ctx.command.get_params(ctx) if each.param_type_name == "option" and not each.hidden]
    chosen = [each for each in options if common == (each.name == "help" or each.rich_help_panel is not None)]
    return {
        name: [
            "" if each.is_flag else _kind(each),
            _("Show this message and exit.") if each.name == "help" else each.help,
        ]
        for each in chosen
        for name in (*sorted(each.opts, key=len, reverse=True), *each.secondary_opts)
    }


def _kind(parameter: Any) -> str:
    words = re.findall("[A-Z_]+", parameter.metavar)
    return candidates.kind_of(parameter.metavar, parameter.name) or " ".join(words)


if __name__ == "__main__":
    os.environ["AGSEKIT_LANG"] = "en"
    PAGE.write_text(text(), encoding="utf-8")
    TABLE.write_text(table(), encoding="utf-8")
