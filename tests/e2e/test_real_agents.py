"""Real agents, installed by agsekit into a sandbox, do a whole task, and wreck everything, and all of it comes back.

Their model is `tests/fakes/model_server.py`, which plays a script; the agents, their tools, and all the rest are
real.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_server import DONE, ModelServer, Step
from tests.support.real_agents import VM, RealAgents
from tests.support.trees import describe
from tests.support.world import World, wait_until, write_files

KEY = "sk-9f2c7e51d0b84a36"
TARGET = "/home/ubuntu/project"
EDITED = ("src/main.py", "untracked.txt", "new.txt")
WORKING = 240.0


def script(world: World, other: Path) -> Sequence[Step]:
    """Return what the model tells: work, look for what is none of its business, and then wreck everything."""
    private = [world.home / ".ssh/id_rsa", world.home, world.store, other, Path("/home/ubuntu/other")]
    places = " ".join(map(str, private))
    spying = f"cat {places} 2>/dev/null; ls -d {places} 2>/dev/null | sed 's,^,can see ,'; ls -a /home /root /srv"
    return [
        {"read": f"{TARGET}/README.md"},
        {"read": f"{TARGET}/src/main.py"},
        {"edit": f"{TARGET}/src/main.py", "old": "not committed", "new": "edited by the agent"},
        {"read": f"{TARGET}/untracked.txt"},
        {"edit": f"{TARGET}/untracked.txt", "old": "untracked", "new": "edited, too"},
        {"create": f"{TARGET}/new.txt", "text": "made by the agent\n"},
        {"shell": spying + "; echo I looked"},
        # Codex refuses to run `rm -f` even when it is told not to ask.
        {"shell": f"find {TARGET} -mindepth 1 -delete", "held": "until the state is known"},
    ]


@pytest.fixture
def model(full_project: World) -> Iterator[ModelServer]:
    """A model for one agent, in a world with things that no agent must see."""
    other = full_project.home / "other"
    write_files(other, {"secret.txt": "of another project\n"})
    write_files(full_project.home, {".ssh/id_rsa": "PRIVATE KEY\n"})
    server = ModelServer(script(full_project, other), key=KEY)
    yield server
    server.release()
    server.close()


def profile(name: str, url: str) -> dict[str, Any]:
    """Return an agent of the configuration that asks for no approval and whose model is at `url`."""
    key = {"OPENAI_API_KEY": {"env": "MODEL_KEY"}}
    if name == "qwen":
        env = {**key, "OPENAI_BASE_URL": url, "OPENAI_MODEL": "scripted"}
        return {"type": "qwen", "env": env, "default-args": ["--approval-mode=yolo", "--auth-type=openai"]}
    provider = {"name": "scripted", "base_url": url, "env_key": "OPENAI_API_KEY", "wire_api": "responses"}
    settings = ["model_provider=scripted", *(f'model_providers.scripted.{k}="{v}"' for k, v in provider.items())]
    options = [word for setting in settings for word in ("-c", setting)]
    silent = "--dangerously-bypass-approvals-and-sandbox"
    return {"type": "codex", "env": key, "default-args": ["exec", silent, "--model", "scripted", *options]}


TASKS = {"qwen": ["-p", "improve the project"], "codex": ["improve the project"]}


def watch(run: subprocess.Popen[bytes], model: ModelServer, world: World) -> tuple[dict[bytes, Any], list[bytes]]:
    """Let the agent go on once its edits are saved; return the state then, and command lines that held the key."""
    good: dict[bytes, Any] = {}
    leaks: list[bytes] = []
    deadline = time.monotonic() + WORKING
    while run.poll() is None:
        assert time.monotonic() < deadline, model.results
        leaks += [line for line in command_lines() if KEY.encode() in line]
        if model.held.is_set() and not good:
            state = describe(world.project)
            wait_until(lambda: saved(world, "new.txt") and saved(world, "untracked.txt"))
            good = state
            model.release()
        time.sleep(0.05)
    return good, leaks


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def saved(world: World, name: str) -> bool:
    """Tell whether the newest snapshot holds a file as it is."""
    newest = world.snapshots()[-1]["id"]
    copy = world.store / newest / name
    return copy.exists() and bool(copy.read_bytes() == (world.project / name).read_bytes())


@pytest.mark.parametrize("name", ["qwen", "codex"])
def test_a_real_agent_works_and_wrecks_a_project_and_everything_comes_back(
    real_agents: RealAgents, full_project: World, model: ModelServer, name: str
) -> None:
    world = full_project
    [installed] = real_agents.install(name)
    assert installed.code == 0, installed.err
    world.environment.update(MODEL_KEY=KEY, XDG_DATA_HOME=str(real_agents.home.parents[3]))
    world.write_config(
        {
            "vms": {VM: {"engine": "bubblewrap"}},
            "mounts": [{"source": str(world.project), "interval": 0.01}, {"source": str(world.home / "other")}],
            "agents": {name: profile(name, model.url)},
        }
    )

    run = world.start("run", name, "--debug", "--", *TASKS[name], cwd=world.project)
    good, leaks = watch(run, model, world)
    ended = world.finish(run)

    # The agent did what it was told, with its own tools.
    assert (ended.code, DONE in ended.out) == (0, True), (ended, model.results)
    assert model.refused == 0
    assert os.listdir(world.project) == [], model.results[-1]
    # It saw nothing that is not its business.
    seen = "\n".join(model.results)
    assert "I looked" in seen
    assert not [secret for secret in ("PRIVATE KEY", "of another project", "can see /") if secret in seen], seen
    # The key is nowhere but in the agent.
    assert leaks == []
    assert KEY not in ended.err + ended.out
    kept = [path for path in world.home.rglob("*") if path.is_file()]
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]
    # The history names what it did.
    timeline = world.agsekit("snapshots", "list", cwd=world.project).out
    shown = "".join(
        world.agsekit("snapshots", "show", each["id"], cwd=world.project).out for each in world.snapshots()
    )
    assert all(each["id"] in timeline for each in world.snapshots())
    assert not [path for path in EDITED if path not in shown]
    # And everything comes back.
    snapshots = world.snapshots()
    lost = next(number for number, each in enumerate(snapshots) if each["removed"] > len(EDITED))
    before = snapshots[lost - 1]
    restored = world.agsekit("snapshots", "restore", before["id"], "-y", cwd=world.project)
    assert restored.code == 0, restored.err
    assert describe(world.project) == good
    world.wait_for_nothing_left()
