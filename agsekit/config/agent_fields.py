"""What the configuration says about the agents themselves: their environment, and where they may be used."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agsekit.config import fields, folder_fields
from agsekit.config.checks import word_within
from agsekit.config.model import AllowedAgents, EnvValue, FromHost
from agsekit.config.problems import Problems, quoted, with_suggestion
from agsekit.config.tables import Table, entries_of, parsed
from agsekit.config.yaml_nodes import Value
from agsekit.i18n import _

FROM_HOST_KEYS = ("env", "file", "command")


@dataclass(frozen=True)
class Surroundings:
    """What values of the host are read against: the home of the user, and the folders that agents write."""

    home: Path
    sources: Sequence[Path]


def load_env(table: Table, around: Surroundings, problems: Problems) -> dict[str, EnvValue]:
    """Return the environment of an agent: text, or where a value comes from when the agent starts."""
    value = table.get("env")
    env: dict[str, EnvValue] = {}
    for name, entry in entries_of(value, problems) if value else []:
        try:
            fields.parse_variable_name(name)
        except fields.InvalidValueError as error:
            problems.add(entry.line, entry.path, str(error))
        if entry.entries is not None:
            env[name] = _from_host(entry, around, problems) or ""
        else:
            text = "" if entry.is_null else parsed(entry, fields.parse_variable_value, problems)
            env[name] = text or ""
    return env


_FORMS = "{env: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]}"


def _from_host(entry: Value, around: Surroundings, problems: Problems) -> FromHost | None:
    table = Table(entry, FROM_HOST_KEYS, problems)
    kinds = [key for key in FROM_HOST_KEYS if key in table]
    if len(kinds) != 1:
        problems.add(entry.line, entry.path, _("must be a string, or one of {forms}").format(forms=_FORMS))
        return None
    kind = kinds[0]
    words = _words_of(kind, table, around)
    source = word_within(words, around.sources) if kind != "env" else None
    if source is not None:
        # What an agent can write there would be run on the host, or be handed to the next agent.
        problem = _("must not lie in {source}, which agents write; keep it elsewhere")
        table.problem(kind, problem.format(source=quoted(str(source))))
    return FromHost(kind, words, problems.place(entry.line, entry.path)) if words else None


def _words_of(kind: str, table: Table, around: Surroundings) -> tuple[str, ...]:
    if kind == "command":
        words = table.words("command")
        if not any(words[:1]) and "command" not in table.wrong:
            table.problem("command", _("must name a program"))
        return words
    found: Path | str | None
    if kind == "file":
        found = table.required(kind, functools.partial(folder_fields.parse_host_folder, home=around.home))
    else:
        found = table.required(kind, fields.parse_variable_name)
    return () if found is None else (str(found),)


def load_allowed_agents(table: Table, known: Sequence[str]) -> AllowedAgents | None:
    """Return the agents that a VM or a mount lets in; None when it does not say, and an empty list for none."""
    if "allowed-agents" not in table:
        return None
    names = table.texts("allowed-agents", fields.parse_agent_name)
    for name in names:
        if name not in known:
            problem = _("names no agent of this file: {name}").format(name=quoted(name))
            table.warn("allowed-agents", with_suggestion(problem, name, known))
    return AllowedAgents(names, table.place("allowed-agents"))
