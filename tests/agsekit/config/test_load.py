from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from agsekit.agent_types import agent_types
from agsekit.config import keys
from agsekit.config.load import load_config
from agsekit.config.model import Address, Agent, Config, Mount, PortForward, Proxy, Vm
from agsekit.errors import ConfigError
from agsekit.resources import config_example

HOME = Path("/home/someone")

Load = Callable[[str], Config]
Problems = Callable[[str], list[str]]

ONE_VM = "vms: {box: {}, second: {}}\n"


def test_the_least_configuration_is_one_vm_with_defaults(load: Load) -> None:
    config = load("vms:\n  box:\n")

    assert config.vms == {"box": Vm("box", "multipass", cpu=2, ram=4 * 1024**3, disk=20 * 1024**3)}
    assert (config.mounts, config.agents, config.warnings) == ((), {}, ())


def test_a_vm_is_read_with_all_its_keys(load: Load) -> None:
    config = load("""
        vms:
          box:
            engine: bubblewrap
            cpu: 8
            ram: 512M
            disk: 1T
            cloud-init: {packages: [git], runcmd: [[echo, hi]]}
            proxychains: socks5://10.0.0.1:1080
            port-forwarding:
              - {type: local, host-addr: 127.0.0.1:8000, vm-addr: 80}
              - {type: remote, vm-addr: 127.0.0.1:5432, host-addr: "db.example:5432"}
              - {type: socks5, vm-addr: 127.0.0.1:1080}
    """)

    loopback = "127.0.0.1"
    assert config.first_vm == Vm(
        name="box",
        engine="bubblewrap",
        cpu=8,
        ram=512 * 1024**2,
        disk=1024**4,
        cloud_init={"packages": ["git"], "runcmd": [["echo", "hi"]]},
        proxy=Proxy("socks5", "10.0.0.1", 1080),
        port_forwarding=(
            PortForward("local", Address(loopback, 80), Address(loopback, 8000)),
            PortForward("remote", Address(loopback, 5432), Address("db.example", 5432)),
            PortForward("socks5", Address(loopback, 1080), None),
        ),
    )


def test_the_first_vm_is_the_one_written_first(load: Load) -> None:
    assert load("vms: {zebra: {}, ant: {}}").first_vm.name == "zebra"


def test_a_mount_needs_nothing_but_its_source(load: Load) -> None:
    config = load(ONE_VM + "mounts:\n  - source: ~/work/My Project/\n")

    assert config.mounts == (
        Mount(
            source=HOME / "work/My Project",
            target=PurePosixPath("/home/ubuntu/My Project"),
            backup=HOME / "work/backups-My Project",
            vm="box",
            interval=5.0,
            backend=None,
        ),
    )


def test_a_mount_is_read_with_all_its_keys(load: Load) -> None:
    config = load(
        ONE_VM
        + """
mounts:
  - source: /srv/a
    target: /srv/b/
    backup: ~/store
    interval: 0.5
    vm: second
    backend: git
    exclude: ["*.log", "!keep.log", 08]
"""
    )

    assert config.mounts == (
        Mount(
            source=Path("/srv/a"),
            target=PurePosixPath("/srv/b"),
            backup=HOME / "store",
            vm="second",
            interval=0.5,
            backend="git",
            exclude=("*.log", "!keep.log", "08"),
        ),
    )


def test_an_agent_is_read_with_all_its_keys(load: Load) -> None:
    config = load(
        ONE_VM
        + """
agents:
  tool:
    type: custom
    env: {TEXT: x, NUMBER: 1.10, SWITCH: yes, TIME: 1:30, OCTAL: 08, EMPTY: , NOTHING: null, QUOTED: "null"}
    default-args: [--level, 08, --flag]
    vm: second
    proxychains: http://proxy:3128
    command: [tool, --quiet]
"""
    )

    agent = config.agents["tool"]
    assert agent == Agent(
        name="tool",
        type="custom",
        env={
            "TEXT": "x",
            "NUMBER": "1.10",
            "SWITCH": "yes",
            "TIME": "1:30",
            "OCTAL": "08",
            "EMPTY": "",
            "NOTHING": "",
            "QUOTED": "null",
        },
        default_args=("--level", "08", "--flag"),
        vm="second",
        proxy=Proxy("http", "proxy", 3128),
        command=("tool", "--quiet"),
    )


def test_a_command_and_arguments_may_be_one_line(load: Load) -> None:
    config = load(ONE_VM + "agents:\n  a: {type: custom, command: python3 -c 'print(1)', default-args: -x \"a b\"}\n")

    assert config.agents["a"].command == ("python3", "-c", "print(1)")
    assert config.agents["a"].default_args == ("-x", "a b")


@pytest.mark.parametrize(("line", "disabled"), [("", False), ("proxychains: ''", True), ("proxychains:", True)])
def test_an_empty_proxy_of_an_agent_is_told_from_none(load: Load, line: str, disabled: bool) -> None:
    config = load(ONE_VM + f"agents:\n  a:\n    type: qwen\n    {line}\n")

    assert (config.agents["a"].proxy, config.agents["a"].proxy_disabled) == (None, disabled)


def test_the_alias_of_a_type_is_read_as_its_name(load: Load) -> None:
    assert load(ONE_VM + "agents: {a: {type: claude}}").agents["a"].type == "claude-code"


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    found = problems("""\
vms:
  box:
    cpu: 08
    egine: multipass
  1bad: {}
mounts:
  - source: project
    interval: 1_000
  - targt: /x
agents:
  a:
    type: qwn
    env: {1A: x, B: [y]}
colour: red
""")

    assert found == [
        "3: vms.box.cpu: must be a whole number from 1, such as 2, not '08'",
        "4: vms.box.egine: is no known key here; did you mean 'engine'?",
        "5: vms.1bad: is no name of a VM: letters, digits and hyphens, a letter first, no hyphen last, at most 63",
        "7: mounts[0].source: must be an absolute path, or one that starts with ~/, not 'project'",
        "8: mounts[0].interval: must be a number of minutes greater than 0, such as 5 or 0.5, not '1_000'",
        "9: mounts[1].targt: is no known key here; did you mean 'target'?",
        "9: mounts[1].source: is missing",
        f"12: agents.a.type: must be one of {', '.join(agent_types())}, not 'qwn'; did you mean 'qwen'?",
        "13: agents.a.env.1A: is no name of an environment variable: letters, digits and underscores",
        "13: agents.a.env.B: must be a string",
        "14: colour: is no known key here",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: is empty; it needs at least one VM below `vms:`"),
        ("- a", "1: must be a mapping with the keys vms, mounts, agents"),
        ("\nagents: {}", "2: vms: must hold at least one VM"),
        ("vms: {}", "1: vms: must hold at least one VM"),
        ("vms: [a]", "1: vms: must be a mapping, with lines such as `key: value`"),
        ("vms: {a: {}}\nmounts: {}", "2: mounts: must be a list, with lines that start with `- `"),
        (
            "vms: {a: {}}\nagents: {x: qwen}",
            "2: agents.x: must be a mapping, with lines such as `key: value`",
        ),
        ("vms: {a: {}}\nagents: {x: {}}", "2: agents.x.type: is missing"),
        ("vms:\n  a:\n    cpu: 1\n    cpu: 2", "4: vms.a.cpu: is given twice, first on line 3"),
        ("vms: {a: {cpu: [1]}}", "1: vms.a.cpu: must be a string"),
        (
            "vms: {a: {cloud-init: x}}",
            "1: vms.a.cloud-init: must be a mapping, with lines such as `key: value`",
        ),
        ('vms: {a: {"x\\ny": 1}}', "1: vms.a.'x\\ny': is no known key here"),
    ],
)
def test_one_mistake_gives_one_problem(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("forward", "problem"),
    [
        ("{type: local, vm-addr: 80}", "host-addr: is missing"),
        ("{type: remote, host-addr: 80}", "vm-addr: is missing"),
        ("{type: socks5, vm-addr: 80, host-addr: 80}", "host-addr: has no meaning for socks5"),
        ("{type: local, vm-addr: 80, host-addr: 70000}", "host-addr: must have a port from 1 to 65535"),
        ("{type: lokal, vm-addr: 80, host-addr: 80}", "type: must be one of local, remote, socks5"),
    ],
)
def test_a_tunnel_without_sense_is_refused(problems: Problems, forward: str, problem: str) -> None:
    found = problems(f"vms: {{a: {{port-forwarding: [{forward}]}}}}")

    assert len(found) == 1
    assert found[0].startswith(f"1: vms.a.port-forwarding[0].{problem}")


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ("{type: custom}", "command: is missing"),
        ("{type: custom, command: ''}", "command: is missing"),
        ("{type: custom, command: []}", "command: is missing"),
        ("{type: custom, command: ['']}", "command: is missing"),
        ('{type: custom, command: "a \'b"}', "command: has a quote that is not closed"),
        ("{type: custom, command: {a: b}}", "command: must be a list"),
        ("{type: qwen, command: qwen}", "command: is for agents of the type custom only"),
    ],
)
def test_a_command_belongs_to_custom_agents_and_to_all_of_them(problems: Problems, agent: str, problem: str) -> None:
    found = problems(ONE_VM + f"agents: {{x: {agent}}}")

    assert len(found) == 1
    assert found[0].startswith(f"2: agents.x.{problem}")


def test_a_mount_in_an_unknown_vm_is_an_error_with_the_known_ones(problems: Problems) -> None:
    assert problems(ONE_VM + "mounts:\n  - source: ~/a\n    vm: secnd\n") == [
        "4: mounts[0].vm: there is no VM 'secnd' in this file; it has box, second; did you mean 'second'?"
    ]


def test_an_agent_of_an_unknown_vm_is_a_warning(load: Load, tmp_path: Path) -> None:
    config = load(ONE_VM + "agents:\n  a: {type: qwen, vm: secnd}\n")

    assert config.agents["a"].vm == "secnd"
    assert config.warnings == (
        f"{tmp_path}/config.yaml:3: agents.a.vm: there is no VM 'secnd' in this file; it has box, second; "
        "did you mean 'second'?",
    )


@pytest.mark.parametrize("value", ["[sk-secret]", "{key: sk-secret}", "!sk-secret x", '"sk-secret\\0"'])
def test_a_problem_with_a_key_never_shows_the_key(problems: Problems, value: str) -> None:
    found = problems(ONE_VM + f"agents: {{a: {{type: qwen, env: {{KEY: {value}}}}}}}")

    assert found
    assert "sk-secret" not in "\n".join(found)


@pytest.mark.parametrize(
    ("mode", "value", "warned"),
    [(0o600, "sk", False), (0o640, "sk", True), (0o604, "sk", True), (0o644, "''", False)],
)
def test_a_file_with_keys_that_others_can_read_is_a_warning(
    tmp_path: Path, mode: int, value: str, warned: bool
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ONE_VM + f"agents: {{a: {{type: qwen, env: {{KEY: {value}}}}}}}")
    path.chmod(mode)

    config = load_config(path, home=HOME)

    assert any("chmod 600" in warning for warning in config.warnings) == warned


def test_a_configuration_that_an_agent_could_rewrite_is_a_warning(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    path = project / "config.yaml"
    path.write_text(ONE_VM + f"mounts: [{{source: {tmp_path}/link}}]")

    config = load_config(path, home=HOME)

    assert ["an agent could rewrite it" in warning for warning in config.warnings] == [True]


def test_settings_can_be_shared_by_a_merge(load: Load) -> None:
    config = load("vms:\n  one: &base {cpu: 8, ram: 8G}\n  two: {<<: *base, cpu: 1}\n")

    assert (config.vms["two"].cpu, config.vms["two"].ram) == (1, 8 * 1024**3)


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration at"):
        load_config(tmp_path / "config.yaml", home=HOME)


def test_loading_starts_without_what_only_errors_need() -> None:
    heavy = ("difflib", "shlex", "subprocess", "ipaddress", "tempfile", "yaml")
    program = f"import sys, agsekit.config.load; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_example_is_valid_and_gives_no_warning_when_it_is_private(load: Load) -> None:
    config = load(config_example().read_text(encoding="utf-8"))

    assert config.warnings == ()


def test_the_example_shows_every_key() -> None:
    text = config_example().read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)

    def keys_of(tables: list[dict[str, Any]]) -> set[str]:
        return {key for table in tables for key in table}

    vms = list(document["vms"].values())
    forwards = [forward for vm in vms for forward in vm.get("port-forwarding", ())]
    assert set(document) == set(keys.ROOT.names)
    assert keys_of(vms) == set(keys.VM.names)
    assert keys_of(forwards) == set(keys.FORWARD.names)
    assert keys_of(document["mounts"]) == set(keys.MOUNT.names)
    assert keys_of(list(document["agents"].values())) == set(keys.AGENT.names)
