from __future__ import annotations

import subprocess

import pytest

from agsekit.cli import render


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, Кириллица, 日本", "plain text, Кириллица, 日本"),
        ("\033[31mred", "\\x1b[31mred"),
        ("a\rb\nc\td\0e\x7f", "a\\x0db\\x0ac\\x09d\\x00e\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe\u2066\ufeff\u200b", "\\u202egnp.exe\\u2066\\ufeff\\u200b"),
        ("latin-\udce9", "latin-\\xe9"),
        ("lone \ud800", "lone \\ud800"),
        ("[red]x[/red]", "[red]x[/red]"),
    ],
)
def test_untrusted_text_is_shown_without_what_a_terminal_would_obey(text: str, expected: str) -> None:
    assert render.safe(text) == expected


@pytest.mark.parametrize(
    "word",
    ["plain", "", "two words", "it's", "$HOME", "\033[31m", "a\nb", "\udce9", "\u202e", "back\\slash'\a", "7\a7"],
)
def test_a_command_line_is_read_by_a_shell_as_it_was_meant(word: str) -> None:
    line = render.shell_line(["printf", "%s", word])
    said = subprocess.run(["bash", "-c", line], capture_output=True, check=True, env={"LC_ALL": "C"}).stdout

    assert said == word.encode("utf-8", "surrogateescape")
    assert line == render.safe(line)


def test_a_table_lines_its_columns_up_and_ends_no_line_with_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [("Name", "left"), ("Size", "right"), ("", "left")]

    render.table(columns, [("a", "10 KB", ""), ("longer", "9 B", "pinned")])

    assert capsys.readouterr().out.splitlines() == [
        "Name     Size",
        "a       10 KB",
        "longer    9 B  pinned",
    ]


def test_a_column_without_a_title_and_without_content_takes_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    render.table([("", "left"), ("Name", "left")], [("", "a")])

    assert capsys.readouterr().out == "Name\na\n"


def test_an_error_of_several_lines_keeps_them_together(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_error("first\nsecond \033", "do this", "\n".join(map(str, range(9))))

    assert capsys.readouterr().err.splitlines() == [
        "error: first",
        "       second \\x1b",
        *(f"       {number}" for number in range(4, 9)),
        "hint: do this",
    ]


def test_a_refusal_of_the_system_names_what_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_failure(PermissionError(13, "Permission denied", "/some/where"))

    assert capsys.readouterr().err == "error: /some/where: Permission denied\n"
