from __future__ import annotations

from agsekit.agent_types import AGENT_TYPES, find_agent_type


def test_a_type_is_found_by_its_name_and_its_aliases() -> None:
    assert find_agent_type("claude-code") is AGENT_TYPES["claude-code"]
    assert find_agent_type("claude") is AGENT_TYPES["claude-code"]
    assert find_agent_type("clau") is None


def test_no_alias_hides_another_type() -> None:
    words = [word for each in AGENT_TYPES.values() for word in (each.name, *each.aliases)]

    assert len(words) == len(set(words))
