"""The same as somebody who is not root: tests that run as root try it in a process of another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import agsekit
from tests.support.trees import describe
from tests.support.world import SCRIPT, World, write_files

NOBODY = 65534

# The interpreter and the packages may lie in folders that root keeps to itself, such as /root. In a mount
# namespace of its own the ordinary user gets them at the same place, read-only, and nothing else of there.
SHOW_AND_BECOME = """
set -e
number=0
for path in $1; do
    number=$((number + 1))
    mkdir -p "$2/$number"
    mount --bind "$path" "$2/$number"
    mount -o remount,bind,ro "$2/$number"
done
number=0
for closed in $3; do mount -t tmpfs -o mode=0755 tmpfs "$closed"; done
for path in $1; do
    number=$((number + 1))
    [ -e "$path/." ] || { mkdir -p "$path"; mount --move "$2/$number" "$path"; }
done
shift 3
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all -- "$@"
"""


class OrdinaryUser:
    """Runs agsekit in a world that belongs to a user without any rights."""

    def __init__(self, world: World, before: list[str]) -> None:
        self.world = world
        self._before = before

    def agsekit(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._before, str(SCRIPT), *words],
            cwd=cwd or self.world.project,
            env=self.world.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def user() -> Iterator[OrdinaryUser]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # that of the tests is closed to others
        world = World(Path(folder) / "world")
        write_files(world.project, {"a.txt": "one\n", "src/b.txt": "two\n"})
        world.configure("id -u; touch it-ran; rm -rf src")
        yield OrdinaryUser(world, _becoming(world, Path(folder)))
        world.close()


def _becoming(world: World, folder: Path) -> list[str]:
    if os.getuid() != 0:
        return []
    if not shutil.which("setpriv") or not shutil.which("unshare"):
        pytest.skip("root needs setpriv and unshare to try it as somebody else")
    for path in (world.folder, *world.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    folder.chmod(0o755)
    packages = Path(agsekit.__file__).parent.parent
    needed = {Path(sys.base_prefix), Path(sys.prefix), packages, SCRIPT.parent}
    closed = {_closed_above(path) for path in needed} - {None}
    behind = {path for path in needed if _closed_above(path)}
    binds = folder / "binds"
    binds.mkdir()
    words = [" ".join(map(str, sorted(behind))), str(binds), " ".join(map(str, sorted(map(str, closed))))]
    becoming = ["unshare", "-m", "--propagation", "private", "sh", "-c", SHOW_AND_BECOME, "sh", *words]
    tried = subprocess.run(
        [*becoming, str(SCRIPT), "--version"], capture_output=True, text=True, env=world.environment, check=False
    )
    if tried.returncode:
        pytest.skip(f"nobody but root can use this interpreter here: {tried.stderr.strip()[-200:]}")
    return becoming


def _closed_above(path: Path) -> Path | None:
    """Return the outermost folder above a path that others may not enter."""
    for parent in reversed(path.parents):
        if not parent.stat().st_mode & 0o001:
            return parent
    return None


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_the_main_job_needs_no_rights(user: OrdinaryUser) -> None:
    world = user.world
    before = describe(world.project)

    run = user.agsekit("run", "rogue")
    changed = (world.project / "it-ran").exists() and not (world.project / "src").exists()
    restored = user.agsekit("snapshots", "restore", world.snapshots()[0]["id"], "-y")

    assert run.returncode == 0, run.stderr
    assert run.stdout != "0\n"
    assert changed
    assert restored.returncode == 0, restored.stderr
    assert describe(world.project) == before
    assert world.store.stat().st_uid == world.project.stat().st_uid
    world.wait_for_nothing_left()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_an_agent_is_installed_without_any_rights(user: OrdinaryUser) -> None:
    script = "mkdir -p ~/.local/bin; printf '#!/bin/sh\\nid -u\\n' > ~/.local/bin/mine; chmod +x ~/.local/bin/mine"
    user.world.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}},
            "agents": {"mine": {"type": "custom", "command": "mine", "install": ["sh", "-c", script]}},
        }
    )

    installed = user.agsekit("install-agents")
    run = user.agsekit("run", "mine")

    assert installed.returncode == 0, installed.stderr
    assert (run.returncode, run.stdout) == (0, f"{user.world.project.stat().st_uid}\n"), run.stderr


def test_a_file_that_cannot_be_read_makes_a_snapshot_incomplete_and_stops_nothing_else(user: OrdinaryUser) -> None:
    world = user.world
    (world.project / "a.txt").chmod(0)

    first = user.agsekit("backup-once")
    second = user.agsekit("backup-once")
    listed = user.agsekit("snapshots", "list")

    assert first.returncode == second.returncode == 3
    assert "warning: a.txt could not be read" in first.stderr
    assert "warning: a.txt could not be read" in second.stderr
    assert first.stdout.startswith("Snapshot ")
    assert second.stdout.startswith("No changes")
    assert "incomplete" in listed.stdout
    newest = world.snapshots()[-1]
    assert newest["complete"] is False
    assert (world.store / newest["id"] / "src/b.txt").read_text() == "two\n"


def test_a_folder_that_cannot_be_entered_makes_a_snapshot_incomplete(user: OrdinaryUser) -> None:
    (user.world.project / "src").chmod(0)

    done = user.agsekit("backup-once")
    (user.world.project / "src").chmod(0o755)

    assert done.returncode == 3
    assert "warning: src could not be read" in done.stderr


def test_a_store_and_a_config_that_cannot_be_used_are_told_with_a_hint(user: OrdinaryUser) -> None:
    world = user.world
    elsewhere = user.agsekit("backup-once", "--source-dir", str(world.project), "--dest-dir", "/usr/store")
    world.config.chmod(0)

    unreadable = user.agsekit("backup-once")
    run = user.agsekit("run", "rogue")

    assert elsewhere.returncode == 1
    assert "/usr/store" in elsewhere.stderr
    assert (unreadable.returncode, run.returncode) == (10, 125)
    for done in (unreadable, run):
        assert f"error: The configuration {world.config} cannot be read: Permission denied" in done.stderr
        assert "hint: " in done.stderr
    assert "Traceback" not in elsewhere.stderr + unreadable.stderr + run.stderr


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_a_guarded_run_is_stopped_and_ended_and_what_it_planted_is_put_back(user: OrdinaryUser) -> None:
    world = user.world
    write_files(world.project, {f"f{number}": "content\n" for number in range(40)})
    if os.getuid() == 0:
        for path in world.project.iterdir():
            os.chown(path, NOBODY, NOBODY)
    world.configure("echo evil > .envrc; rm f*; sleep 100", interval=0.005, guard=["pause", "quarantine"])

    run = user.agsekit("run", "rogue")

    assert run.returncode == 30, run.stderr
    assert "40 of" in run.stderr
    assert not (world.project / ".envrc").exists()
    world.wait_for_nothing_left()
