"""What is left out of a snapshot, where that goes beyond git."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from agsekit_storage.ignore import IgnoreRules, Verdict

INCLUDE, IGNORE, ENTER = Verdict.INCLUDE, Verdict.IGNORE, Verdict.ENTER


def judge(
    path: bytes,
    root: bytes = b"",
    *,
    exclude: Sequence[bytes] = (),
    files: Mapping[bytes, bytes] | None = None,
) -> Verdict:
    """Judge one path, a folder when it ends in a slash, the way a walk gets to it."""
    rules = IgnoreRules.compile(exclude, {b"": root, **(files or {})}).root()
    *folders, name = path.rstrip(b"/").split(b"/")
    for folder in folders:
        if rules.judge(folder, True) is IGNORE:
            return IGNORE
        rules = rules.enter(folder)
    return rules.judge(name, path.endswith(b"/"))


def test_the_last_rule_that_matches_decides() -> None:
    assert judge(b"a.log", b"*.log\n!a.log\n") is INCLUDE
    assert judge(b"a.log", b"!a.log\n*.log\n") is IGNORE


def test_a_negation_brings_back_a_path_inside_an_ignored_folder() -> None:
    rules = b"logs/\n!logs/important.log\n"

    assert judge(b"logs/", rules) is ENTER
    assert judge(b"logs/important.log", rules) is INCLUDE
    assert judge(b"logs/other.log", rules) is IGNORE


def test_a_negation_before_the_rule_that_ignores_the_folder_brings_nothing_back() -> None:
    rules = b"!*.md\nnode_modules/\n"

    assert judge(b"node_modules/", rules) is IGNORE
    assert judge(b"README.md", rules) is INCLUDE


def test_a_negation_after_the_rule_that_ignores_the_folder_reaches_any_depth() -> None:
    rules = b"node_modules/\n!*.md\n"

    assert judge(b"node_modules/a/b/README.md", rules) is INCLUDE
    assert judge(b"node_modules/a/b/", rules) is ENTER
    assert judge(b"node_modules/a/b/index.js", rules) is IGNORE


def test_a_folder_that_is_brought_back_brings_what_is_in_it() -> None:
    rules = b"out/\n!out/keep/\n"

    assert judge(b"out/keep/", rules) is INCLUDE
    assert judge(b"out/keep/deep/file", rules) is INCLUDE
    assert judge(b"out/lost/file", rules) is IGNORE


def test_a_stronger_rule_inside_an_ignored_folder_needs_a_stronger_negation_still() -> None:
    rules = b"out/\n!a\nsub/\n!b\n"

    assert judge(b"out/a", rules) is INCLUDE
    assert judge(b"out/sub/a", rules) is IGNORE
    assert judge(b"out/sub/b", rules) is INCLUDE


def test_an_ignored_folder_is_only_entered_where_a_negation_can_match() -> None:
    rules = b"/out/\n/other/\n!out/a/b/c\n"

    assert judge(b"other/", rules) is IGNORE
    assert judge(b"out/", rules) is ENTER
    assert judge(b"out/x/", rules) is IGNORE
    assert judge(b"out/a/", rules) is ENTER
    assert judge(b"out/a/b/d/", rules) is IGNORE
    assert judge(b"out/", b"/out/\n/out/a/b\n") is IGNORE


def test_no_rule_file_brings_back_what_an_exclude_hides() -> None:
    files = {b"": b"!secret\n!*\n!/secret\n", b"sub": b"!secret\n"}

    assert judge(b"secret", exclude=[b"secret"], files=files) is IGNORE
    assert judge(b"sub/secret", exclude=[b"secret"], files=files) is IGNORE
    assert judge(b"sub/", exclude=[b"sub/"], files=files) is IGNORE


def test_an_exclude_that_is_a_negation_counts_against_every_other_rule() -> None:
    assert judge(b"a.log", exclude=[b"*.log", b"!a.log"]) is INCLUDE
    assert judge(b"a.log", b"*.log\n", exclude=[b"!a.log"]) is INCLUDE


def test_excludes_are_taken_as_they_are() -> None:
    assert judge(b"#x", exclude=[b"#x"]) is IGNORE
    assert judge(b"x ", exclude=[b"x "]) is IGNORE
    assert judge(b"x", exclude=[b"x "]) is INCLUDE


def test_excludes_are_relative_to_the_source() -> None:
    assert judge(b"a/b", exclude=[b"/b"]) is INCLUDE
    assert judge(b"b", exclude=[b"/b"]) is IGNORE


def test_a_deeper_file_wins_over_the_one_above_and_speaks_for_its_own_folder_only() -> None:
    files = {b"": b"*.log\n!/x\n", b"sub": b"!*.log\n/x\n"}

    assert judge(b"sub/a.log", files=files) is INCLUDE
    assert judge(b"a.log", files=files) is IGNORE
    assert judge(b"sub/x", files=files) is IGNORE
    assert judge(b"sub/sub/x", files=files) is INCLUDE


def test_a_rule_file_below_an_ignored_folder_has_no_say() -> None:
    files = {b"": b"out/\n!keep\n", b"out": b"!other\n"}

    assert judge(b"out/keep", files=files) is INCLUDE
    assert judge(b"out/other", files=files) is IGNORE


def test_a_rule_file_in_a_folder_that_was_brought_back_is_heeded() -> None:
    files = {b"": b"out/\n!out/keep/\n", b"out/keep": b"*.o\n"}

    assert judge(b"out/keep/a.o", files=files) is IGNORE


def test_a_file_found_during_the_walk_is_the_same_as_one_known_before() -> None:
    rules = IgnoreRules.compile([b"y"], {}).root().with_file(b"", b"a/x\n*.o\n")
    below = rules.enter(b"a").with_file(b"a", b"!*.o\n!y\n")

    assert [below.judge(name, False) for name in (b"x", b"y", b"z.o")] == [IGNORE, IGNORE, INCLUDE]
    assert rules.judge(b"z.o", False) is IGNORE


@pytest.mark.parametrize("rules", [b"*", b".*", b".backupignore", b"/.backupignore", b"**/.backup*"])
def test_rule_files_are_always_included(rules: bytes) -> None:
    assert judge(b".backupignore", rules, exclude=[rules]) is INCLUDE


def test_a_rule_file_inside_an_ignored_folder_is_ignored_like_the_rest() -> None:
    assert judge(b"out/.backupignore", b"out/\n!x\n") is IGNORE


def test_a_folder_called_like_a_rule_file_can_be_ignored() -> None:
    assert judge(b".backupignore/", b".backup*\n") is IGNORE


def test_the_folder_says_whether_it_is_excluded() -> None:
    rules = IgnoreRules.compile([], {b"": b"out/\n!keep/\n"}).root()

    assert not rules.excluded
    assert rules.enter(b"out").excluded
    assert not rules.enter(b"out").enter(b"keep").excluded


def test_names_and_patterns_need_not_be_text() -> None:
    assert judge(b"\xff\xfe", b"\xff?\n") is IGNORE
    assert judge(b"a\nb", b"a?b\n") is IGNORE
    assert judge(b"\xc3\xa9", b"?\n") is INCLUDE


def test_every_difference_in_the_rules_changes_the_fingerprint() -> None:
    sets: list[tuple[list[bytes], dict[bytes, bytes]]] = [
        ([], {}),
        ([b""], {}),
        ([b"a"], {}),
        ([b"ab"], {}),
        ([b"a", b"b"], {}),
        ([b"b", b"a"], {}),
        ([b"a", b""], {}),
        ([], {b"": b"a"}),
        ([], {b"a": b""}),
        ([], {b"": b"", b"a": b""}),
        ([b"a"], {b"": b"a"}),
    ]

    fingerprints = [IgnoreRules.compile(exclude, files).fingerprint for exclude, files in sets]

    assert len(set(fingerprints)) == len(sets)
    assert fingerprints == [IgnoreRules.compile(exclude, files).fingerprint for exclude, files in sets]
