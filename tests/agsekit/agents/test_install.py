from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from agsekit.agent_types import agent_types
from agsekit.agents.install import Hooks, Installation, Installed, Outcome, Settings, find_installed
from agsekit.agents.install_plan import Order
from agsekit.config.model import Agent, Vm
from agsekit.engines.bubblewrap import BubblewrapEngine
from agsekit.process import Runner

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

VM = Vm("box", engine="bubblewrap")
PROGRAM = "#!/bin/sh\necho agent {version}\necho started >> ~/starts\n"


class Box:
    """A sandbox, and what is installed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "data/vms/box/home"
        self.engine = BubblewrapEngine(Runner({"PATH": os.environ["PATH"]}), data_folder=folder / "data")
        self.engine.create(VM, "", on_event=lambda text: None)

    def put(self, version: str, *, recorded: bool = True) -> None:
        """Have a qwen there, as its script or as somebody else leaves it."""
        program = self.home / ".local/bin/qwen"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(PROGRAM.format(version=version))
        program.chmod(0o755)
        if recorded:
            found = program.stat()
            state = f"{found.st_ino}-{found.st_size}-{int(found.st_mtime)}"
            record = self.home / ".local/share/agsekit/agents/qwen/installed"
            record.parent.mkdir(parents=True, exist_ok=True)
            inside = "/home/ubuntu/.local/bin/qwen"
            record.write_text(f"{version}\n{state} {state}\n/home/ubuntu/x\n{inside}\n")

    def install(self, agent: Agent, *, upgrade: bool = False) -> Outcome:
        """Install one agent."""
        settings = Settings({}, self.folder, self.folder / "log", upgrade=upgrade)
        order = Order(VM, agent_types()[agent.type], [agent])
        [outcome] = Installation({"box": self.engine}, settings, Hooks()).install([order])
        return outcome


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def custom(install: str, **more: Any) -> Agent:
    """Return an agent that a shell line installs."""
    return Agent("mine", "custom", command=("my-tool",), install=("sh", "-c", install), **more)


def test_what_is_not_there_is_not_found(box: Box) -> None:
    assert find_installed(box.engine, VM, Agent("a", "qwen")) is None


def test_a_program_of_ours_tells_its_version_without_being_started(box: Box) -> None:
    box.put("1.2.3")

    found = find_installed(box.engine, VM, Agent("a", "qwen"))

    assert found == Installed("1.2.3", "/home/ubuntu/.local/bin/qwen")
    assert not (box.home / "starts").exists()


def test_a_program_that_somebody_replaced_is_asked_for_its_version(box: Box) -> None:
    box.put("1.2.3")
    box.put("1.3.0-beta.1", recorded=False)

    found = find_installed(box.engine, VM, Agent("a", "qwen"))

    assert found == Installed("1.3.0-beta.1", "/home/ubuntu/.local/bin/qwen")


@pytest.mark.parametrize("version", ["0.1.0", None, "latest"])
def test_a_version_that_nobody_asked_to_change_is_left(box: Box, version: str | None) -> None:
    box.put("0.1.0")

    outcome = box.install(Agent("a", "qwen", version=version))

    assert (outcome.result, outcome.version) == ("unchanged", "0.1.0")


def test_an_upgrade_takes_nothing_back_that_brought_itself_up_to_date(box: Box) -> None:
    box.put("99.0.0")

    outcome = box.install(Agent("a", "qwen"), upgrade=True)

    assert (outcome.result, outcome.version) == ("unchanged", "99.0.0")


def test_an_older_version_is_replaced_when_the_configuration_or_an_upgrade_asks(box: Box) -> None:
    npm = "no network here"  # the script is reached, and fails at npm
    box.put("0.1.0")
    tools = box.home / ".local/bin"
    for name in ("npm", "node"):
        (tools / name).write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo v99.0.0 && exit\necho E404 {npm} >&2\nexit 1\n'
        )
        (tools / name).chmod(0o755)

    for agent, upgrade in ((Agent("a", "qwen", version="0.2.0"), False), (Agent("a", "qwen"), True)):
        outcome = box.install(agent, upgrade=upgrade)

        assert (outcome.result, outcome.before) == ("failed", "0.1.0")
        assert outcome.error is not None
        assert "could not be installed with npm" in outcome.error.message
        assert outcome.log is not None
        assert npm in outcome.log.read_text()


def test_a_custom_agent_is_installed_by_a_command_and_its_output_is_kept(box: Box) -> None:
    script = "mkdir -p ~/.local/bin; echo working; touch ~/.local/bin/my-tool; chmod +x ~/.local/bin/my-tool"

    outcome = box.install(custom(script))

    assert (outcome.result, outcome.version, outcome.path) == ("installed", None, "/home/ubuntu/.local/bin/my-tool")
    assert outcome.log is not None
    assert "\nworking\n" in outcome.log.read_text()
    assert outcome.log.stat().st_mode & 0o777 == 0o600
    assert box.install(custom("exit 1")).result == "unchanged"


def test_a_command_that_installs_nothing_has_failed(box: Box) -> None:
    outcome = box.install(custom("echo done"))

    assert outcome.error is not None
    assert outcome.error.message == (
        "mine could not be installed in VM box: there is no my-tool after the installation"
    )
    assert outcome.error.hint is not None
    assert str(outcome.log) in outcome.error.hint


def test_without_install_a_custom_agent_is_a_matter_of_the_user(box: Box) -> None:
    agent = Agent("mine", "custom", command=("my-tool",))

    assert box.install(agent).result == "manual"


def test_keys_of_the_agent_are_not_there_and_passwords_not_in_the_log(box: Box) -> None:
    agent = custom('env; echo "$HTTPS_PROXY"; exit 1', env={"API_KEY": "sk-1", "HTTPS_PROXY": "http://u:pw@proxy:1"})

    outcome = box.install(agent)

    assert outcome.log is not None
    log = outcome.log.read_text()
    assert "http://***@proxy:1" in log
    assert "sk-1" not in log
    assert "pw@" not in log


def test_what_never_stops_talking_is_ended(box: Box) -> None:
    outcome = box.install(custom("yes $(printf %01000d 0)"))

    assert outcome.error is not None
    assert "does not stop talking" in outcome.error.message
