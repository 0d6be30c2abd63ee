from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from agsekit.agent_types import CUSTOM, agent_types, find_agent_type, parse_types
from agsekit.resources import agent_scripts
from tests.support import agent_table


def test_a_type_is_found_by_its_name_and_its_aliases() -> None:
    assert find_agent_type("claude-code") is agent_types()["claude-code"]
    assert find_agent_type("claude") is agent_types()["claude-code"]
    assert find_agent_type("clau") is None


def test_no_alias_hides_another_type() -> None:
    words = [word for each in agent_types().values() for word in (each.name, *each.aliases)]

    assert len(words) == len(set(words))


def test_every_type_has_a_script_that_is_there_and_every_script_a_type() -> None:
    named = {each.script for each in agent_types().values() if each.name != CUSTOM}
    there = {path.name for path in agent_scripts().glob("*.sh")}

    assert there - {"common.sh"} == named
    assert agent_types()[CUSTOM].script is None


def test_every_agent_can_be_told_not_to_ask() -> None:
    silent = [
        each.name
        for each in agent_types().values()
        if each.script and not each.approvals_off.arguments and not each.approvals_off.environment
    ]

    assert silent == []


def test_every_agent_has_a_login_or_keys_to_name() -> None:
    assert not [each.name for each in agent_types().values() if each.script and not each.login and not each.keys]


def test_the_table_in_the_documentation_is_fresh() -> None:
    assert agent_table.PAGE.read_text(encoding="utf-8") == agent_table.page(), "run scripts/refresh.sh"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"title": "x", "colour": "red"}, "colour is no known key"),
        ({"title": "x", "node": "22"}, "node is no known key, or not of its kind"),
        ({"title": "x", "keys": [1]}, "keys must hold texts only"),
        ({"title": "x", "script": "x.sh", "binary": "x"}, "a script needs a version"),
        ({"binary": "x"}, "needs a title"),
        ({"title": "x", "proxy": ["magic"]}, "proxy must be some of"),
        ({"title": "x", "approvals_off": {"flags": []}}, "approvals_off has arguments and environment"),
        ({"title": "x", "login": {"hosts": [1]}}, "login has arguments and hosts"),
    ],
)
def test_a_broken_table_is_refused_with_the_entry_and_the_key(entry: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^mine: .*{problem}"):
        parse_types({"mine": entry})


def test_the_table_is_not_read_before_it_is_asked() -> None:
    program = "import sys, agsekit.agent_types; print('json' in sys.modules, 'yaml' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/", check=True)

    assert done.stdout == "False False\n"
