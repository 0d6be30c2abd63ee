from __future__ import annotations

import pytest

from agsekit.agents.told import without_secrets


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--openai-api-key=sk-12345", "--openai-api-key=***"),
        ("OPENAI_API_KEY=abc", "OPENAI_API_KEY=***"),
        ("--header=Authorization: Bearer abcdefgh", "--header=Authorization: ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("http://me:hidden@proxy:8080/", "http://***@proxy:8080/"),
        ("use sk-proj-abcdefghijklmnop for it", "use *** for it"),
        ("ghp_0123456789abcdefghij", "***"),
        ("say the-value-of-env twice", "say *** twice"),
    ],
)
def test_what_could_be_a_secret_is_not_told(argument: str, told: str) -> None:
    assert without_secrets([argument], ["the-value-of-env", "ab"]) == (told,)


def test_the_value_behind_an_option_with_such_a_name_is_not_told_either() -> None:
    assert without_secrets(["--token", "hidden", "--password", "-v", "--model", "fast"]) == (
        "--token",
        "***",
        "--password",
        "-v",
        "--model",
        "fast",
    )


@pytest.mark.parametrize(
    "argument", ["--approval-mode=yolo", "fix the author of the keyboard driver", "-p", "src/a.py"]
)
def test_what_is_no_secret_is_told_as_it_is(argument: str) -> None:
    assert without_secrets([argument], ["abc"]) == (argument,)


def test_long_arguments_are_cut_and_many_end_in_an_ellipsis() -> None:
    told = without_secrets(["x" * 5000] * 20)

    assert len(told[0]) == 200
    assert told[-1] == "…"
    assert sum(map(len, told)) < 1200
