"""`agsekit run` in a mount that is watched: edits are saved while the agent goes on, and nothing stays behind."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.support.world import World, wait_until, write_files


def saved(world: World) -> list[str]:
    return [each["kind"] for each in world.snapshots()]


def test_what_an_agent_destroys_while_it_works_can_be_brought_back(world: World) -> None:
    world.configure("echo precious > work.txt; while [ ! -e go ]; do sleep 0.05; done; rm work.txt", watch="auto")
    process = world.start("run", "rogue", cwd=world.project)
    wait_until(lambda: "watch" in saved(world))

    (world.project / "go").touch()
    done = world.finish(process)
    middle = next(each for each in world.snapshots() if each["kind"] == "watch")
    world.agsekit("snapshots", "restore", middle["id"], "work.txt", "-y", cwd=world.project)

    assert done.code == 0
    assert (world.project / "work.txt").read_text() == "precious\n"
    assert middle["run"]["id"] == world.snapshots()[0]["run"]["id"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_however_a_watched_run_ends_its_last_state_is_saved_and_nothing_stays(
    world: World, number: signal.Signals
) -> None:
    world.configure("echo early > early.txt; sleep 1000 & echo last > last.txt; touch ready; wait", watch=True)
    process = world.start("run", "rogue", cwd=world.project)
    wait_until((world.project / "ready").exists)
    wait_until(lambda: "watch" in saved(world))
    write_files(world.project, {"later.txt": "just before the end\n"})

    process.send_signal(number)
    process.wait(timeout=60)
    world.wait_for_nothing_left()

    newest = world.snapshots()[-1]["id"]
    (world.project / "later.txt").unlink()
    world.agsekit("snapshots", "restore", newest, "-y", cwd=world.project)
    assert {"early.txt", "last.txt", "ready", "later.txt"} <= {path.name for path in world.project.iterdir()}


def test_a_run_says_at_its_end_why_edits_were_saved_at_the_interval_only(world: World) -> None:
    world.configure("true", watch=True)
    for number in range(30):
        (world.project / f"folder{number}").mkdir()
    limited = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    script = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'

    done = world.agsekit("run", "rogue", cwd=world.project, before=[*limited, script, "sh"])

    if "max_inotify_watches" in done.err or "unshare" in done.err:
        pytest.skip("no user namespaces here")
    assert done.code == 0, done.err
    assert "edits are saved at the interval only" in done.err
    assert "sysctl fs.inotify.max_user_watches" in done.err


MAPPED = """
import mmap, os, time
file = open("data", "w+b")
file.write(b"." * 4096)
file.flush()
mapped = mmap.mmap(file.fileno(), 4096)
mapped[0:5] = b"early"
open("data", "r+b").close()
while not os.path.exists("go"):
    time.sleep(0.05)
mapped[0:5] = b"later"
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="a sandbox sees the Python of the system only")
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="where memory is no file system every first write counts")
def test_the_last_write_through_memory_is_saved_though_it_moves_no_clock(world: World) -> None:
    world.project = Path(tempfile.mkdtemp(prefix="agsekit-test-", dir="/dev/shm"))
    try:
        write_through_memory(world)
    finally:
        shutil.rmtree(world.project)


def write_through_memory(world: World) -> None:
    write_files(world.project, {".program": MAPPED})
    world.configure("exec /usr/bin/python3 .program", watch="auto", backup=str(world.store))
    process = world.start("run", "rogue", cwd=world.project)
    wait_until(lambda: "watch" in saved(world))
    before = (world.project / "data").stat().st_mtime_ns

    (world.project / "go").touch()
    done = world.finish(process)

    if (world.project / "data").stat().st_mtime_ns != before:
        pytest.skip("here a write through memory moves a clock")
    assert done.code == 0, done.err
    assert world.agsekit("snapshots", "cat", "latest", "data", cwd=world.project).out.startswith("later")
