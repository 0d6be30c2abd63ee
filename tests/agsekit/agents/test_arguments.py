from __future__ import annotations

import pytest

from agsekit.agents.arguments import merge_arguments


@pytest.mark.parametrize(
    ("defaults", "given", "expected"),
    [
        ([], [], []),
        (["--yolo"], [], ["--yolo"]),
        (["--yolo"], ["task"], ["--yolo", "task"]),
        (["--mode=yolo"], ["--mode=plan"], ["--mode=plan"]),
        (["--mode=yolo"], ["--mode", "plan"], ["--mode", "plan"]),
        (["--mode", "yolo"], ["--mode=plan"], ["--mode=plan"]),
        (["--mode", "yolo", "--verbose"], ["--mode", "plan"], ["--verbose", "--mode", "plan"]),
        (["--files", "a", "b", "--verbose"], ["--files", "c"], ["--verbose", "--files", "c"]),
        (["--mode=yolo"], ["--model=big"], ["--mode=yolo", "--model=big"]),
        (["-m", "small"], ["-m", "big"], ["-m", "big"]),
        (["-m", "small"], ["--m", "big"], ["-m", "small", "--m", "big"]),
        (["--level", "-1", "--x"], ["--level=2"], ["--x", "--level=2"]),
        (["--mode=yolo"], ["--", "--mode=plan"], ["--mode=yolo", "--", "--mode=plan"]),
        (["--mode=yolo"], ["-"], ["--mode=yolo", "-"]),
        (["exec", "--mode=yolo"], ["--mode=plan"], ["exec", "--mode=plan"]),
    ],
)
def test_a_default_gives_way_to_an_option_of_the_same_name(
    defaults: list[str], given: list[str], expected: list[str]
) -> None:
    assert merge_arguments(defaults, given) == expected
