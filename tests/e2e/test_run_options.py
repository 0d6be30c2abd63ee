"""What the configuration and the options of `run` say about an agent, with real sandboxes and terminals."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import MARK, SCRIPT, World, write_files

SECRET = "sk-5eed f00d"


def configure(
    world: World, script: str, *, agents: Any = None, mount: Any = None, engine: str = "bubblewrap"
) -> None:
    """Write a configuration whose agent `rogue` is a shell script; `agents` change it, and add others."""
    rogue = {"type": "custom", "command": ["sh", "-c", script, "rogue"], "env": {MARK: world.mark}}
    changes = dict(agents or {})
    rogue = {**rogue, **changes.pop("rogue", {})}
    others = {name: {**rogue, **change} for name, change in changes.items()}
    world.write_config(
        {
            "vms": {"box": {"engine": engine}},
            "mounts": [{"source": str(world.project), **(mount or {})}],
            "agents": {"rogue": rogue, **others},
        }
    )


@pytest.fixture
def vm(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A running machine `box` with the project."""
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    fake_multipass.add("box", mounts={"/home/ubuntu/project": world.project})
    return fake_multipass


# The environment


def test_values_of_the_host_reach_the_agent_and_nothing_else(world: World) -> None:
    keys = {"A": {"env": "OUTSIDE"}, "B": {"file": "~/key"}, "C": {"command": ["cat", str(world.home / "key")]}}
    configure(world, 'printf "<%s>" "$A" "$B" "$C" "$OUTSIDE"', agents={"rogue": {"env": keys}})
    write_files(world.home, {"key": SECRET + "\n"})
    (world.home / "key").chmod(0o600)

    run = world.agsekit("run", "rogue", "--debug", cwd=world.project, env={"OUTSIDE": SECRET})

    assert run.out == f"<{SECRET}>" * 3 + "<>"
    assert SECRET not in run.err
    assert re.search(r"^\d\d:\d\d:\d\d \+ cat ", run.err, re.MULTILINE)
    stored = [path for path in world.home.rglob("*") if path.is_file() and path.name != "key"]
    assert not [path for path in stored if SECRET.encode() in path.read_bytes()]


def test_without_a_value_no_agent_starts_and_the_key_is_named(world: World) -> None:
    configure(world, "touch started", agents={"rogue": {"env": {"API_KEY": {"env": "OUTSIDE"}}}})

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 125
    assert f"{world.config}:1: agents.rogue.env.API_KEY: the variable OUTSIDE is not set, or empty" in run.err
    assert not (world.project / "started").exists()
    assert not world.store.exists()


def test_debug_masks_what_is_secret_in_arguments(world: World) -> None:
    defaults = ["--header", f"Bearer {SECRET}", "--api-key=other-key"]
    configure(world, 'printf "<%s>" "$@"', agents={"rogue": {"env": {"K": SECRET}, "default-args": defaults}})

    run = world.agsekit("run", "rogue", "--debug", "--", "--token", "third-key", cwd=world.project)

    assert run.out == f"<--header><Bearer {SECRET}><--api-key=other-key><--token><third-key>"
    assert not [secret for secret in (SECRET, "other-key", "third-key") if secret in run.err]
    assert "--header 'Bearer ***' '--api-key=***' --token '***'" in run.err


def test_quiet_leaves_nothing_but_what_the_agent_says(world: World) -> None:
    configure(world, "cat; echo problem >&2; echo '*' > .backupignore; echo more > 1.txt", mount={"interval": 60})
    world.config.chmod(0o644)
    write_files(world.project, {f"{number}.txt": "" for number in range(300)})

    run = world.agsekit("run", "rogue", "--quiet", cwd=world.project, stdin=b"given")

    assert (run.code, run.out, run.err) == (0, "given", "problem\n")


@pytest.mark.parametrize("watch", [True, False])
def test_a_loss_is_told_even_by_a_quiet_run(world: World, watch: bool) -> None:
    configure(world, "rm -f [0-9]*", mount={"interval": 60, "watch": watch})
    write_files(world.project, {f"{number}.txt": "" for number in range(300)})

    run = world.agsekit("run", "rogue", "--quiet", cwd=world.project)

    assert "are gone or nearly empty" in run.err or "are gone or empty" in run.err
    assert "agsekit snapshots" in run.err


# Homes


def test_a_home_of_its_own_is_private_and_lasts_and_has_the_programs_of_the_other(world: World) -> None:
    script = 'echo "$HOME"; pwd; tool; echo "$0" >> ~/.login; cat ~/.login; stat -c %a ~ "$HOME/.."'
    configure(world, script, agents={"mine": {"home": "own", "command": ["sh", "-c", script, "mine"]}})
    tool = world.home / ".local/share/agsekit/vms/box/home/.local/bin/tool"
    write_files(tool.parent, {"tool": "#!/bin/sh\necho tool\n"})
    tool.chmod(0o755)

    shared = world.agsekit("run", "rogue", cwd=world.home)
    own = [world.agsekit("run", "mine", cwd=world.home) for _ in range(2)][1]

    assert shared.out.splitlines()[:4] == ["/home/ubuntu", "/home/ubuntu", "tool", "rogue"]
    place = "/home/ubuntu/.agsekit/homes/mine"
    assert own.out.splitlines() == [place, place, "tool", "mine", "mine", "700", "700"]


def test_a_home_of_its_own_inside_a_machine(world: World, vm: FakeMultipass) -> None:
    script = 'echo "$HOME"; pwd; stat -c %a ~; echo "$K"'
    configure(world, script, agents={"rogue": {"home": "own", "env": {"K": "v"}}}, engine="multipass")

    outside, inside = (world.agsekit("run", "rogue", cwd=folder) for folder in (world.home, world.project))

    place = "/home/ubuntu/.agsekit/homes/rogue"
    assert outside.out.splitlines() == [place, place, "700", "v"]
    assert inside.out.splitlines() == [place, "/home/ubuntu/project", "700", "v"]


def test_a_link_where_a_home_of_its_own_goes_is_not_followed(world: World) -> None:
    configure(world, "echo started", agents={"rogue": {"home": "own"}})
    box = world.home / ".local/share/agsekit/vms/box/home"
    box.mkdir(parents=True)
    (world.home / "precious").mkdir()
    (box / ".agsekit").symlink_to(world.home / "precious")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert (run.code, run.out) == (125, "")
    assert list((world.home / "precious").iterdir()) == []


# Who may work where


def test_an_agent_that_is_not_allowed_does_not_start(world: World) -> None:
    configure(world, "touch started", agents={"other": {}}, mount={"allowed-agents": ["other"]})

    refused, admitted = (world.agsekit("run", name, cwd=world.project) for name in ("rogue", "other"))

    assert refused.code == 125
    assert f"error: the agent 'rogue' is not allowed in {world.project}\n" in refused.err
    assert f"hint: allowed are other ({world.config}:1: mounts[0].allowed-agents)\n" in refused.err
    assert (admitted.code, (world.project / "started").exists()) == (0, True)


# What is not installed


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:1"])
@pytest.mark.parametrize("engine", ["bubblewrap", "multipass"])
def test_an_agent_that_is_not_installed_is_told_with_the_command_that_installs_it(
    world: World, vm: FakeMultipass, engine: str, proxy: str
) -> None:
    world.write_config(
        {
            "vms": {"box": {"engine": engine}},
            "mounts": [{"source": str(world.project)}],
            "agents": {"qwen": {"type": "qwen", "proxychains": proxy}},
        }
    )

    run = world.agsekit("run", "qwen", cwd=world.project)

    assert run.code == 125
    assert "qwen is not installed in VM 'box'" in run.err
    assert "agsekit install-agents qwen box" in run.err


def own_tool(world: World) -> None:
    """Configure an agent `tool` of the user's that a command installs into the home of the VM."""
    making = r"""
        mkdir -p ~/.local/bin && cd ~/.local/bin
        printf '#!/bin/sh\necho it runs "$@"\n' > tool && chmod +x tool
    """
    world.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(world.project)}],
            "agents": {"mine": {"type": "custom", "command": ["tool"], "install": ["sh", "-c", making]}},
        }
    )


def test_an_agent_that_is_not_installed_is_installed_and_started_if_the_user_agrees(world: World) -> None:
    own_tool(world)
    window = world.window("run", "mine", "--", "now", cwd=world.project, columns=200)
    window.expect("mine is not installed in VM 'box'. Install it now? (agsekit install-agents mine box)")

    window.type("y\r")
    window.expect("it runs now")

    assert window.finish() == 0


def test_without_an_agreement_nothing_is_installed(world: World) -> None:
    own_tool(world)
    window = world.window("run", "mine", cwd=world.project, columns=200)
    window.expect("Install it now?")

    window.type("n\r")
    window.expect("install it with `agsekit install-agents mine box`")

    assert window.finish() == 125
    assert not (world.home / ".local/share/agsekit/vms/box/home/.local").exists()


@pytest.mark.parametrize("engine", ["bubblewrap", "multipass"])
def test_127_of_the_agent_itself_is_its_own(world: World, vm: FakeMultipass, engine: str) -> None:
    configure(world, "exit 127", engine=engine)

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 127
    assert "not installed" not in run.err


# On a terminal


def test_an_agent_on_a_terminal_has_the_colours_and_the_size_of_the_window_and_hears_of_changes(world: World) -> None:
    script = """
        trap 'stty size; exit 5' WINCH
        echo "$TERM $COLORTERM"; printf '\\033[?1049h\\033[31mred\\033[0m'; stty size
        touch up; while :; do sleep 0.05; done
    """
    configure(world, script)
    world.environment.update(TERM="xterm-256color", COLORTERM="truecolor")
    window = world.window("run", "rogue", cwd=world.project, columns=91)
    window.expect("xterm-256color truecolor")
    window.expect("\x1b[?1049h\x1b[31mred\x1b[0m24 91")

    window.resize(columns=101, rows=31)
    window.expect("31 101")

    assert window.finish() == 5


def test_keys_that_mean_something_to_a_terminal_mean_it_to_the_agent(world: World) -> None:
    script = "trap 'echo cleaning up; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    configure(world, script)
    window = world.window("run", "rogue", cwd=world.project)
    window.expect("ready")

    window.type("\x03")
    window.expect("cleaning up")

    assert window.finish() == 7


def test_pipes_are_clean_in_both_directions(world: World) -> None:
    data = bytes(range(256)) * 512
    configure(world, "cat > copy; cat copy")
    argv = [str(SCRIPT), "run", "rogue", "-q"]

    done = subprocess.run(
        argv, input=data, capture_output=True, env=world.environment, cwd=world.project, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")
    assert (world.project / "copy").read_bytes() == data
