"""The main job with the embedded engine: an agent destroys a project, and everything comes back."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.terminals import Terminal
from tests.support.trees import describe
from tests.support.world import SCRIPT, World, wait_until, write_files

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

EDIT_THEN_DESTROY = """
for i in 1 2 3 4 5 6; do echo "edit $i" >> work.txt; sleep 0.2; done
rm -rf .git ./* ./.[!.]*
exit 7
"""
SOON = 0.3 / 60


def undo_command(err: str) -> str:
    """Return the command that the summary of a run prints, as it stands there."""
    return err.partition("To undo all of it:\n")[2].splitlines()[0].strip()


def test_everything_that_a_rogue_agent_destroys_can_be_brought_back(full_project: World) -> None:
    world = full_project
    before = describe(world.project)
    world.configure(EDIT_THEN_DESTROY, interval=SOON)

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.code == 7, run.err
    assert os.listdir(world.project) == []
    snapshots = world.snapshots()
    # The emptied project is seen by the last interval snapshot or by the one after the run, whichever comes first.
    assert world.kinds()[:2] == ["pre-run", "interval"]
    assert snapshots[-1]["files"] == 0
    assert len({each["run"]["id"] for each in snapshots}) == 1
    assert {(each["run"]["agent"], each["run"]["vm"]) for each in snapshots} == {("rogue", "box")}
    last_good = [each["id"] for each in snapshots if not each["removed"]][-1]
    restored = world.agsekit("snapshots", "restore", last_good, "-y", cwd=world.project)
    assert restored.code == 0, restored.err
    assert (world.project / "work.txt").read_text().startswith("edit 1\n")
    (world.project / "work.txt").unlink()
    os.utime(world.project, ns=(0, before[b"."].mtime_ns))
    assert describe(world.project) == before


def test_the_summary_says_what_changed_and_its_undo_command_works_from_anywhere(full_project: World) -> None:
    world = full_project
    before = describe(world.project)
    world.configure("echo more >> README.md; touch new.txt; rm -rf .git src; mkdir src")

    run = world.agsekit("run", "rogue", world.project)
    shown = " ".join(run.err.split())

    assert run.code == 0
    assert f"The run changed {world.project}: added 1 (new.txt); changed " in shown
    assert "README.md" in shown
    assert "removed" in shown
    assert "Snapshots taken: 2." in shown
    world.environment["PATH"] = f"{SCRIPT.parent}:{world.environment['PATH']}"
    window = Terminal(["/bin/sh", "-c", undo_command(run.err)], world.environment, Path("/"))
    world.windows.append(window)
    window.expect("Undo the run?")
    window.type("y\r")
    assert window.finish() == 0, window.everything
    assert describe(world.project) == before


def test_the_undo_command_works_for_a_project_whose_name_a_terminal_would_obey(world: World) -> None:
    odd = world.home / "it's [red] \u202e and $HOME"
    write_files(odd, {"a.txt": "one\n"})
    world.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(odd), "target": "/home/ubuntu/odd", "backup": str(world.store)}],
            "agents": {"rogue": {"type": "custom", "command": ["rm", "a.txt"]}},
        }
    )

    run = world.agsekit("run", "rogue", odd)
    command = undo_command(run.err)
    environment = {**world.environment, "PATH": f"{SCRIPT.parent}:{world.environment['PATH']}"}
    window = Terminal(["/bin/bash", "-c", f"{command} -y"], environment, Path("/"))
    world.windows.append(window)

    assert run.code == 0, run.err
    assert "\u202e" not in run.err
    assert window.finish() == 0, window.everything
    assert (odd / "a.txt").read_text() == "one\n"


def test_the_agent_sees_neither_home_nor_store_nor_another_mount(full_project: World) -> None:
    world = full_project
    other = world.home / "other"
    write_files(other, {"secret.txt": "of another project"})
    script = """
    ls -a "$1" "$2" "$3" "$4" /root 2>/dev/null
    cat "$1/.ssh/id_rsa" 2>/dev/null
    grep -rs 'of another project' / --include=secret.txt
    echo "seen: $(pwd) $(ls -A ~)"
    """
    write_files(world.home, {".ssh/id_rsa": "PRIVATE KEY"})
    world.write_config(
        {
            "vms": {"box": {"engine": "bubblewrap"}},
            "mounts": [{"source": str(world.project)}, {"source": str(other)}],
            "agents": {"rogue": {"type": "custom", "command": ["sh", "-c", script, "rogue"]}},
        }
    )
    places = [world.home, world.store, other, "/home/ubuntu/other"]

    run = world.agsekit("run", "rogue", "--", *map(str, places), cwd=world.project)

    assert run.out == "seen: /home/ubuntu/project project\n"


def test_a_subfolder_is_entered_at_the_same_place_inside(full_project: World) -> None:
    full_project.configure("pwd; ls")

    run = full_project.agsekit("run", "rogue", cwd=full_project.project / "src")

    assert run.out == "/home/ubuntu/project/src\nmain.py\n"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 125", 125), ("kill -TERM $$", 143)]
)
def test_the_exit_code_of_the_agent_is_passed_through(world: World, script: str, code: int) -> None:
    world.configure(script)

    assert world.agsekit("run", "rogue", cwd=world.project).code == code


def test_the_streams_of_the_agent_are_those_of_the_command(world: World) -> None:
    world.configure("cat; echo problem >&2")

    run = world.agsekit("run", "rogue", "-q", cwd=world.project, stdin=b"given\n")

    assert run.out == "given\n"
    assert run.err.splitlines()[0] == "problem"


def test_what_follows_the_dashes_goes_to_the_agent_as_it_is(world: World) -> None:
    world.configure('printf "<%s>" "$@"')

    run = world.agsekit("run", "rogue", "--", "--vm", "", "a b", "$HOME", "--", "-h", cwd=world.project)

    assert run.out == "<--vm><><a b><$HOME><--><-h>"


def test_without_backups_no_store_is_made_and_the_user_is_told(world: World) -> None:
    world.configure("touch new")

    run = world.agsekit("run", "rogue", "--disable-backups", cwd=world.project)

    assert run.code == 0
    assert (world.project / "new").exists()
    assert not world.store.exists()
    assert "Snapshots are off" in run.err
    assert "undo" not in run.err


def test_outside_of_all_mounts_the_user_is_told_that_nothing_is_backed_up(world: World) -> None:
    world.configure("pwd")

    run = world.agsekit("run", "rogue", cwd=world.home)

    assert (run.code, run.out) == (0, "/home/ubuntu\n")
    assert "nothing is being backed up" in run.err
    assert not world.store.exists()


def test_the_weaker_isolation_is_told_once_for_each_vm(world: World) -> None:
    world.configure()

    first, second = (world.agsekit("run", "rogue", cwd=world.project) for _ in range(2))

    assert "shares the kernel" in first.err
    assert "shares the kernel" not in second.err


def test_rules_that_the_agent_writes_do_not_hide_files_from_the_snapshots(world: World) -> None:
    world.configure("echo '*' > .backupignore; echo loot > loot.txt")

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert "warning: .backupignore changed during the run" in run.err
    assert "loot.txt" in os.listdir(world.store / world.snapshots()[-1]["id"])


def test_the_first_snapshot_of_many_files_shows_progress(world: World) -> None:
    write_files(world.project, {f"{number}.txt": "" for number in range(300)})
    world.configure()

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert "Saving 0/300\n" in run.err
    assert "Saving 300/300\n" in run.err


def test_a_run_without_a_change_says_so(world: World) -> None:
    world.configure()

    run = world.agsekit("run", "rogue", cwd=world.project)

    assert run.err.splitlines()[-1] == f"Nothing changed in {world.project}."


def test_a_last_snapshot_that_fails_is_told_with_the_way_back(world: World) -> None:
    write_files(world.project, {"a.txt": "one\n"})
    world.configure("touch up; until [ -e go ]; do sleep 0.05; done")
    process = world.start("run", "rogue", world.project)
    wait_until((world.project / "up").exists)

    world.project.rename(world.home / "away")
    (world.home / "away/go").touch()
    run = world.finish(process)

    assert "warning: a snapshot failed: " in run.err
    assert "is not known" in run.err
    assert "snapshots restore" in undo_command(run.err)


# Secrets


def test_the_environment_of_the_agent_is_nowhere_but_in_the_agent(world: World) -> None:
    secret = "sk-4f1c 'quoted' $HOME"
    world.configure(
        'printf "<%s>" "$API_KEY"; touch up; until [ -e go ]; do sleep 0.05; done', env={"API_KEY": secret}
    )
    process = world.start("--debug", "run", "rogue", cwd=world.project)
    wait_until((world.project / "up").exists)

    lines = [line for _pid, line in world.processes()]
    everywhere = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    (world.project / "go").touch()
    run = world.finish(process)

    assert run.out == f"<{secret}>"
    assert any("bwrap" in line for line in lines)
    assert b"sk-4f1c" not in everywhere
    assert "sk-4f1c" not in run.err
    kept = [path for path in world.home.rglob("*") if path.is_file() and path != world.config]
    assert kept
    assert not [path for path in kept if b"sk-4f1c" in path.read_bytes()]


def test_debug_shows_the_commands_that_are_started(world: World) -> None:
    world.configure()

    run = world.agsekit("run", "rogue", "--debug", cwd=world.project)

    traced = [line for line in run.err.splitlines() if re.match(r"\d\d:\d\d:\d\d \+ ", line)]
    assert any("bwrap" in line for line in traced)
    assert any("sh -c true" in line for line in traced), "the agent itself is a command too"


# Two at once


def test_two_runs_in_one_folder_share_the_store_without_waiting(world: World) -> None:
    script = 'touch "$1.up"; until [ -e "$1.go" ]; do sleep 0.05; done; echo "$1" > "$1.done"'
    world.configure(script, interval=SOON)
    first = world.start("run", "rogue", "--", "first", cwd=world.project)
    second = world.start("run", "rogue", "--", "second", cwd=world.project)
    for name in ("first", "second"):
        wait_until((world.project / f"{name}.up").exists)

    (world.project / "first.go").touch()
    ended = world.finish(first)
    still_running = second.poll() is None
    (world.project / "second.go").touch()
    also_ended = world.finish(second)

    assert (ended.code, still_running, also_ended.code) == (0, True, 0)
    assert not re.search("error|warning", ended.err + also_ended.err)
    newest = world.snapshots()[-1]
    assert {"first.done", "second.done"} <= set(os.listdir(world.store / newest["id"]))
    assert len({each["run"]["id"] for each in world.snapshots()}) == 2
    world.wait_for_nothing_left()


# A hostile folder


def test_running_inside_a_folder_full_of_traps_executes_nothing_of_it(full_project: World) -> None:
    world = full_project
    proof = world.folder / "executed-on-the-host"
    trap = f"open({str(proof)!r}, 'w').close()\n"
    modules = (
        "yaml", "typer", "rich", "questionary", "pygit2", "pathspec", "click", "sitecustomize", "usercustomize",
        "agsekit", "agsekit_storage", "json", "os", "signal", "typing", "dataclasses",
    )  # fmt: skip
    write_files(world.project, {f"{name}.py": trap for name in modules})
    for package in ("storage", "storage/agsekit_storage", "agsekit", "agsekit/cli", "locales"):
        write_files(world.project, {f"{package}/__init__.py": trap})
    for name in ("bwrap", "git", "rsync", "sh", "bash", "python3", "multipass", ".git/hooks/post-checkout", ".envrc"):
        write_files(world.project, {name: f"#!/bin/sh\n: > '{proof}'\n"})
        (world.project / name).chmod(0o755)
    with (world.project / ".git/config").open("a") as file:
        file.write(f"[core]\n\tfsmonitor = {world.project}/git\n\thooksPath = {world.project}\n")
    (world.project / ".gitattributes").write_text("* filter=trap\n")
    world.configure("touch edited; rm -rf src")
    commands = [
        ["run", "rogue"],
        ["backup-once"],
        ["snapshots", "list"],
        ["snapshots", "restore", "latest~1", "-y"],
        ["backup-once", "--source-dir", ".", "--dest-dir", str(world.store), "--debug"],
        ["frobnicate"],
        ["--version"],
        ["--help"],
    ]

    codes = [world.agsekit(*command, cwd=world.project).code for command in commands]

    assert codes == [0, 0, 0, 0, 0, 2, 0, 0]
    assert not proof.exists()


def test_a_link_that_the_agent_leaves_behind_is_not_followed(world: World) -> None:
    target = world.home / "precious"
    write_files(target, {"file": "precious"})
    write_files(world.project, {"data/file": "ours"})
    world.configure(f"rm -rf data; ln -s {target} data")

    run = world.agsekit("run", "rogue", cwd=world.project)
    command = ["snapshots", "restore", world.snapshots()[0]["id"], "-y"]
    restored = world.agsekit(*command, cwd=world.project)

    assert (run.code, restored.code) == (0, 0)
    assert (target / "file").read_text() == "precious"
    assert (world.project / "data/file").read_text() == "ours"


def test_a_run_whose_folder_is_deleted_meanwhile_has_an_end_all_the_same(world: World) -> None:
    world.configure("echo by the run > work.txt; until test -e ~/go; do sleep 0.05; done; exit 7", interval=0.005)
    write_files(world.project, {"work.txt": "before\n"})
    run = world.start("run", "rogue", cwd=world.project)
    wait_until(lambda: "interval" in world.kinds())
    shutil.rmtree(world.project)
    assert run.stderr
    assert any(b" is gone." in line for line in run.stderr)
    (world.home / ".local/share/agsekit/vms/box/home/go").touch()
    done = world.finish(run)

    found = world.agsekit("runs", "list", "--json", "--source-dir", world.project).document["runs"][0]
    listed = world.agsekit("runs", "list", "--source-dir", world.project)
    shown = world.agsekit("runs", "show", "--source-dir", world.project)
    back = world.agsekit("snapshots", "restore", "-y", "--source-dir", world.project)
    undone = world.agsekit("runs", "undo", "-y", "--source-dir", world.project)

    assert (done.code, found["exit_code"], found["last_saved"]) == (7, 7, False)
    # One failed while the agent ran, and the last one; both say the same.
    assert [" times: " in line for line in done.err.splitlines() if "a snapshot failed" in line] == [True], done.err
    assert found["ended"] is not None
    assert listed.out.splitlines()[1].split()[-3:] == ["~1", "?", "7"]
    assert "exit code 7 after " in shown.out
    assert "Its last state could not be saved" in shown.out
    assert "~ work.txt" in shown.out
    assert (back.code, undone.code) == (0, 0), back.err + undone.err
    assert (world.project / "work.txt").read_text() == "before\n"


def test_a_killed_run_whose_folder_is_gone_has_an_end_too(world: World) -> None:
    world.configure("touch ~/started; sleep 100")
    write_files(world.project, {"work.txt": "before\n"})
    run = world.start("run", "rogue", cwd=world.project)
    wait_until((world.home / ".local/share/agsekit/vms/box/home/started").exists)
    shutil.rmtree(world.project)

    run.kill()

    world.wait_for_nothing_left()
    found = world.agsekit("runs", "list", "--json", "--source-dir", world.project).document["runs"][0]
    assert (found["exit_code"], found["last_saved"]) == (None, False)
    assert found["ended"] is not None
