from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from agsekit.config.problems import Problems
from agsekit.config.yaml_nodes import MAX_BYTES, MAX_DEPTH, Value, construct, load_root, read_limited
from agsekit.errors import ConfigError

FILE = Path("config.yaml")


@pytest.fixture(autouse=True, params=["with libyaml", "without libyaml"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSEKIT_LANG", "en")
    if request.param == "without libyaml":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def read(data: bytes) -> Value | None:
    problems = Problems(FILE)
    root = load_root(data, problems)
    problems.raise_if_any()
    return root


def root_of(text: str) -> Value:
    root = read(text.encode())
    assert root is not None
    return root


def entries_of(text: str) -> dict[str, Value]:
    return dict(root_of(text).entries or [])


def failure_of(data: bytes) -> str:
    with pytest.raises(ConfigError) as raised:
        read(data)
    return raised.value.message


@pytest.mark.parametrize("text", ["yes", "on", "1:30", "08", "1_000", "1.10", "0x1f", "2024-01-01", "=", "<<"])
def test_a_plain_value_is_taken_as_it_is_written(text: str) -> None:
    value = entries_of(f"key: {text}")["key"]

    assert value.text == text


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_a_key_without_a_value_is_null(text: str) -> None:
    value = entries_of(f"key: {text}\nnext: 1")["key"]

    assert value.is_null
    assert value.text is None
    assert value.line == 1


def test_null_in_quotes_is_text() -> None:
    assert entries_of("key: 'null'")["key"].text == "null"


def test_a_tagged_value_is_no_text() -> None:
    assert entries_of("key: !keep.log")["key"].text is None


def test_the_line_is_that_of_a_scalar_and_else_of_the_key() -> None:
    entries = entries_of("one:\n  two\nthree:\n\n  - four\n")

    assert entries["one"].line == 2
    assert entries["three"].line == 3
    assert [item.line for item in entries["three"].items or []] == [5]


def test_a_merge_gives_way_to_what_is_written_out() -> None:
    text = "a: &a {x: a, y: a}\nb: &b {y: b, z: b}\nc: {<<: [*a, *b], x: c}\n"

    merged = dict(entries_of(text)["c"].entries or [])

    assert {key: value.text for key, value in merged.items()} == {"x": "c", "y": "a", "z": "b"}
    assert merged["z"].path == "c.z"


def test_keys_given_twice_are_all_named_with_both_lines() -> None:
    message = failure_of(b"a:\n  b: 1\n  c: 1\n  b: 2\na: 3\n")

    assert message.split("\n") == [
        "config.yaml:4: a.b: is given twice, first on line 2",
        "config.yaml:5: a: is given twice, first on line 1",
    ]


def test_a_key_that_differs_only_in_quotes_is_given_twice() -> None:
    assert "is given twice" in failure_of(b"1: a\n'1': b\n")


@pytest.mark.parametrize("text", ["? [a]\n: b", "? {a: b}\n: c", "!x a: b"])
def test_a_key_that_is_no_word_is_refused(text: str) -> None:
    assert "not a plain word" in failure_of(text.encode())


def test_a_merge_of_no_mapping_is_refused() -> None:
    assert "config.yaml:2: b.<<: " in failure_of(b"a: &a 1\nb: {<<: *a}\n").replace("'", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\n b: 2\n", 2),
        ("a: 'open\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: *nowhere\n", 2),
        ("a: 1\nb: *.log\n", 2),
        ("\n\na: &a [*a]\n", 3),
        ("a: 1\nb: \x01\n", 2),
    ],
)
def test_what_is_not_yaml_is_one_problem_with_its_line(text: str, line: int) -> None:
    message = failure_of(text.encode())

    assert message.startswith(f"config.yaml:{line}: ")
    assert "\n" not in message


def test_a_pattern_without_quotes_is_explained() -> None:
    assert "has to be in quotes" in failure_of(b"exclude:\n  - *.log\n")


def test_a_syntax_error_does_not_show_what_stands_around_it() -> None:
    assert "sk-secret" not in failure_of(b"KEY: sk-secret\n bad: [\n")


def test_text_that_is_not_utf8_names_the_line() -> None:
    assert failure_of(b"a: 1\nb: \xff\n") == "config.yaml:2: is not UTF-8 text"


def test_a_byte_order_mark_is_left_out() -> None:
    assert [key for key, _value in root_of("\ufeffa: 1").entries or []] == ["a"]


def test_an_empty_document_has_no_root() -> None:
    assert read(b"# nothing\n") is None


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_long_before_it_could_hurt(opening: str) -> None:
    assert "levels deep" in failure_of(opening.encode() * 200_000)


def test_nesting_up_to_the_limit_is_read() -> None:
    root_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_aliases_that_stand_for_billions_are_refused() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]

    assert "stands for more than" in failure_of("\n".join(lines).encode())


def test_merges_that_stand_for_billions_are_refused() -> None:
    lines = ["a0: &a0 {x: x}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 20)]

    assert "stands for more than" in failure_of("\n".join(lines).encode())


def test_aliases_in_reason_are_read() -> None:
    entries = entries_of("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n")

    assert dict(entries["b"].entries or [])["x"].text == "1"


def test_cloud_init_is_built_as_cloud_init_reads_it() -> None:
    value = root_of("packages: [git]\nmode: 0644\nswitch: yes\nbase: &base {a: 1}\nmore: {<<: *base, b: 2}")

    assert construct(value) == {
        "packages": ["git"],
        "mode": 0o644,
        "switch": True,
        "base": {"a": 1},
        "more": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: !!timestamp x", "not what its type says"),
        ("a: 2024-99-99", "not what its type says"),
        ("a: !!bool x", "not what its type says"),
    ],
)
def test_cloud_init_refuses_what_no_plain_value_can_be_made_of(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        construct(root_of(text))


def test_a_missing_file_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_limited(tmp_path / "my config.yaml")

    assert raised.value.hint is not None
    assert f"agsekit config-example '{tmp_path}/my config.yaml'" in raised.value.hint


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        read_limited(tmp_path)


def test_a_file_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    with pytest.raises(ConfigError, match="cannot be read: Too many levels"):
        read_limited(loop)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_without_read_permission_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.touch(mode=0)

    with pytest.raises(ConfigError, match="Permission denied"):
        read_limited(path)


def test_a_file_above_the_limit_is_refused_and_one_at_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    data, _mode = read_limited(path)
    assert len(data) == MAX_BYTES

    path.write_bytes(b"#" * (MAX_BYTES + 1))

    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read_limited(path)
