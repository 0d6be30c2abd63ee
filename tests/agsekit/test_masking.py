from __future__ import annotations

from collections.abc import Sequence

import pytest

from agsekit.masking import masked


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["agent", "--openai-api-key=sk-1"], ["agent", "--openai-api-key=***"]),
        (["agent", "--openai-api-key", "sk-1", "task"], ["agent", "--openai-api-key", "***", "task"]),
        (["agent", "--token", "--fast"], ["agent", "--token", "--fast"]),
        (["agent", "-key", "x"], ["agent", "-key", "***"]),
        (["env", "OPENAI_API_KEY=sk-1", "agent"], ["env", "OPENAI_API_KEY=***", "agent"]),
        (["env", "PASSWORD=a=b"], ["env", "PASSWORD=***"]),
        (["ssh", "-o", "HostKeyAlias=agsekit-box", "-o", "PasswordAuthentication=no"],) * 2,
        (["agent", "--keyboard", "de", "--author=me", "fix the keyboard"],) * 2,
        (["sh", "-c", "echo", ""],) * 2,
    ],
)
def test_what_options_and_variables_hold_whose_names_tell_is_masked(
    argv: Sequence[str], expected: Sequence[str]
) -> None:
    assert masked(argv) == expected


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("s3cret", "***"),
        ("--header=Bearer s3cret!", "--header=Bearer ***!"),
        ("s3cret-and-more", "***"),
        ("abc", "***"),
        ("--mode=abc", "--mode=***"),
        ("abcdef", "abcdef"),
        ("two\nlines", "***"),
    ],
)
def test_a_known_secret_is_masked_wherever_it_stands_and_a_short_one_where_it_is_the_whole(
    word: str, shown: str
) -> None:
    assert masked([word], {"s3cret", "s3cret-and-more", "abc", "two\nlines", ""}) == [shown]
