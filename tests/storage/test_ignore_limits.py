"""What a rule file written by an agent can do to us: be reported, and nothing more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agsekit_storage.ignore import IgnoreRules, Verdict
from agsekit_storage.rules import LARGEST_COST, parse_file
from agsekit_storage.wildmatch import parse_pattern

INCLUDE, IGNORE = Verdict.INCLUDE, Verdict.IGNORE


@pytest.mark.parametrize("line", [b"[a", b"a\\", b"[[:word:]]", b"/", b"!", b"a//b", b"//", b"[/]"])
def test_a_line_that_matches_nothing_is_reported_and_the_rest_is_used(line: bytes) -> None:
    rules = IgnoreRules.compile([], {b"sub": b"# comment\n\n" + line + b"\n*.o\n"})

    assert len(rules.problems) == 1
    assert rules.problems[0].startswith("sub/.backupignore:3: ")
    assert rules.root().enter(b"sub").judge(b"a.o", False) is IGNORE


def test_an_exclude_that_matches_nothing_is_reported_with_its_number() -> None:
    (problem,) = IgnoreRules.compile([b"a", b"[\xff"], {}).problems

    assert problem.startswith("exclude:2: ")
    assert problem.isprintable()


def test_a_file_added_during_the_walk_tells_its_problems() -> None:
    rules = IgnoreRules.compile([], {}).root()

    (problem,) = rules.with_file(b"a", b"[").problems

    assert problem.startswith("a/.backupignore:1: ")


def test_a_file_full_of_rules_is_used_up_to_a_limit_and_that_is_reported() -> None:
    content = b"".join(b"%d\n" % number for number in range(150_000))

    rules = IgnoreRules.compile([], {b"": content})

    (problem,) = rules.problems
    assert problem.startswith(f".backupignore:{LARGEST_COST + 1}: too many rules")
    assert rules.root().judge(b"%d" % (LARGEST_COST - 1), False) is IGNORE
    assert rules.root().judge(b"%d" % LARGEST_COST, False) is INCLUDE


def test_the_limit_holds_for_all_files_on_the_way_to_a_folder_together() -> None:
    content = b"".join(b"%d\n" % number for number in range(LARGEST_COST - 1))
    rules = IgnoreRules.compile([b"z"], {b"": content}).root().enter(b"a")

    nested = rules.with_file(b"a", b"x\ny\n")

    assert [nested.judge(name, False) for name in (b"x", b"y", b"z")] == [IGNORE, INCLUDE, IGNORE]
    assert [problem.split(":")[1] for problem in nested.problems] == ["2"]


def test_dear_patterns_count_as_several() -> None:
    content = b"".join(b"*%d[a-z][a-z]*\n" % number for number in range(50_000))

    rules = parse_file("file", content, 0, LARGEST_COST)

    assert int(rules.problems[0].split(":")[1]) < LARGEST_COST / 20


def test_reports_of_a_file_full_of_rubbish_stay_few() -> None:
    assert len(IgnoreRules.compile([], {b"": b"[\n" * 500_000}).problems) < 200


def test_a_line_longer_than_any_path_is_not_used() -> None:
    (problem,) = IgnoreRules.compile([], {b"": b"a*" * 4000}).problems

    assert "4096" in problem


HOSTILE = [
    b"*a" * 100 + b"b",
    b"*a*" * 60 + b"b",
    b"*?" * 100 + b"b",
    b"*[a-z]" * 60 + b"[0-9]",
    b"*[ab]a" * 60 + b"*b",
    b"a*" * 400 + b"b",
    b"/" + b"**/*a*a*a/" * 60 + b"b",
    b"/" + b"*a*a*a*b/**/" * 40 + b"b",
    b"/" + b"**/" * 1000 + b"b",
    b"/" + b"**/a/" * 400 + b"b",
    b"/" + b"*/**/" * 400 + b"b",
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_makes_the_matcher_try_again_and_again(pattern: bytes) -> None:
    script = (
        "import sys\n"
        "from agsekit_storage.ignore import IgnoreRules\n"
        "rules = IgnoreRules.compile([], {b'': b'*x\\n!' + sys.stdin.buffer.read()})\n"
        "assert not rules.problems\n"
        "rules = rules.root()\n"
        "for _ in range(16):\n"
        "    rules.judge(b'a' * 255, True), rules.judge(b'a' * 255, False)\n"
        "    rules = rules.enter(b'a' * 255)\n"
        "for _ in range(1700):\n"
        "    rules.judge(b'a', True), rules.judge(b'a', False)\n"
        "    rules = rules.enter(b'a')\n"
    )

    # Backtracking would take longer than the sun will shine, so the limit is no measurement.
    subprocess.run([sys.executable, "-c", script], input=pattern, timeout=120, check=True)


def test_paths_reached_in_several_ways_are_followed_once() -> None:
    rules = IgnoreRules.compile([], {b"": b"/" + b"**/a/" * 20 + b"b\n"}).root()
    for _ in range(100):
        rules = rules.enter(b"a")

    assert len(rules._positions) <= 21


@pytest.mark.parametrize(
    ("pattern", "simple"),
    [(b"a", True), (b"*.o", True), (b"a*", True), (b"[Bb]in", True), (b"*.py[co]", True), (b"a*b", False)],
)
def test_plain_patterns_need_no_regular_expression(pattern: bytes, simple: bool) -> None:
    (step,) = parse_pattern(pattern)

    assert (not step.pattern.regex) is simple
