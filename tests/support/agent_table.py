"""The table of agent types in docs/agents.md, made from `agent_scripts/types.json`.

`python -m tests.support.agent_table` writes it; a test holds it fresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agsekit.agent_types import AgentType, agent_types

PAGE = Path(__file__).resolve().parents[2] / "docs/agents.md"
BEGIN = "<!-- Made by `python -m tests.support.agent_table`; a change here is lost. -->\n"
END = "<!-- end -->\n"
_TITLES = ("type", "what it is", "program", "version", "needs", "turns approvals off", "keys", "state", "proxy")


def text() -> str:
    """Return the table in Markdown."""
    rows = [_TITLES, ("---",) * len(_TITLES), *(_row(each) for each in agent_types().values() if each.script)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def page() -> str:
    """Return the page as it has to be."""
    before, _begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + text() + END + rest.partition(END)[2]


def _row(each: AgentType) -> tuple[str, ...]:
    name = f"`{each.name}`" + "".join(f", `{alias}`" for alias in each.aliases)
    needs = f"Node {each.node}" if each.node else f"Python {each.python}" if each.python else "—"
    off = each.approvals_off
    approvals = " ".join([*off.arguments, *(f"{key}={value}" for key, value in off.environment.items())])
    state = _codes(f"~/{path}" for path in each.state)
    columns = (name, each.title, f"`{each.binary}`", str(each.version), needs, f"`{approvals}`")
    return (*columns, _codes(each.keys), state, ", ".join(each.proxy))


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
