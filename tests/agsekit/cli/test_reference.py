"""The page docs/commands.md, and the examples that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from agsekit.cli.completion import TABLE
from tests.support.reference import PAGE, contexts, own_part, table, text

COMMANDS = [(words, ctx) for _title, words, ctx in contexts() if not hasattr(ctx.command, "commands")]


@pytest.mark.parametrize(("words", "ctx"), COMMANDS, ids=[words for words, _ctx in COMMANDS])
def test_every_command_has_examples_of_its_own(words: str, ctx: Any) -> None:
    examples = [line for _purpose, line in ctx.command.page.examples]

    assert examples, f"give `agsekit {words}` examples with @page(…) at its function; see agsekit/cli/pages.py"
    assert all(words.split()[-1] in own_part(line) for line in examples)


def test_the_page_about_commands_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSEKIT_LANG", "en")

    assert PAGE.read_text(encoding="utf-8") == text(), "run: python -m tests.support.reference"


def test_the_table_that_completion_reads_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSEKIT_LANG", "en")

    assert TABLE.read_text(encoding="utf-8") == table(), "run: python -m tests.support.reference"
