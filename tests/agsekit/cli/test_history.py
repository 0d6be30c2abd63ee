"""The commands that look back and step back, tried with the real console script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.world import Done, World, write_files


@pytest.fixture(params=["rsync", "git"])
def history(world: World, request: pytest.FixtureRequest) -> World:
    """A project with three snapshots, of either backend."""
    world.configure(backend=request.param)
    for files in ({"a.txt": "one\n", "src/b.txt": "b\n"}, {"a.txt": "one\ntwo\n"}, {"a.txt": "1\n", "c": "c\n"}):
        write_files(world.project, files)
        assert world.agsekit("backup-once", cwd=world.project).code == 0
    return world


def snapshots(world: World, *arguments: str | Path, cwd: Path | None = None) -> Done:
    return world.agsekit("snapshots", *arguments, cwd=cwd or world.project)


def ids(world: World) -> list[str]:
    return [each["id"] for each in snapshots(world, "list", "--json").document["snapshots"]]


def test_show_lists_what_a_snapshot_changed(history: World) -> None:
    done = snapshots(history, "show", "latest")

    assert done.code == 0
    assert done.out.splitlines()[1:] == ["+ c", "~ a.txt"]
    document = snapshots(history, "show", "latest", "--json").document
    assert document["changes"] == {"added": ["c"], "modified": ["a.txt"], "metadata": [], "removed": []}


def test_diff_of_two_snapshots_is_unified_text(history: World) -> None:
    done = snapshots(history, "diff", "latest~2", "latest~1")

    assert done.code == 0
    assert done.out.splitlines() == ["M a.txt", "--- a/a.txt", "+++ b/a.txt", "@@ -1 +1,2 @@", " one", "+two"]


def test_diff_is_against_the_folder_now_when_one_snapshot_is_named(history: World) -> None:
    write_files(history.project, {"src/b.txt": "changed\n"})
    (history.project / "c").unlink()

    done = snapshots(history, "diff", "--stat")

    assert done.out.splitlines() == ["D c (+0 -1)", "M src/b.txt (+1 -1)"]


def test_diff_can_be_restricted_to_paths_that_count_from_where_one_is(history: World) -> None:
    write_files(history.project, {"src/b.txt": "changed\n", "a.txt": "changed too\n"})

    done = snapshots(history, "diff", "latest", "b.txt", "--json", cwd=history.project / "src")

    assert [each["path"] for each in done.document["files"]] == ["src/b.txt"]
    assert done.document["files"][0]["lines"][-2:] == ["-b", "+changed"]


def test_log_lists_the_versions_of_a_file(history: World) -> None:
    document = snapshots(history, "log", "a.txt", "--json").document

    assert [(each["snapshot"], each["change"], each["size"]) for each in document["versions"]] == [
        (ids(history)[0], "added", 4),
        (ids(history)[1], "modified", 8),
        (ids(history)[2], "modified", 2),
    ]
    assert len(snapshots(history, "log", "a.txt").out.splitlines()) == 4


def test_cat_prints_a_file_as_it_was(history: World) -> None:
    assert snapshots(history, "cat", "latest~1", "a.txt").out == "one\ntwo\n"


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [("nothing", 12, "nothing is not in snapshot"), ("src", 2, "src is not a file in snapshot")],
)
def test_cat_of_what_is_no_file_says_so(history: World, path: str, code: int, sentence: str) -> None:
    done = snapshots(history, "cat", "latest", path)

    assert done.code == code
    assert sentence in done.err
    assert done.out == ""


def test_a_list_for_a_path_that_no_snapshot_knows_says_so(history: World) -> None:
    done = snapshots(history, "list", "--path", "nothing")

    assert done.code == 12
    assert "no snapshot has ever had nothing" in done.err


def test_the_list_can_be_restricted_to_a_path(history: World) -> None:
    found = snapshots(history, "list", "--path", "c", "--json").document["snapshots"]

    assert [each["id"] for each in found] == [ids(history)[2]]


def test_undo_and_redo_step_back_and_forth(history: World) -> None:
    texts = []
    for step in ("undo", "undo", "redo", "redo"):
        done = snapshots(history, step, "--yes")
        assert done.code == 0, done.err
        texts.append((history.project / "a.txt").read_text())

    assert texts == ["one\ntwo\n", "one\n", "one\ntwo\n", "1\n"]


def test_undo_only_shows_its_plan_on_a_dry_run_and_asks_otherwise(history: World) -> None:
    shown = snapshots(history, "undo", "--dry-run", "--json")
    asked = snapshots(history, "undo")

    assert (shown.document["dry_run"], shown.document["replace"]) == (True, ["a.txt"])
    assert asked.code == 2
    assert "--yes" in asked.err
    assert (history.project / "a.txt").read_text() == "1\n"


def test_redo_without_an_undo_is_a_clear_error(history: World) -> None:
    done = snapshots(history, "redo", "--yes")

    assert done.code == 12
    assert "nothing to redo" in done.err


def test_a_pinned_snapshot_outlives_a_prune_that_deletes_its_neighbours(history: World) -> None:
    _, second, third = ids(history)
    history.configure(
        backend=snapshots(history, "list", "--json").document["snapshots"][0]["backend"],
        keep={"everything": "0", "hourly": "0", "daily": "0", "weekly": "0"},
    )

    pinned = snapshots(history, "pin", second)
    planned = snapshots(history, "prune", "--dry-run", "--json")
    refused = snapshots(history, "prune")
    done = snapshots(history, "prune", "--yes")

    assert "is pinned" in pinned.out
    assert [each["keep"] for each in planned.document["snapshots"]] == [False, True, True]
    assert refused.code == 2
    assert done.code == 0
    assert ids(history) == [second, third]
    assert snapshots(history, "unpin", second).code == 0
    assert snapshots(history, "prune", "--yes").code == 0
    assert ids(history) == [third]


def test_usage_says_what_each_snapshot_and_path_costs(history: World) -> None:
    document = snapshots(history, "usage", "--json").document

    assert [each["added_bytes"] for each in document["snapshots"]] == [6, 8, 4]
    assert document["bytes"] == 18
    assert document["paths"][0] == {"path": "a.txt", "bytes": 14, "versions": 3}


def test_verify_finds_nothing_in_a_sound_store(history: World) -> None:
    done = snapshots(history, "verify", "--data", "--json")

    assert done.code == 0
    assert done.document == {"checked": 3, "data": True, "faults": []}


def test_verify_names_what_is_damaged_and_exits_with_1(history: World) -> None:
    record = history.store / ".agsekit" / "trees" / ids(history)[1]
    record.write_bytes(record.read_bytes()[:-9])

    done = snapshots(history, "verify")

    assert done.code == 1
    assert f"{ids(history)[1]}: its record cannot be used" in done.out


def test_convert_moves_all_snapshots_to_the_other_backend(history: World) -> None:
    before = snapshots(history, "list", "--json").document["snapshots"]
    other = "git" if before[0]["backend"] == "rsync" else "rsync"

    refused = snapshots(history, "convert", "--to", other)
    done = snapshots(history, "convert", "--to", other, "--yes")

    assert refused.code == 2
    assert done.code == 0, done.err
    after = snapshots(history, "list", "--json").document["snapshots"]
    assert after == [{**each, "backend": other} for each in before]
    assert snapshots(history, "cat", "latest~1", "a.txt").out == "one\ntwo\n"


def test_rules_that_an_agent_changed_wait_for_acceptance(world: World) -> None:
    world.configure("echo 'work/' > .backupignore; echo more >> work/file")
    write_files(world.project, {"work/file": "work\n", "other": "x\n"})

    run = world.agsekit("run", "rogue", world.project)
    after = world.agsekit("backup-once", "--json", cwd=world.project)
    accepted = snapshots(world, "accept-rules", "--yes")
    then = world.agsekit("backup-once", "--json", cwd=world.project)

    assert "accept-rules" in run.err
    assert "They would leave out 2 paths: work, work/file." in run.err
    assert after.document["hidden"] == []
    assert ".backupignore" in accepted.out
    assert then.document["hidden"] == ["work", "work/file"]
    assert "nothing to accept" in snapshots(world, "accept-rules").out


def test_a_mass_loss_is_reported_and_the_state_before_it_pinned(world: World) -> None:
    world.configure()
    write_files(world.project, {f"file-{number}": "x" for number in range(30)})
    good = world.agsekit("backup-once", "--json", cwd=world.project).document["snapshot"]["id"]
    for number in range(30):
        (world.project / f"file-{number}").unlink()

    done = world.agsekit("backup-once", cwd=world.project)

    assert "most of the files are gone" in done.err
    assert [each["id"] for each in snapshots(world, "list", "--json").document["snapshots"] if each["pinned"]] == [
        good
    ]


def test_names_that_could_play_with_the_terminal_are_shown_as_escapes(world: World) -> None:
    world.configure()
    name = b"evil\x1b[31m\n\xff\xe2\x80\xae"
    world.project.joinpath(os.fsdecode(name)).write_text("content \x1b]0;title\x07\n")
    world.agsekit("backup-once", cwd=world.project)
    world.project.joinpath(os.fsdecode(name)).unlink()

    for command in (("show",), ("diff",), ("diff", "--stat"), ("usage",), ("undo", "--dry-run")):
        done = snapshots(world, *command)
        assert "\x1b" not in done.out + done.err, command
        assert "\u202e" not in done.out + done.err, command


def test_undo_at_the_prompt_takes_a_number_of_changes_and_says_its_plan_in_one_line(history: World) -> None:
    world = history

    undone = world.agsekit("undo", "2", "-y", cwd=world.project)
    texts = [(world.project / "a.txt").read_text(), (world.project / "c").exists()]
    redone = world.agsekit("redo", "2", "-y", "--json", cwd=world.project)

    assert texts == ["one\n", False]
    assert undone.err.splitlines()[0].endswith("~1 =1 -1 (a.txt, c)")
    assert "To go back to it:" in undone.err
    assert redone.document["create"] == ["c"]
    assert (world.project / "a.txt").read_text() == "1\n"


def test_undo_of_a_path_leaves_everything_else_alone(history: World) -> None:
    world = history
    write_files(world.project, {"src/b.txt": "mine\n"})

    undone = world.agsekit("undo", "../a.txt", "-y", cwd=world.project / "src")

    assert undone.code == 0, undone.err
    assert (world.project / "a.txt").read_text() == "one\ntwo\n"
    assert (world.project / "src/b.txt").read_text() == "mine\n"


def test_a_number_is_a_count_and_a_file_of_that_name_is_written_with_its_folder(history: World) -> None:
    world = history
    write_files(world.project, {"2": "old\n"})
    world.save(now=4e9)
    write_files(world.project, {"2": "new\n"})
    world.save(now=4e9 + 1)

    as_path = world.agsekit("undo", "./2", "--dry-run", "--json", cwd=world.project)
    as_count = world.agsekit("undo", "2", "--dry-run", "--json", cwd=world.project)

    assert as_path.document["replace"] == ["2"]
    assert as_path.document["delete"] == []
    assert as_count.document["delete"] == ["2"]


@pytest.mark.parametrize("words", [["undo", "0"], ["undo", "9999999999"], ["redo", "src"], ["undo", "/etc/passwd"]])
def test_what_is_neither_a_count_nor_a_path_of_the_folder_is_a_usage_error(history: World, words: list[str]) -> None:
    assert history.agsekit(*words, "-y", cwd=history.project).code == 2


def test_a_store_goes_on_with_another_folder_only_when_that_is_said(history: World) -> None:
    other = history.home / "other"
    other.mkdir()
    (other / "different").write_text("nothing alike")
    history.project.rename(history.home / "away")
    folders = ("--source-dir", other, "--dest-dir", history.store)

    refused = history.agsekit("backup-once", *folders)
    done = history.agsekit("snapshots", "adopt", *folders, "--yes")

    assert refused.code == 1
    assert "snapshots adopt --source-dir" in refused.err
    assert done.code == 0, done.err
    assert history.agsekit("backup-once", *folders).code == 0


def test_a_path_names_its_mount_where_the_working_folder_is_in_none(history: World) -> None:
    (history.folder / "way").symlink_to(history.home)
    (history.project / "link").symlink_to("/etc")

    undone = history.agsekit("undo", "project/a.txt", "-y", cwd=history.home)
    logged = history.agsekit("snapshots", "log", "home/project/a.txt", "--json", cwd=history.folder)
    printed = history.agsekit("snapshots", "cat", "latest~1", "way/project/a.txt", cwd=history.folder)
    restored = history.agsekit("snapshots", "restore", "latest", "project", "-y", cwd=history.home)
    elsewhere = history.agsekit("undo", "project/link/passwd", "-y", cwd=history.home)

    assert undone.code == 0, undone.err
    assert "redo --source-dir" in undone.err
    assert len(logged.document["versions"]) >= 3
    assert printed.out == "1\n"
    assert restored.code == 0, restored.err
    assert (elsewhere.code, "does not belong to a mount" in elsewhere.err) == (2, True)
