"""Mounts put into and taken out of configurations as people write them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agsekit.config.edit import add_mount, remove_mount
from agsekit.config.load import parse_config
from agsekit.config.model import Config, Mount
from agsekit.config.problems import Problems
from agsekit.config.spans import CannotEditError
from agsekit.errors import ConfigError

HOME = Path("/home/someone")
NEW = Mount(Path("/srv/new one"), PurePosixPath("/home/ubuntu/new one"), Path("/srv/backups-new one"), "box", 7.5)
BLOCK = """\
  - source: /srv/new one
    target: /home/ubuntu/new one
    backup: /srv/backups-new one
    interval: 7.5
"""
FLOW = "{source: /srv/new one, target: /home/ubuntu/new one, backup: /srv/backups-new one, interval: 7.5}"


def read(text: str) -> Config:
    return parse_config(text.encode(), Problems(Path("/etc/config.yaml")), home=HOME)


def added(text: str, mount: Mount = NEW) -> str:
    return add_mount(text.encode(), read(text), mount, home=HOME).decode()


def removed(text: str, index: int) -> str:
    return remove_mount(text.encode(), read(text), index, home=HOME).decode()


# What comes out, one style after the other


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "vms: {box: {}}\nmounts:\n  - source: /a # mine\n    # vm: other\n\n# agents\nagents:\n",
            "vms: {box: {}}\nmounts:\n  - source: /a # mine\n    # vm: other\n" + BLOCK + "\n# agents\nagents:\n",
        ),
        ("vms: {box: {}}\nmounts:\n- source: /a\nagents:\n", None),
        ("vms: {box: {}}\n", "vms: {box: {}}\nmounts:  # added by agsekit addmount\n" + BLOCK),
        ("vms: {box: {}}", "vms: {box: {}}\nmounts:  # added by agsekit addmount\n" + BLOCK[:-1]),
        ("vms: {box: {}}\n...\n", "vms: {box: {}}\nmounts:  # added by agsekit addmount\n" + BLOCK + "...\n"),
        ("mounts:\nvms: {box: {}}\n", "mounts:\n" + BLOCK + "vms: {box: {}}\n"),
        ("mounts: # none\n  # - source: /a\nvms: {box: {}}", None),
        ("mounts: ~ # none\nvms: {box: {}}\n", "mounts: # ~ # none\n" + BLOCK + "vms: {box: {}}\n"),
        ("mounts:\tnull\nvms: {box: {}}\n", "mounts:\t# null\n" + BLOCK + "vms: {box: {}}\n"),
        ("mounts: []\nvms: {box: {}}\n", f"mounts: [{FLOW}]\nvms: {{box: {{}}}}\n"),
        ("mounts: [ ] # none\nvms: {box: {}}\n", f"mounts: [{FLOW} ] # none\nvms: {{box: {{}}}}\n"),
        ("mounts: [{source: /a}]\nvms: {box: {}}\n", f"mounts: [{{source: /a}}, {FLOW}]\nvms: {{box: {{}}}}\n"),
        ("mounts: [{source: /a},]\nvms: {box: {}}\n", f"mounts: [{{source: /a}}, {FLOW},]\nvms: {{box: {{}}}}\n"),
        (
            "mounts: [\n  {source: /a} # mine\n]\nvms: {box: {}}\n",
            f"mounts: [\n  {{source: /a}}, # mine\n  {FLOW}\n]\nvms: {{box: {{}}}}\n",
        ),
        (
            "mounts: [\n  {source: /a}, # mine\n]\nvms: {box: {}}\n",
            f"mounts: [\n  {{source: /a}}, # mine\n  {FLOW},\n]\nvms: {{box: {{}}}}\n",
        ),
        ("{vms: {box: {}}, mounts: []}", f"{{vms: {{box: {{}}}}, mounts: [{FLOW}]}}"),
        ("{vms: {box: {}}}", f"{{vms: {{box: {{}}}}, mounts: [ {FLOW} ]}}"),
        ("{vms: {box: {}},}\n", f"{{vms: {{box: {{}}}}, mounts: [ {FLOW} ],}}\n"),
        ("{\n  vms: {box: {}}\n}\n", f"{{\n  vms: {{box: {{}}}},\n  mounts: [ {FLOW} ]\n}}\n"),
        ('{"vms": {"box": {}}, "mounts": [{"source": "/a"}]}', None),
        (json.dumps({"vms": {"box": {}}, "mounts": [{"source": "/a"}]}, indent=4), None),
        (json.dumps({"vms": {"box": {}}}, indent="\t"), None),
        ("%YAML 1.1\n---\nvms: {box: {}}\nmounts:\n  -\n    source: /a\n", None),
        ("vms: {box: {}}\n'mounts':\n-   source: /a\n    exclude:\n    - |-\n      *.log\n\n\nagents: {}\n", None),
    ],
)
def test_a_mount_is_added_in_the_style_of_the_file_and_goes_without_a_trace(before: str, after: str | None) -> None:
    found = added(before)

    assert after is None or found == after
    assert read(found).mounts[-1] == NEW
    if before.startswith('{"'):
        assert json.loads(found)["mounts"][-1]["source"] == "/srv/new one"
    assert removed(found, len(read(found).mounts) - 1) == before


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_breaks_and_byte_order_mark_stay(newline: str, mark: str) -> None:
    before = mark + newline.join(["# head", "vms:", "  box:", "mounts:", "- source: /a", "# end", ""])

    after = added(before)

    assert after.count(newline) == before.count(newline) + 4
    assert set(after.replace(newline, "")) & {"\r", "\n"} == set()
    assert removed(after, 1) == before


def test_the_indentation_of_the_last_mount_is_used() -> None:
    after = added("vms: {box: {}}\nmounts:\n    -   source: /a\n")

    assert "\n    -   source: /srv/new one\n        target: /home/ubuntu/new one\n" in after


@pytest.mark.parametrize(
    "source",
    ["/w/it's", '/w/"q"', "/w/a: b", "/w/#x", "/w/ü", "/w/a #b", "/w/-", "/w/{x}", "/w/a\u2028b", "/w/x ", "/💾"],
)
@pytest.mark.parametrize("before", ["vms: {box: {}}\nmounts:\n- source: /a\n", '{"vms": {"box": {}}, "mounts": []}'])
def test_odd_names_are_written_so_that_they_are_read_again(source: str, before: str) -> None:
    mount = Mount(Path(source), PurePosixPath("/home/ubuntu/x"), Path("/backup"), "box", 5.0)

    after = added(before, mount)

    assert read(after).mounts[-1].source == Path(source)
    assert removed(after, len(read(after).mounts) - 1) == before


def test_another_vm_than_the_first_is_named() -> None:
    mount = Mount(Path("/b"), PurePosixPath("/b"), Path("/c"), "second", 5.0)

    assert added("vms: {box: {}, second: {}}\n", mount).endswith("    interval: 5\n    vm: second\n")


# What belongs to a mount goes with it; what stands around stays


SEVERAL = """\
vms: {box: {}}
mounts: # all of them

  # the first
  # and what it is for
  - source: /a
    # interval: 1

  # about all that follow

  # the second
  - source: /b   # two
    exclude: [x]
      # far out
  # the third
  - {source: /c} # three

# agents
agents: {}
"""


@pytest.mark.parametrize(
    ("index", "gone"),
    [
        (0, [2, 3, 4, 5, 6]),
        (1, [9, 10, 11, 12, 13]),
        (2, [14, 15]),
    ],
)
def test_a_mount_goes_with_its_comments_and_nothing_else(index: int, gone: Sequence[int]) -> None:
    lines = SEVERAL.splitlines(keepends=True)

    after = removed(SEVERAL, index)

    assert after == "".join(line for number, line in enumerate(lines) if number not in gone)


def test_a_comment_further_right_than_a_mount_is_not_about_it() -> None:
    before = "vms: {box: {}}\nmounts:\n  - source: /a\n\n      # more to come\n  - source: /b\n"

    assert removed(before, 1) == before.replace("  - source: /b\n", "")


@pytest.mark.parametrize(
    ("index", "after"),
    [
        (0, "mounts: [{source: /b}, {source: /c}]"),
        (1, "mounts: [{source: /a}, {source: /c}]"),
        (2, "mounts: [{source: /a}, {source: /b}]"),
    ],
)
def test_a_mount_between_brackets_goes_with_its_comma(index: int, after: str) -> None:
    before = "mounts: [{source: /a}, {source: /b}, {source: /c}]\nvms: {box: {}}\n"

    assert removed(before, index) == after + "\nvms: {box: {}}\n"


def test_the_last_mount_that_a_person_wrote_leaves_the_key() -> None:
    assert removed("mounts:\n  - source: /a\nvms: {box: {}}\n", 0) == "mounts:\nvms: {box: {}}\n"


# What cannot be edited safely is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x: &m []\nvms: {box: {}}\nmounts: *m\n", None),
        ("vms: {box: {}}\nmounts: &m []\n", "an anchor or a tag"),
        ("vms: {box: {}}\nmounts: &m\n", "in an unusual way"),
        ("vms: {box: {}}\nmounts: !!seq []\n", "an anchor or a tag"),
        ("vms: {box: {}}\nmounts:\n  null\n", "in an unusual way"),
        ("{vms: {box: {}}, mounts: }", "write `mounts: []`"),
        ("vms: {box: {}}\nmounts: [&one {source: /a}, *one]\n", None),
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_the_reason(text: str, reason: str | None) -> None:
    if reason is None:
        with pytest.raises(ConfigError):
            added(text)
        return
    with pytest.raises(CannotEditError, match=re.escape(reason)) as raised:
        added(text)
    assert raised.value.hint


def test_a_mount_that_an_alias_refers_to_is_not_taken_away() -> None:
    text = "vms: {box: {}}\nmounts:\n- &one\n  source: /a\n  keep: &k {daily: 5d}\n- {source: /b, keep: *k}\n"

    with pytest.raises(CannotEditError, match=r"the alias \*k refers to this mount"):
        removed(text, 0)
    assert removed(text, 1) == text.partition("- {source: /b")[0]
    assert removed(added(text), 2) == text


def test_keys_that_a_merge_brings_are_not_overwritten() -> None:
    text = "<<: {mounts: [{source: /a}]}\nvms: {box: {}}\n"

    with pytest.raises(CannotEditError, match="come from an alias"):
        added(text)
    with pytest.raises(CannotEditError, match="come from an alias"):
        removed(text, 0)


def test_an_edit_that_would_change_something_else_is_refused() -> None:
    text = "mounts:\nvms:\n  box:\n    cloud-init:\n      text: |-\n        one"
    last = "vms:\n  box:\n    cloud-init:\n      text: |\n        one"

    assert removed(added(text), 0) == text
    with pytest.raises(CannotEditError, match="would not say what is meant"):
        added(last)


# Whatever people write

COMMENTS = st.sampled_from(["# note", "#", "# - source: /no", "# [x], {y}: z", "# ünï"])


@st.composite
def blanks(draw: Any, indent: int) -> list[str]:
    """Draw empty lines and comments at any column."""
    lines = draw(st.lists(st.one_of(st.sampled_from(["", "  "]), COMMENTS), max_size=2))
    return [
        " " * draw(st.sampled_from([0, indent, indent + 2, indent + 5])) + line if line.strip() else line
        for line in lines
    ]


@st.composite
def ending(draw: Any) -> str:
    return str(draw(st.sampled_from(["", "", " ", "  # why"])))


@st.composite
def keys(draw: Any, number: int) -> list[tuple[str, str]]:
    """Draw the keys of a mount and their values in flow style."""
    source = draw(st.sampled_from(["/p{0}", "'/p{0}'", '"/p{0}"', "/pä{0} b"])).format(number)
    others = draw(
        st.lists(
            st.sampled_from(
                [
                    ("interval", "3"),
                    ("exclude", "[a, 'b c']"),
                    ("keep", "{daily: 9d}"),
                    ("vm", "box"),
                    ("max_backups", '"7"'),
                ]
            ),
            unique=True,
            max_size=3,
        )
    )
    place = draw(st.integers(0, len(others)))
    return [*others[:place], ("source", source), *others[place:]]


@st.composite
def block_mounts(draw: Any) -> list[str]:
    indent, gap = draw(st.sampled_from([0, 2, 4])), draw(st.sampled_from([2, 3, 4]))
    lines = ["mounts:" + draw(ending())]
    for number in range(draw(st.integers(0, 3))):
        lines += draw(blanks(indent))
        pairs = draw(keys(number))
        style = draw(st.sampled_from(["block", "flow", "apart"]))
        if style == "flow":
            inside = ", ".join(f"{key}: {value}" for key, value in pairs)
            lines.append(f"{' ' * indent}- {{{inside}}}" + draw(ending()))
            continue
        if style == "apart":
            lines.append(" " * indent + "-" + draw(ending()))
        for position, (key, value) in enumerate(pairs):
            begin = "-" + " " * (gap - 1) if style == "block" and not position else " " * gap
            lines.append(f"{' ' * indent}{begin}{key}: {value}" + draw(ending()))
            lines += draw(blanks(indent)) if position + 1 < len(pairs) else []
    return lines


@st.composite
def flow_mounts(draw: Any) -> list[str]:
    items = [
        "{" + ", ".join(f"{key}: {value}" for key, value in draw(keys(number))) + "}"
        for number in range(draw(st.integers(0, 3)))
    ]
    comma = "," if items and draw(st.booleans()) else ""
    if draw(st.booleans()):
        return [f"mounts: [{draw(st.sampled_from(['', ' ']))}{', '.join(items)}{comma}]" + draw(ending())]
    lines = ["mounts: [" + draw(ending())]
    for number, item in enumerate(items):
        lines += draw(blanks(2))
        lines.append("  " + item + ("," if number + 1 < len(items) else comma) + draw(ending()))
    return [*lines, *draw(blanks(2)), "]" + draw(ending())]


@st.composite
def texts(draw: Any) -> str:
    """Draw a whole configuration."""
    vms = ["vms:" + draw(ending()), *draw(blanks(2)), "  box: {cpu: 3}" + draw(ending()), "  other:"]
    agents = ["agents:", "  a:" + draw(ending()), "    type: qwen", *draw(blanks(4)), "    default-args: [-x]"]
    mounts = draw(st.one_of(block_mounts(), flow_mounts(), st.just([])))
    parts = draw(st.permutations([part for part in (vms, agents, mounts) if part]))
    lines = draw(st.sampled_from([[], ["---"], ["# head", ""]]))
    for part in parts:
        lines = [*lines, *draw(blanks(2)), *part]
    lines += [*draw(blanks(2)), *draw(st.sampled_from([[], [], ["..."]]))]
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return str(draw(st.sampled_from(["", "\ufeff"])) + newline.join(lines) + draw(st.sampled_from(["", newline])))


@given(texts())
@example("vms:\n  box:\nmounts:\n    # far\n  # near")
def test_adding_and_removing_gives_the_same_bytes_whatever_was_written(text: str) -> None:
    before = read(text)

    after = added(text)

    assert list(read(after).mounts) == [*before.mounts, NEW]
    assert removed(after, len(before.mounts)) == text


@given(texts(), st.integers(0, 2))
def test_removing_takes_lines_away_and_leaves_the_others_as_they_are(text: str, index: int) -> None:
    before = read(text)
    if index >= len(before.mounts):
        return

    after = removed(text, index)

    assert list(read(after).mounts) == [each for number, each in enumerate(before.mounts) if number != index]
    left = iter(text.replace(",", "").splitlines())
    if "[" not in text.partition("mounts:")[2][:2]:
        assert all(line in left for line in after.replace(",", "").splitlines())
