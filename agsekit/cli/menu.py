"""The menu of `agsekit` without a command: what there is, by noun, and then what the command needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from agsekit.cli import asking, candidates, interactive, render
from agsekit.cli.candidates import Candidate
from agsekit.cli.commands import Entry, panels
from agsekit.cli.context import Context
from agsekit.cli.help_pages import name_of
from agsekit.config.select import mount_for
from agsekit.i18n import _


def open_menu(ctx: Any, context: Context) -> Any:
    """Have the user pick a command of the group of `ctx`, ask for what it takes, show its line, and run it.

    Raises:
        typer.Abort: the user picks nothing.
    """
    group = ctx.command_path.partition(" ")[2]
    entry = _pick(group)
    root = ctx.find_root()
    found = root
    for word in entry.words.split()[:-1]:
        found = found.command.commands[word].make_context(word, [], parent=found, resilient_parsing=True)
    name = entry.words.split()[-1]
    command = found.command.commands[name]
    words = _words_for(context, command.made())
    render.say(render.shell_line(["agsekit", *entry.words.split(), *words]))
    chosen = command.make_context(name, words, parent=found)
    with chosen:
        return chosen.command.invoke(chosen)


def _pick(group: str) -> Entry:
    found = [(title, [each for each in entries if each.where]) for title, entries in panels()]
    if group:
        of_group = [each for _title, entries in found for each in entries if each.words.startswith(f"{group} ")]
        return _entry(of_group)
    titles = [Candidate(title, ", ".join(_nouns(entries))) for title, entries in found]
    title = interactive.select(_("What is it about?"), titles, flag="agsekit COMMAND")
    return _entry(dict(found)[title])


def _nouns(entries: Sequence[Entry]) -> Sequence[str]:
    return list(dict.fromkeys(each.words.split()[0] for each in entries))


def _entry(entries: Sequence[Entry]) -> Entry:
    listed = [Candidate(each.words, each.summary.rstrip(".")) for each in entries]
    words = interactive.select(_("Which command?"), listed, flag="agsekit COMMAND")
    return next(each for each in entries if each.words == words)


def _words_for(context: Context, command: Any) -> list[str]:
    """Ask for what the command needs, and for the snapshot it is about; what it asks for itself is left to it."""
    options: list[str] = []
    arguments: list[str] = []
    folder = _folder(context) if any(each.name == "source_dir" for each in command.params) else None
    for parameter in command.params:
        positional = parameter.param_type_name == "argument"
        if parameter.name == "source_dir":
            if folder is not None:
                arguments.extend([str(folder)] if positional else [])
                options.extend([] if positional else [name_of(parameter), str(folder)])
        elif positional and (parameter.required or parameter.metavar in ("RUN", "SNAPSHOT")):
            arguments.append(asking.value(context, parameter, source=folder))
    return [*options, *arguments]


def _folder(context: Context) -> Optional[Path]:
    """Return the mount that the user wants, None when it is the one around the working folder."""
    config = context.load_config()
    if not config.mounts or mount_for(config, context.working_folder()):
        return None
    found = candidates.find("MOUNT", context, source=None, backup=None)
    if len(found) == 1:
        return Path(found[0].value)
    return Path(interactive.select(asking.question("MOUNT"), found, flag="--source-dir"))
