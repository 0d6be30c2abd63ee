from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.config.model import FromHost
from tests.agsekit.config.conftest import HOME, Load, Problems

ONE_VM = "vms: {box: {}}\n"


def test_values_of_the_environment_may_lie_on_the_host(load: Load, tmp_path: Path) -> None:
    config = load(
        ONE_VM
        + """\
agents:
  a:
    type: qwen
    env:
      PLAIN: text
      NOTHING:
      FROM_ENV: {env: OUTSIDE}
      FROM_FILE: {file: ~/secrets/key}
      FROM_COMMAND:
        command: [pass, show, "a key"]
"""
    )

    file = f"{tmp_path}/config.yaml"
    assert config.agents["a"].env == {
        "PLAIN": "text",
        "NOTHING": "",
        "FROM_ENV": FromHost("env", ("OUTSIDE",), f"{file}:8: agents.a.env.FROM_ENV"),
        "FROM_FILE": FromHost("file", (str(HOME / "secrets/key"),), f"{file}:9: agents.a.env.FROM_FILE"),
        "FROM_COMMAND": FromHost("command", ("pass", "show", "a key"), f"{file}:10: agents.a.env.FROM_COMMAND"),
    }


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{}", "must be a string, or one of"),
        ("{env: A, file: /b}", "must be a string, or one of"),
        ("{evn: A}", "evn: is no known key here; did you mean 'env'?"),
        ("{env: 1A}", "env: is no name of an environment variable"),
        ("{env: }", "env: is missing"),
        ("{file: key}", "file: must be an absolute path"),
        ("{command: []}", "command: must name a program"),
        ("{command: 'pass \"show'}", "command: has a quote that is not closed"),
        ("{file: /srv/project/.key}", "file: must not lie in '/srv/project', which agents write"),
        ("{file: /srv/other/../project/.key}", "file: must not contain '..'"),
        ("{command: [/srv/project/key.sh]}", "command: must not lie in '/srv/project'"),
        ("{command: [sh, /srv/x/../project/key.sh]}", "command: must not lie in '/srv/project'"),
    ],
)
def test_a_value_that_cannot_be_looked_up_is_a_problem_on_its_line(
    problems: Problems, value: str, problem: str
) -> None:
    mounts = "mounts: [source: /srv/project]\n"

    found = problems(f"{ONE_VM}{mounts}agents:\n  a:\n    type: qwen\n    env: {{K: {value}}}\n")

    assert any(each.startswith("6: agents.a.env.K") and problem in each for each in found), found


def test_a_file_behind_a_link_into_a_mounted_folder_is_a_problem(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "key").symlink_to(tmp_path / "project/key")

    found = problems(
        f"vms: {{box: {{}}}}\nmounts: [source: {tmp_path}/project]\n"
        f"agents: {{a: {{type: qwen, env: {{K: {{file: {tmp_path}/key}}}}}}}}\n"
    )

    assert "must not lie in" in found[0]


def test_values_on_the_host_do_not_make_the_configuration_a_secret(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = ONE_VM + "agents: {a: {type: qwen, env: {K: {env: OUTSIDE}, L: ''}}}\n"
    load(text)
    path.chmod(0o644)

    from agsekit.config.load import load_config

    assert load_config(path, home=HOME).warnings == ()


def test_a_vm_and_a_mount_may_name_the_agents_they_let_in(load: Load, tmp_path: Path) -> None:
    config = load(
        """\
        vms:
          box:
            allowed-agents: [a, b]
          other: {}
        mounts:
          - source: /srv/project
            allowed-agents: []
        agents: {a: {type: qwen}, b: {type: codex, home: own}}
        """
    )

    allowed = config.vms["box"].allowed_agents
    assert allowed is not None
    assert (allowed.names, allowed.place) == (("a", "b"), f"{tmp_path}/config.yaml:3: vms.box.allowed-agents")
    assert config.vms["other"].allowed_agents is None
    nobody = config.mounts[0].allowed_agents
    assert nobody is not None
    assert nobody.names == ()
    assert [agent.own_home for agent in config.agents.values()] == [False, True]


def test_a_name_among_the_allowed_that_no_agent_has_is_a_warning(load: Load) -> None:
    config = load("vms: {box: {allowed-agents: [cluade]}}\nagents: {claude: {type: claude}}\n")

    assert len(config.warnings) == 1
    assert (
        "1: vms.box.allowed-agents: names no agent of this file: 'cluade'; did you mean 'claude'?"
        in config.warnings[0]
    )
