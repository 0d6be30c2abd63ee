"""The tables of keys, the model, the schema and the example say the same."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agsekit.config import schema
from agsekit.config.key import Key, Table
from agsekit.config.keys import AGENT, FORWARD, GUARD, KEEP, MOUNT, ROOT, VM
from agsekit.config.load import load_config
from agsekit.config.model import Agent, Config, Guard, Mount, PortForward, Vm
from agsekit.errors import ConfigError
from agsekit.resources import config_example
from agsekit_storage.retention import Policy
from tests.support import json_schema, key_tables

HOME = Path("/home/someone")
TABLES = {table.name: table for table in (ROOT, VM, FORWARD, MOUNT, KEEP, GUARD, AGENT)}
EVERY_KEY = [(table, key) for table in TABLES.values() for key in table.keys]
IDS = [f"{table.name}.{key.name}" for table, key in EVERY_KEY]
PLACES: Mapping[str, tuple[object, ...]] = {
    "root": (),
    "vm": ("vms", "box"),
    "forward": ("vms", "box", "port-forwarding", 0),
    "mount": ("mounts", 0),
    "keep": ("mounts", 0, "keep"),
    "guard": ("mounts", 0, "guard"),
    "agent": ("agents", "helper"),
}
BASE: Mapping[str, Any] = {
    "vms": {"box": {"port-forwarding": [{"type": "local", "host-addr": "127.0.0.1:1", "vm-addr": 2}]}, "second": {}},
    "mounts": [{"source": "/srv/project", "keep": {}, "guard": {}}],
    "agents": {"helper": {"type": "qwen"}},
}
SECOND_FIELDS = {"proxy_disabled", "name", "path", "warnings"}
"""Fields of the model that no key of their own says."""


def load(tmp_path: Path, content: Any) -> Config:
    """Load a configuration; JSON is YAML too."""
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return load_config(path, home=HOME)


def mapping_of(content: Any, table: Table) -> Any:
    """Return the mapping in a configuration that the table is about."""
    for step in PLACES[table.name]:
        content = content[step]
    return content


def with_value(table: Table, key: Key, value: Any) -> Any:
    """Return a valid configuration in which one key has another value."""
    content = copy.deepcopy(BASE)
    mapping_of(content, table)[key.name] = copy.deepcopy(value)
    if (table, key.name) == (AGENT, "command"):
        mapping_of(content, table)["type"] = "custom"
    if (table, key.name) == (AGENT, "install"):
        mapping_of(content, table).update(type="custom", command="my-tool")
    return content


def example_of(table: Table, key: Key) -> Any:
    """Return a configuration with the example of a key, which keeps what the other keys refer to."""
    content = with_value(table, key, key.example)
    if (table, key.name) == (ROOT, "vms"):
        content["vms"]["box"] = {}
    return content


@pytest.mark.parametrize(("table", "key"), EVERY_KEY, ids=IDS)
def test_every_key_is_described_and_its_example_makes_a_difference(tmp_path: Path, table: Table, key: Key) -> None:
    without = with_value(table, key, None) if not key.required else copy.deepcopy(BASE)
    mapping_of(without, table).pop(key.name) if not key.required else None
    if (table, key.name) in ((AGENT, "command"), (AGENT, "install"), (FORWARD, "host-addr")):
        without = copy.deepcopy(BASE)

    changed = load(tmp_path, example_of(table, key))

    assert key.description.endswith(".")
    assert changed != load(tmp_path, without), f"the loader does not read {table.name}.{key.name}"
    assert key.required or key.default is not None or key.otherwise, (
        f"the table of {table.name} in agsekit/config does not say what holds without {key.name}"
    )


@pytest.mark.parametrize(
    ("table", "key"), [each for each in EVERY_KEY if each[1].default is not None], ids=lambda each: each.name
)
def test_a_default_of_the_tables_is_the_default_of_the_loader(tmp_path: Path, table: Table, key: Key) -> None:
    without = copy.deepcopy(BASE)
    mapping_of(without, table).pop(key.name, None)

    assert load(tmp_path, with_value(table, key, key.default)) == load(tmp_path, without)


def test_every_field_of_the_model_is_set_by_a_key(tmp_path: Path) -> None:
    base = load(tmp_path, BASE)
    seen: set[tuple[str, str]] = set()

    for table, key in EVERY_KEY:
        seen.update(_differences(base, load(tmp_path, example_of(table, key))))

    for model in (Config, Vm, PortForward, Mount, Policy, Guard, Agent):
        for field in dataclasses.fields(model):
            assert field.name in SECOND_FIELDS or (model.__name__, field.name) in seen, (
                f"no key in the tables of agsekit/config/keys.py sets {model.__name__}.{field.name}, "
                "so it is in neither the schema nor the documentation"
            )


def _differences(one: Any, other: Any) -> Iterator[tuple[str, str]]:
    """Yield class and field of every difference between two models."""
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        for field in dataclasses.fields(one):
            before, after = getattr(one, field.name), getattr(other, field.name)
            if before != after:
                yield type(one).__name__, field.name
                yield from _differences(before, after)
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in set(one) & set(other):
            yield from _differences(one[name], other[name])
    elif isinstance(one, tuple) and isinstance(other, tuple):
        for before, after in zip(one, other):
            yield from _differences(before, after)


def test_the_schema_that_comes_with_agsekit_is_fresh() -> None:
    assert schema.schema_file().read_text(encoding="utf-8") == schema.text(), "run scripts/refresh.sh"


@pytest.mark.parametrize(("table", "key"), EVERY_KEY, ids=IDS)
def test_every_key_is_in_the_schema_with_what_the_tables_say(table: Table, key: Key) -> None:
    document = schema.document()
    mapping = document if table is ROOT else document["definitions"][table.name]

    entry = mapping["properties"][key.name]

    assert entry["description"].startswith(key.description)
    assert entry.get("default") == key.default
    assert (key.name in mapping.get("required", [])) is key.required
    assert json_schema.problems(entry, key.example, root=document) == []
    assert key.default is None or json_schema.problems(entry, key.default, root=document) == []


def test_the_example_is_valid_by_the_schema_that_it_names() -> None:
    first, _rest = config_example().read_text(encoding="utf-8").split("\n", 1)

    named = config_example().parent / first[len(schema.MARK) :]

    assert first.startswith(schema.MARK)
    assert named.samefile(schema.schema_file())
    assert json_schema.problems(schema.document(), yaml.safe_load(config_example().read_bytes())) == []


def agree(tmp_path: Path, content: Any) -> bool:
    """Check a configuration by the loader and by the schema; return whether it is valid."""
    found = json_schema.problems(schema.document(), content)
    refused, warned = "", False
    try:
        warned = bool(load(tmp_path, content).warnings)
    except ConfigError as error:
        refused = error.message
    if refused:
        beyond = all(any(text in line for text in BEYOND_A_SCHEMA) for line in refused.splitlines())
        assert found or beyond, f"the schema lets this through: {refused}"
        return False
    assert warned or not found, f"the schema refuses what the loader reads: {found} in {content}"
    return True


BEYOND_A_SCHEMA = (
    "there is no VM ",
    "must be at least",
    "port from 1 to 65535",
    "must not hide a folder",
    "a project folder",
    "in the same VM",
    "backup folder",
    "IPv6",
    "hands to an agent",
    "minutes greater than 0",
    "a quote that is not closed",
)
_COMMANDS: list[Any] = [[], [""], [[]], ["x", ""], ["x", []], "", {}, None]
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, 7, -1, 5.5, 70000, 2**40, [], {}, [1], [None], [[]], {"a": 1}, ["", "x"], {"1": 2}),
    *("", " ", "0", "2", "08", "4G", "4 GiB", "512K", "4Q", "1h", "0m", "5", "0.5", "-3", "1e3", "x", "..", "a\nb"),
    *(
        "off",
        "pause",
        "quarantine",
        "report",
        "warn",
        ["pause"],
        ["pause", "off"],
        {"loss": "pause"},
        0.25,
        "1.0",
        ".5",
    ),
    *("multipass", "bubblewrap", "rsync", "git", "local", "socks5", "qwen", "claude", "custom", "second", "nobody"),
    *("~", "~/x", "/x", "/x/../y", "/x/..", "x/y", "~other/x", "/", "/home/ubuntu/x", "/a\tb", "node_modules/"),
    *("127.0.0.1:80", "[::1]:80", "host:0", ":80", "80", "host:99999", "1:2", "socks5://h:1", "socks5://h:1/"),
    *("ftp://h:1", "socks5://h", "socks5://u@h:1", "http://[::1]:3128", "it's", 'say "hi"', "--flag --other=1"),
    *(
        {"PATH": None},
        {"A": 1, "B": True, "C": "x"},
        {"A B": 1},
        {"A": []},
        {"A": {}},
        {"A": {"env": "HOME"}, "B": {"file": "~/key"}, "C": {"command": ["pass", 1]}, "D": {"command": "pass x"}},
        *({"A": {"env": "A B"}}, {"A": {"env": None}}, {"A": {"file": "key"}}, {"A": {"key": "x"}}),
        *({"A": {"command": words}} for words in _COMMANDS),
        {"A": {"env": "HOME", "file": "/x"}},
        [{"source": "/x"}],
        {"x": {"type": "qwen"}},
    ),
)


@pytest.mark.parametrize(("table", "key"), EVERY_KEY, ids=IDS)
def test_schema_and_loader_agree_on_every_kind_of_value(tmp_path: Path, table: Table, key: Key) -> None:
    accepted = [agree(tmp_path, with_value(table, key, value)) for value in VALUES]

    assert any(accepted)
    assert not all(accepted)


@given(
    st.lists(
        st.tuples(st.sampled_from(EVERY_KEY), st.sampled_from(VALUES), st.sampled_from(["set", "drop", "misspell"])),
        max_size=4,
    )
)
def test_schema_and_loader_agree_on_configurations_with_several_changes(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Table, Key], Any, str]]
) -> None:
    content: Any = copy.deepcopy(BASE)
    for (table, key), value, what in changes:
        try:
            mapping = mapping_of(content, table)
        except (KeyError, IndexError, TypeError):
            continue
        if not isinstance(mapping, dict):
            continue
        if what == "set":
            mapping[key.name] = copy.deepcopy(value)
        else:
            mapping.pop(key.name, None)
            if what == "misspell":
                mapping[key.name + "s"] = value

    agree(tmp_path_factory.getbasetemp(), content)


def test_the_documentation_has_every_key_as_the_tables_have_it() -> None:
    page = key_tables.PAGE.read_text(encoding="utf-8")

    assert key_tables.names(page) == list(TABLES)
    assert page == key_tables.fresh(page), "run scripts/refresh.sh"
