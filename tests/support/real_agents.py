"""Agents as people use them, installed by our own scripts from the package registries, where those can be reached."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.world import Done, World

SWITCH = "AGSEKIT_TEST_REAL_AGENTS"
"""An environment variable; `no` leaves these tests out."""

VM = "agents"
TYPES = ("qwen", "codex", "claude-code", "opencode", "gemini")


class RealAgents:
    """One sandbox for all tests of a session, in which agents are installed when the first test wants them.

    A test may configure `world` as it likes, as long as it keeps the VM. `installed` holds what came of each type.
    """

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.installed: dict[str, Done] = {}

    @property
    def home(self) -> Path:
        """The home of the sandbox, on this machine."""
        return self.world.home / f".local/share/agsekit/vms/{VM}/home"

    def install(self, *types: str) -> Sequence[Done]:
        """Install types that are not there yet; a profile of the same name uses each."""
        missing = [each for each in types if each not in self.installed]
        if missing:
            agents = {each: {"type": each} for each in TYPES}
            self.world.write_config({"vms": {VM: {"engine": "bubblewrap"}}, "agents": agents})
        for each in missing:
            self.installed[each] = self.world.agsekit("install-agents", each, seconds=600)
        return [self.installed[each] for each in types]


def reason_to_skip() -> str:
    """Return why real agents cannot be tested here; empty when they can."""
    if os.environ.get(SWITCH) == "no":
        return f"{SWITCH}=no"
    if shutil.which("bwrap") is None:
        return "needs bubblewrap"
    if shutil.which("npm") is None:
        return "needs npm"
    asking = ["npm", "view", "@qwen-code/qwen-code", "version", "--fetch-retries=0", "--fetch-timeout=15000"]
    try:
        done = subprocess.run(asking, capture_output=True, cwd="/", timeout=40, check=False)
    except subprocess.TimeoutExpired:
        return "the package registry of npm does not answer"
    return "" if done.returncode == 0 else "the package registry of npm cannot be reached"


def open_real_agents(folder: Path) -> RealAgents:
    """Return the sandbox of the session, or skip the test with the reason."""
    reason = reason_to_skip()
    if reason:
        pytest.skip(reason)
    return RealAgents(folder)
