"""What could come next on a command line, for the completion of shells.

This runs at every press of a key, so it knows the commands from a file, made from the code by
`python -m tests.support.reference`, and imports neither the framework nor the commands. It calls no engine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from agsekit import i18n

TABLE = Path(__file__).with_name("completions.json")
SHELLS = ("bash", "zsh", "fish")
FILES, FOLDERS = ":files", ":folders"
"""Answers that have the shell complete names of files or folders itself."""

_OF_THE_SHELL = {"FILE": FILES, "PATH": FILES, "FOLDER": FOLDERS, "MOUNT": FOLDERS, "SSH_ARGS": FILES, "ARGS": FILES}


@dataclass
class Line:
    """What stands on the command line before the word that is completed.

    Attributes:
        command: the words of the command.
        options: the values of options.
        arguments: the other words after the command.
        pending: the option whose value is completed, if any.
        passing: what follows is for another program.
    """

    command: str = ""
    options: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    pending: Optional[str] = None
    passing: bool = False


def main(words: Sequence[str]) -> int:
    """Answer `SHELL INDEX WORDS...`, of which the one at the index, counted from 0, is completed.

    Prints a line for each word that fits, with a tab and a note about it where the shell shows notes.
    """
    shell, index, *line = words
    position = int(index)
    before, current = line[1:position], line[position] if position < len(line) else ""
    prefix = ""
    if shell == "bash":
        before, current = _joined(before, current)
    elif current.startswith("--") and "=" in current:
        prefix = current.partition("=")[0] + "="
    for value, note in _answers(before, current):
        text = value if value.startswith(":") else prefix + value
        sys.stdout.write(f"{text}\t{note}\n" if note and shell != "bash" else f"{text}\n")
    return 0


def _joined(before: list[str], current: str) -> tuple[list[str], str]:
    """Join what bash takes apart at `=`."""
    if before and current == "=":
        return before[:-1], f"{before[-1]}="
    if len(before) > 1 and before[-1] == "=":
        return before[:-2], f"{before[-2]}={current}"
    joined: list[str] = []
    for word in before:
        if joined and (word == "=" or (joined[-1].startswith("--") and joined[-1].endswith("="))):
            joined[-1] += word
        else:
            joined.append(word)
    return joined, current


def _answers(before: Sequence[str], current: str) -> Iterator[tuple[str, str]]:
    table: Mapping[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    line = read(table, before)
    known = table.get(line.command)
    if known is None:
        return
    options = {**table["*"]["options"], **known["options"]}
    if line.pending is None and not line.passing and current.startswith("-"):
        name, equals, value = current.partition("=")
        if not equals:
            yield from ((each, i18n._(about)) for each, (_kind, about) in options.items() if each.startswith(current))
            return
        line.pending, current = name, value
    if line.pending is not None:
        yield from _values(options.get(line.pending, ("", ""))[0], line, current)
    elif line.passing:
        yield FILES, ""
    elif known["arguments"] is None:
        yield from _commands(table, line.command, current)
    elif known["arguments"] == ["COMMAND"]:
        yield from _commands(table, " ".join(line.arguments), current)
    elif known["arguments"]:
        last = len(known["arguments"]) - 1
        if len(line.arguments) <= last or known["many"]:
            yield from _values(known["arguments"][min(len(line.arguments), last)], line, current)


def read(table: Mapping[str, Any], words: Sequence[str]) -> Line:
    """Return what words mean, by the table of commands: `{words: {options: {name: [kind, help]}, arguments, …}}`."""
    line = Line()
    for word in words:
        known = table.get(line.command, {"options": {}, "arguments": []})
        options = {**table["*"]["options"], **known["options"]}
        if line.pending is not None:
            line.options[line.pending], line.pending = word, None
        elif line.passing:
            continue
        elif word == "--":
            line.passing = True
        elif word.startswith("-"):
            name, equals, value = word.partition("=")
            if equals:
                line.options[name] = value
            elif options.get(name, ("", ""))[0]:
                line.pending = name
        elif known["arguments"] is None:
            line.command = f"{line.command} {word}".strip()
        else:
            line.arguments.append(word)
            line.passing = known.get("handing", False)
    return line


def _commands(table: Mapping[str, Any], group: str, current: str) -> Iterator[tuple[str, str]]:
    for words, known in table.items():
        parent, _space, name = words.rpartition(" ")
        if parent == group and name.startswith(current) and name not in ("", "*"):
            yield name, i18n._(known["summary"])


def _values(kinds: str, line: Line, current: str) -> Iterator[tuple[str, str]]:
    """Return the values of the configuration that fit; the home folder may be written as `~`."""
    from agsekit.errors import AgsekitError
    from agsekit_storage.errors import StorageError

    home = os.path.expanduser("~")
    typed = current.replace("~", home, 1) if current.startswith("~/") else current
    for kind in kinds.split():
        try:
            for value, note in _known(kind, line):
                if value.startswith(typed) and value.isprintable():
                    shown = value.replace(home, "~", 1) if typed != current else value
                    yield shown, note
        except (AgsekitError, StorageError, OSError):
            pass  # a configuration that cannot be used is told about by the command, not while it is being typed
        if kind in _OF_THE_SHELL:
            yield _OF_THE_SHELL[kind], ""


def _known(kind: str, line: Line) -> Sequence[tuple[str, str]]:
    if kind == "SHELL":
        return [(shell, "") for shell in SHELLS]
    if kind in _OF_THE_SHELL and kind != "MOUNT":
        return []
    from agsekit.cli import candidates
    from agsekit.cli.context import Context

    def path(option: str) -> Optional[Path]:
        value = line.options.get(option)
        return Path(os.path.expanduser(value)) if value else None

    context = Context(config_path=path("--config"))
    return candidates.find(kind, context, source=path("--source-dir"), backup=path("--dest-dir"))
