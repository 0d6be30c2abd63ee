"""snapshots list and snapshots restore, tried with the real console script."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.trees import describe
from tests.support.world import Done, World, write_files

KEYS = ["id", "created", "backend", "kind", "files", "bytes", "added", "modified", "removed", "complete", "pinned"]


@pytest.fixture
def history(project: World) -> World:
    """A project with two snapshots, ten and five minutes old, and one more file that is in none."""
    project.save(now=time.time() - 600)
    write_files(project.project, {"a.txt": "one, changed\n", "new.txt": "three\n"})
    project.save(now=time.time() - 300)
    write_files(project.project, {"unsaved.txt": "four\n"})
    return project


def restore(world: World, *arguments: str | Path) -> Done:
    return world.agsekit("snapshots", "restore", *arguments, cwd=world.project)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# snapshots list


def test_the_list_has_one_line_for_each_snapshot_in_local_time(history: World) -> None:
    done = history.agsekit("snapshots", "list", cwd=history.project)
    header, *rows = done.out.splitlines()

    assert (done.code, done.err) == (0, "")
    assert header.split() == ["Snapshot", "Time", "Age", "Kind", "Files", "Changes", "Added"]
    for row, snapshot in zip(rows, history.snapshots()):
        created = datetime.fromisoformat(snapshot["created"]).astimezone(ZoneInfo("Asia/Tokyo"))
        assert row.startswith(snapshot["id"])
        assert created.strftime("%Y-%m-%d %H:%M:%S") in row
        assert " manual " in row
    assert "+1 ~1" in rows[1]
    assert not any(line.endswith(" ") for line in done.out.splitlines())


def test_the_json_document_has_the_promised_keys_in_order_oldest_first(history: World) -> None:
    done = history.agsekit("snapshots", "list", "--json", cwd=history.project)

    assert list(done.document) == ["snapshots"]
    first, second = done.document["snapshots"]
    assert list(first)[: len(KEYS)] == KEYS
    assert {key: second[key] for key in KEYS[2:]} == {
        "backend": "rsync",
        "kind": "manual",
        "files": 3,
        "bytes": len("one, changed\n") + len("two\n") + len("three\n"),
        "added": 1,
        "modified": 1,
        "removed": 0,
        "complete": True,
        "pinned": False,
    }
    assert first["created"] < second["created"]
    assert datetime.fromisoformat(first["created"]).utcoffset() == timezone.utc.utcoffset(None)
    assert first["id"] == datetime.fromisoformat(first["created"]).strftime("%Y%m%d-%H%M%S")


def test_the_folders_can_be_named_from_anywhere(history: World) -> None:
    by_source = history.agsekit("snapshots", "list", "--json", "--source-dir", history.project, cwd=Path("/"))
    by_store = history.agsekit("snapshots", "list", "--json", "--dest-dir", history.store, cwd=Path("/"))

    assert by_source.out == by_store.out
    assert len(by_source.document["snapshots"]) == 2


def test_a_store_that_does_not_exist_is_not_made_by_looking(project: World) -> None:
    done = project.agsekit("snapshots", "list", cwd=project.project)

    assert (done.code, done.out) == (1, "")
    assert f"error: {project.store} holds no snapshots" in done.err
    assert "hint: a store is made by the first snapshot" in done.err
    assert not project.store.exists()


def test_snapshots_of_an_older_tool_are_listed(world: World) -> None:
    write_files(world.store, {"20200101-120000/a.txt": "old"})

    snapshots = world.snapshots()

    assert [(each["id"], each["kind"]) for each in snapshots] == [("20200101-120000", "foreign")]


@pytest.mark.parametrize("columns", [80, 50])
def test_every_cell_of_the_list_is_readable_on_a_narrow_terminal(history: World, columns: int) -> None:
    window = history.window("snapshots", "list", cwd=history.project, columns=columns)
    window.finish()
    lines = re.sub("\033\\[[0-9;]*m", "", window.everything).replace("\r", "").splitlines()

    assert all(len(line) <= columns for line in lines)
    for snapshot in history.snapshots():
        rows = [line for line in lines if line.startswith(snapshot["id"])]
        assert len(rows) == 1
        assert "manual" in rows[0]


# snapshots restore


def test_a_snapshot_is_restored_whole_and_the_state_before_can_be_brought_back(history: World) -> None:
    before = describe(history.project)
    first = history.snapshots()[0]["id"]

    done = restore(history, first, "-y")

    assert done.code == 0
    assert re.fullmatch(r"Restored \d paths\. Deleted 2 paths\.\n", done.out)
    assert files(history.project) == ["a.txt", "src/b.txt"]
    assert (history.project / "a.txt").read_text() == "one\n"
    assert done.err.splitlines()[-1].split() == ["agsekit", "undo"]
    assert history.agsekit("undo", "-y", cwd=history.project).code == 0
    assert describe(history.project) == before


@pytest.mark.parametrize("configured", [True, False], ids=["a mount", "no mount"])
def test_the_way_back_is_told_with_the_folders_that_it_takes_where_the_user_is(
    history: World, configured: bool
) -> None:
    before = describe(history.project)
    folders = ["--source-dir", str(history.project), "--dest-dir", str(history.store)]
    if not configured:
        history.config.unlink()

    done = history.agsekit("snapshots", "restore", "latest~1", "-y", *folders)

    undo = done.err.splitlines()[-1].split()
    assert undo == ["agsekit", "undo", *(folders[:2] if configured else folders)]
    assert history.agsekit(*undo[1:], "-y", cwd=Path("/")).code == 0
    assert describe(history.project) == before


def test_a_path_where_a_snapshot_belongs_is_answered_with_the_right_command(history: World) -> None:
    file = history.agsekit("snapshots", "restore", "src/b.txt", cwd=history.project)
    shown = history.agsekit("snapshots", "show", "a.txt", cwd=history.project)
    folder = history.agsekit("snapshots", "show", "..", cwd=history.project)

    assert (file.code, shown.code, folder.code) == (12, 12, 12)
    assert "agsekit snapshots restore latest src/b.txt" in file.err
    assert "agsekit snapshots log a.txt" in shown.err
    assert "agsekit snapshots show --source-dir .." in folder.err


def test_quiet_says_nothing_when_all_is_well(history: World) -> None:
    (history.project / "a.txt").write_text("again\n")
    lines = (
        ["backup-once", "--progress"],
        ["backup-once"],
        ["snapshots", "restore", "latest~1", "-y"],
        ["undo", "-y"],
        ["redo", "-y"],
        ["snapshots", "prune", "-y"],
    )

    for line in lines:
        done = history.agsekit(*line, "--quiet", cwd=history.project)
        assert (done.code, done.out, done.err) == (0, "", ""), line


def test_a_line_of_the_ignore_rules_that_says_nothing_is_told_with_every_snapshot(history: World) -> None:
    (history.project / ".backupignore").write_text("*.log\n[a-\n")

    first = history.agsekit("backup-once", cwd=history.project)
    second = history.agsekit("backup-once", "--quiet", cwd=history.project)

    for done in (first, second):
        assert done.code == 0
        assert "warning: .backupignore has rules that cannot be used" in done.err


def test_a_conversion_that_makes_no_sense_is_refused_before_anything_is_asked(history: World) -> None:
    unknown = history.agsekit("snapshots", "convert", "--to", "gti", cwd=history.project)
    same = history.agsekit("snapshots", "convert", "--to", "rsync", cwd=history.project)

    assert (unknown.code, same.code) == (2, 2)
    assert "did you mean 'git'?" in unknown.err
    assert "rsync already" in same.err


def test_a_conversion_names_what_to_change_in_the_configuration(history: World) -> None:
    history.configure(backend="rsync")

    done = history.agsekit("snapshots", "convert", "--to", "git", "-y", cwd=history.project)

    assert done.code == 0
    assert f"In {history.config}, change mounts[0].backend (of {history.project}) from rsync to git." in done.err


def test_what_was_pruned_is_told_in_the_end(history: World) -> None:
    nothing = history.agsekit("snapshots", "prune", "-y", cwd=history.project)
    (history.project / "a.txt").write_text("again\n")
    history.agsekit("backup-once", cwd=history.project)
    history.configure(max_backups=2)
    looked = history.agsekit("snapshots", "prune", "--dry-run", cwd=history.project)
    done = history.agsekit("snapshots", "prune", "-y", cwd=history.project)

    assert (looked.code, done.code) == (0, 0), looked.err
    assert nothing.out.splitlines()[-1] == "Nothing to delete; 2 stay."
    assert looked.out.splitlines()[-1] == "1 snapshot would be deleted, 2 would stay."
    assert done.out.splitlines()[-1] == "Deleted 1 snapshot; 2 stay."


@pytest.mark.parametrize("command", ["prune", "usage"])
def test_a_table_fits_a_narrow_terminal(history: World, command: str) -> None:
    window = history.window("snapshots", command, "--non-interactive", cwd=history.project, columns=50)
    window.finish()

    lines = re.sub("\033\\[[0-9;]*m", "", window.everything).replace("\r", "").splitlines()
    assert all(len(line) <= 50 for line in lines), lines


def test_a_restore_is_preceded_by_a_safety_snapshot(history: World) -> None:
    restore(history, history.snapshots()[0]["id"], "-y")

    assert [each["kind"] for each in history.snapshots()] == ["manual", "manual", "safety"]


def test_a_snapshot_is_found_by_every_way_to_name_it(history: World) -> None:
    first, second = history.snapshots()
    created = datetime.fromisoformat(second["created"]).astimezone(ZoneInfo("Asia/Tokyo"))
    ways = {
        "latest": second,
        "latest~1": first,
        second["id"]: second,
        first["id"][:-1]: first,
        "1m": second,
        "6m": first,
        created.strftime("%H:%M:%S"): second,
    }

    found = {way: restore(history, way, "--dry-run", "--json").document["snapshot"] for way in ways}

    assert found == {way: snapshot["id"] for way, snapshot in ways.items()}


def test_a_snapshot_that_does_not_exist_is_told_with_a_hint(history: World) -> None:
    for reference in ("nothing", "latest~7", "20200101", "1000w"):
        done = restore(history, reference, "-y")

        assert (done.code, done.out) == (12, "")
        assert "`agsekit snapshots list`" in done.err


def test_a_dry_run_shows_the_plan_and_changes_nothing(history: World) -> None:
    before = describe(history.project)

    done = restore(history, "latest~1", "--dry-run")

    assert (done.code, done.out) == (0, "")
    assert "overwrite 1: a.txt" in done.err
    assert "delete 2: new.txt, unsaved.txt" in done.err
    assert describe(history.project) == before
    assert len(history.snapshots()) == 2


def test_nothing_to_do_is_told_without_a_question(history: World) -> None:
    history.save(now=time.time())

    done = restore(history)

    assert (done.code, done.out) == (0, "")
    assert "nothing to do" in done.err


def test_without_a_terminal_the_agreement_has_to_be_given_beforehand(history: World) -> None:
    before = describe(history.project)

    done = restore(history, "latest~1")

    assert (done.code, done.out) == (2, "")
    assert "hint: give your agreement with --yes" in done.err
    assert describe(history.project) == before


@pytest.mark.parametrize(("answer", "code", "restored"), [("y\r", 0, True), ("n\r", 130, False), ("\r", 130, False)])
def test_on_a_terminal_the_user_is_asked(history: World, answer: str, code: int, restored: bool) -> None:
    window = history.window("snapshots", "restore", "latest~1", cwd=history.project)
    window.expect("Restore?")

    window.type(answer)

    assert window.finish() == code
    assert ((history.project / "a.txt").read_text() == "one\n") is restored


@pytest.mark.parametrize("reason", ["--non-interactive", "CI"])
def test_nobody_is_asked_where_that_was_ruled_out(history: World, reason: str) -> None:
    words = ["--non-interactive"] if reason != "CI" else []
    if reason == "CI":
        history.environment["CI"] = "true"

    window = history.window("snapshots", "restore", "latest~1", *words, cwd=history.project)

    assert window.finish() == 2
    assert "--yes" in window.everything


def test_files_that_are_new_can_be_kept(history: World) -> None:
    restore(history, "latest~1", "-y", "--keep-new")

    assert files(history.project) == ["a.txt", "new.txt", "src/b.txt", "unsaved.txt"]
    assert (history.project / "a.txt").read_text() == "one\n"


def test_single_paths_count_from_the_working_folder_inside_the_source(history: World) -> None:
    write_files(history.project, {"src/b.txt": "changed\n", "src/c.txt": "new\n", "b.txt": "another b\n"})

    done = history.agsekit("snapshots", "restore", "latest~1", "b.txt", "-y", cwd=history.project / "src")

    assert done.code == 0, done.err
    assert (history.project / "src/b.txt").read_text() == "two\n"
    assert (history.project / "b.txt").read_text() == "another b\n"
    assert (history.project / "a.txt").read_text() == "one, changed\n"


def test_single_paths_count_from_the_source_elsewhere(history: World) -> None:
    (history.project / "src/b.txt").unlink()

    history.agsekit(
        "snapshots", "restore", "latest", "src", "-y", "--source-dir", history.project, cwd=history.folder
    )

    assert (history.project / "src/b.txt").read_text() == "two\n"
    assert (history.project / "unsaved.txt").exists()


def test_a_path_outside_of_the_source_is_a_usage_error(history: World) -> None:
    done = restore(history, "latest", "../outside", "-y")

    assert done.code == 2
    assert "../outside is not in" in done.err


def test_a_path_that_is_in_no_snapshot_is_told(history: World) -> None:
    assert restore(history, "latest", "nothing.txt", "-y").code == 12


def test_a_snapshot_can_be_restored_into_another_folder(history: World) -> None:
    before = describe(history.project)

    done = restore(history, "latest", "--to", "../copy")

    assert (done.code, done.err) == (0, "")
    assert files(history.home / "copy") == ["a.txt", "new.txt", "src/b.txt"]
    assert describe(history.project) == before
    assert len(history.snapshots()) == 2


def test_another_folder_has_to_be_empty(history: World) -> None:
    write_files(history.home, {"copy/mine": "mine"})

    done = restore(history, "latest", "--to", "../copy")

    assert done.code == 1
    assert "is not an empty folder" in done.err
    assert files(history.home / "copy") == ["mine"]


def test_a_deleted_source_is_made_again(history: World) -> None:
    store, source = history.store, history.project
    saved = describe(store / history.snapshots()[-1]["id"])
    for path in sorted(source.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    source.rmdir()

    done = history.agsekit("snapshots", "restore", "-y", "--dest-dir", store)

    assert done.code == 0, done.err
    assert describe(source).keys() == saved.keys()


def test_the_json_document_of_a_restore_tells_plan_and_undo(history: World) -> None:
    plan = restore(history, "latest~1", "--json", "--dry-run").document
    done = restore(history, "latest~1", "--json", "-y")

    assert done.err == ""
    document = done.document
    assert plan["dry_run"] is True
    assert document["dry_run"] is False
    for key in ("create", "replace", "adjust", "delete"):
        assert plan[key] == document[key]
    assert document["replace"] == ["a.txt"]
    assert document["delete"] == ["new.txt", "unsaved.txt"]
    assert document["before"] == history.snapshots()[-1]["id"]


def test_the_store_that_was_named_is_the_one_that_is_used(history: World) -> None:
    other = history.home / "other-store"
    history.agsekit("backup-once", "--source-dir", history.project, "--dest-dir", other)

    done = history.agsekit("snapshots", "list", "--json", "--dest-dir", other, cwd=history.project)

    assert [each["files"] for each in done.document["snapshots"]] == [4]
    assert json.loads((other / ".agsekit/config.json").read_text())["source"] == os.path.realpath(history.project)
