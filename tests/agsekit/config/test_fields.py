from __future__ import annotations

from collections.abc import Callable

import pytest

from agsekit.config import fields


@pytest.mark.parametrize("text", ["a", "agent-ubuntu", "Vm2", "a" * 63])
def test_a_vm_name_is_one_that_multipass_accepts(text: str) -> None:
    assert fields.parse_vm_name(text) == text


@pytest.mark.parametrize("text", ["", "1bad", "bad_name", "-a", "a-", "a.b", "a/b", "a\n", "a" * 64, "\u00e9"])
def test_a_vm_name_refuses_what_multipass_refuses(text: str) -> None:
    with pytest.raises(fields.InvalidValueError):
        fields.parse_vm_name(text)


def test_an_agent_name_may_have_underscores() -> None:
    assert fields.parse_agent_name("my_tool") == "my_tool"

    with pytest.raises(fields.InvalidValueError):
        fields.parse_agent_name("--my_tool")


@pytest.mark.parametrize("parse", [fields.parse_variable_value, fields.parse_argument])
def test_a_text_for_a_program_may_have_lines_but_no_nul(parse: Callable[[str], str]) -> None:
    assert parse("two\nlines") == "two\nlines"

    with pytest.raises(fields.InvalidValueError) as raised:
        parse("sk-secret\0")
    assert "sk-secret" not in str(raised.value)


def test_a_word_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(fields.InvalidValueError, match="did you mean 'bubblewrap'"):
        fields.parse_engine("bublewrap")


def test_the_alias_of_an_agent_type_gives_its_own_name() -> None:
    assert fields.parse_agent_type("claude") == "claude-code"
