"""Bringing a folder back to a snapshot, whole or in parts, and taking that back."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from agsekit_storage.errors import SnapshotNotFound, SourceUnavailable, StorageError, StoreRefused
from agsekit_storage.history import is_at_or_below
from agsekit_storage.model import Problem, Snapshot
from agsekit_storage.restore import RestoreRequest, preview_restore, restore, restore_to
from agsekit_storage.store import Store
from agsekit_storage.undo import move
from tests.support.children import value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import Description, describe, make_nasty_tree, make_special_files, write


def _write(project: Project, path: str, content: str) -> Path:
    file = project.source / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_a_restore_brings_everything_back_and_can_be_undone_and_redone(project: Project) -> None:
    make_nasty_tree(project.source)
    first, before = project.snapshot().snapshot, project.now()
    write(os.fsencode(project.source / "private"), b"changed")
    (project.source / "names" / "second").unlink()
    (project.source / "program").chmod(0o600)
    (project.source / "new").mkdir()
    _write(project, "new/file", "new")
    (project.source / "passwd").unlink()
    os.utime(project.source / "odd", ns=(0, 5))
    after = project.now()

    restored = project.restore(first)
    assert project.now() == before
    assert not restored.problems

    assert restored.before
    back = project.restore(restored.before)
    assert project.now() == after

    assert back.before
    project.restore(back.before)
    assert project.now() == before


def test_a_restore_that_loses_nothing_but_times_can_be_undone(project: Project) -> None:
    _write(project, "file", "content")
    _write(project, "folder/file", "content")
    first = project.snapshot().snapshot
    for name in ("file", "folder", "."):
        os.utime(project.source / name, ns=(0, 10**18))
    after = project.now()

    restored = project.restore(first)

    assert restored.before
    assert restored.before.id != first.id
    project.restore(restored.before)
    assert project.now() == after


def test_times_that_an_earlier_walk_found_changed_can_be_undone_too(project: Project) -> None:
    _write(project, "file", "content")
    _write(project, "folder/file", "content")
    first, before = project.snapshot().snapshot, project.now()
    for name in ("file", "folder", "."):
        os.utime(project.source / name, ns=(0, 10**18))
    assert not project.snapshot().created
    assert not project.snapshot().created
    after = project.now()

    restored = project.restore(first)
    assert project.now() == before

    assert restored.before
    project.restore(restored.before)
    assert project.now() == after


def test_restoring_what_is_there_already_changes_nothing(project: Project) -> None:
    make_nasty_tree(project.source)
    first = project.snapshot().snapshot
    inodes = {path: os.lstat(path).st_ino for path in project.source.rglob("*")}

    restored = project.restore(first)

    assert not restored.plan
    assert restored.before == first
    assert inodes == {path: os.lstat(path).st_ino for path in project.source.rglob("*")}


def test_nothing_that_happens_to_restored_files_reaches_the_snapshots(project: Project) -> None:
    make_nasty_tree(project.source)
    first, before = project.snapshot().snapshot, project.now()
    for path in sorted(project.source.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    project.restore(first)

    for path in project.source.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.write(b"X")
            os.setxattr(path, "user.x", b"x")
            os.utime(path, ns=(0, 0))

    assert project.saved(first) == before


def test_a_file_with_a_name_outside_keeps_that_name_as_it_is(project: Project) -> None:
    file = _write(project, "file", "content")
    file.chmod(0o644)
    first = project.snapshot().snapshot
    outside = project.home / "outside"
    os.link(file, outside)
    file.chmod(0o640)

    project.restore(first)

    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(outside.stat().st_mode) == 0o640


KINDS = ("file", "folder", "link", "nothing")


def _make(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("a file")
    elif kind == "folder":
        path.mkdir()
        (path / "inside").write_text("inside")
        (path / "deeper").mkdir()
    elif kind == "link":
        path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("was", KINDS)
@pytest.mark.parametrize("became", KINDS)
def test_every_kind_is_brought_back_from_every_other(project: Project, was: str, became: str) -> None:
    _make(project.source / "thing", was)
    first, before = project.snapshot().snapshot, project.now()
    (project.source / "thing").rename(project.home / "gone") if was != "nothing" else None
    _make(project.source / "thing", became)
    after = project.now()

    restored = project.restore(first)

    assert project.now() == before
    assert not restored.problems
    assert restored.before
    project.restore(restored.before)
    assert project.now() == after


def test_ignored_files_are_not_touched(project: Project) -> None:
    _write(project, ".backupignore", "*.log\nbuild/\n")
    _write(project, "file", "1")
    first = project.snapshot().snapshot
    _write(project, "file", "2")
    _write(project, "new folder/file", "new")
    for path in ("a.log", "build/x", "new folder/b.log"):
        _write(project, path, "precious")

    restored = project.restore(first)

    assert not restored.problems
    assert (project.source / "file").read_text() == "1"
    for path in ("a.log", "build/x", "new folder/b.log"):
        assert (project.source / path).read_text() == "precious"
    assert not (project.source / "new folder" / "file").exists()


def test_ignored_files_keep_the_folder_that_stands_where_a_file_was(project: Project) -> None:
    _write(project, ".backupignore", "*.log\n")
    thing = _write(project, "thing", "a file")
    first = project.snapshot().snapshot
    thing.unlink()
    _write(project, "thing/a.log", "precious")
    _write(project, "thing/b", "saved before it goes")

    restored = project.restore(first)

    assert (project.source / "thing" / "a.log").read_text() == "precious"
    assert {problem.path for problem in restored.problems} == {b"thing"}
    assert restored.before
    project.restore(restored.before)
    assert (project.source / "thing" / "b").read_text() == "saved before it goes"


def test_what_only_the_rules_of_now_ignore_is_not_deleted(project: Project) -> None:
    _write(project, "file", "1")
    first = project.snapshot().snapshot
    _write(project, ".backupignore", "*.log\n")
    _write(project, "a.log", "ignored now")
    _write(project, "b.txt", "new")

    project.restore(first)

    assert (project.source / "a.log").read_text() == "ignored now"
    assert not (project.source / "b.txt").exists()
    assert not (project.source / ".backupignore").exists()


def test_what_the_rules_of_the_snapshot_ignored_is_not_deleted_when_the_rules_are_gone(project: Project) -> None:
    rules = _write(project, ".backupignore", "*.log\n")
    _write(project, "file", "1")
    _write(project, "a.log", "never saved")
    first = project.snapshot().snapshot
    rules.unlink()
    _write(project, "file", "2")
    project.snapshot()

    project.restore(first)

    assert (project.source / "a.log").read_text() == "never saved"
    assert rules.read_text() == "*.log\n"


def test_what_the_excludes_hide_is_not_touched_even_if_the_snapshot_has_it(project: Project) -> None:
    _write(project, "secret", "old")
    _write(project, "keys/one", "old")
    _write(project, "file", "1")
    first = project.snapshot().snapshot
    _write(project, "secret", "new, and in no snapshot")
    _write(project, "keys/one", "new, and in no snapshot")
    _write(project, "file", "2")

    restored = project.restore(first, exclude=["secret", "*.log", "keys/"])

    hidden = [(each.path, each.detail) for each in restored.problems if each.reason == "hidden"]
    assert sorted(hidden) == [(b"keys", "keys/"), (b"secret", "secret")]
    assert (project.source / "file").read_text() == "1"
    assert (project.source / "secret").read_text() == "new, and in no snapshot"
    assert (project.source / "keys" / "one").read_text() == "new, and in no snapshot"


@pytest.mark.parametrize("name", ["keys", "keys/one", "keys/[odd] *?\\"])
def test_a_path_that_is_named_comes_back_even_if_the_excludes_hide_it(project: Project, name: str) -> None:
    for file in ("keys/one", "keys/two", "keys/[odd] *?\\", "other"):
        _write(project, file, "old")
    first = project.snapshot().snapshot
    for file in ("keys/one", "keys/two", "keys/[odd] *?\\", "other"):
        _write(project, file, "newer")
    before = project.now()
    files = {path for path, node in before.items() if node.kind == "file"}
    named = {path for path in files if is_at_or_below(path, os.fsencode(name))}

    restored = project.restore(first, os.fsencode(name), exclude=["keys/", "other"])

    now = project.now()
    assert {path for path in files if now[path].content != before[path].content} == named
    assert restored.before is not None
    saved = project.saved(restored.before)
    assert {path for path in named if saved[path].content == before[path].content} == named


def test_a_path_that_the_rules_of_now_hide_comes_back(project: Project) -> None:
    _write(project, "build/result", "old")
    first = project.snapshot().snapshot
    _write(project, ".backupignore", "build/\n")
    project.snapshot()
    _write(project, "build/result", "newer")

    project.restore(first, b"build/result")

    assert (project.source / "build" / "result").read_text() == "old"


def test_one_path_is_restored_alone(project: Project) -> None:
    _write(project, "a/b/file", "1")
    _write(project, "a/b/other", "1")
    _write(project, "top", "1")
    first = project.snapshot().snapshot
    for path in ("a/b/file", "a/b/other", "top"):
        _write(project, path, "22")
    _write(project, "a/b/new", "new")
    (project.source / "a" / "b").chmod(0o770)

    project.restore(first, b"a/b/file")

    assert (project.source / "a/b/file").read_text() == "1"
    assert (project.source / "a/b/other").read_text() == "22"
    assert (project.source / "top").read_text() == "22"
    assert (project.source / "a/b/new").read_text() == "new"
    assert stat.S_IMODE((project.source / "a" / "b").stat().st_mode) == 0o770


def test_one_path_is_restored_below_folders_that_are_gone(project: Project) -> None:
    file = _write(project, "a/b/file", "1")
    _write(project, "a/b/other", "1")
    (project.source / "a").chmod(0o750)
    first, before = project.snapshot().snapshot, project.now()
    file.unlink()
    (project.source / "a/b/other").unlink()
    (project.source / "a/b").rmdir()
    (project.source / "a").rmdir()

    project.restore(first, b"a/b/file")

    assert project.now().keys() == {b".", b"a", b"a/b", b"a/b/file"}
    for path in (b"a", b"a/b/file"):
        assert project.now()[path] == before[path]


def test_a_folder_is_restored_with_all_below_it(project: Project) -> None:
    _write(project, "a/b/file", "1")
    _write(project, "ab", "1")
    first = project.snapshot().snapshot
    _write(project, "a/b/file", "22")
    _write(project, "a/b/new", "new")
    _write(project, "ab", "22")

    project.restore(first, b"a")

    assert project.now().keys() == {b".", b"a", b"a/b", b"a/b/file", b"ab"}
    assert (project.source / "ab").read_text() == "22"
    assert (project.source / "a/b/file").read_text() == "1"


def test_a_path_that_is_nowhere_is_refused(project: Project) -> None:
    _write(project, "file", "1")
    first = project.snapshot().snapshot

    for path in (b"nothing", b"file/below", b"../store"):
        with pytest.raises(SnapshotNotFound):
            project.restore(first, path)


def test_new_files_are_kept_on_demand(project: Project) -> None:
    _write(project, "file", "1")
    first = project.snapshot().snapshot
    _write(project, "file", "2")
    _write(project, "new/file", "new")

    project.restore(first, keep_new=True)

    assert (project.source / "file").read_text() == "1"
    assert (project.source / "new" / "file").read_text() == "new"


@pytest.mark.parametrize(("one", "other"), ["ab", "ba"])
def test_one_of_two_hard_links_is_restored_without_taking_the_content_of_the_other(
    project: Project, one: str, other: str
) -> None:
    _write(project, "a", "old")
    os.link(project.source / "a", project.source / "b")
    first = project.snapshot().snapshot
    for name in ("a", "b"):
        (project.source / name).unlink()
        _write(project, name, f"new {name}")

    project.restore(first, one.encode())

    assert (project.source / one).read_text() == "old"
    assert (project.source / other).read_text() == f"new {other}"


def test_a_separate_file_that_became_a_hard_link_is_separate_again(project: Project) -> None:
    for name in ("a", "b"):
        _write(project, name, "same")
        os.utime(project.source / name, ns=(0, 10**18))
    first, before = project.snapshot().snapshot, project.now()
    (project.source / "b").unlink()
    os.link(project.source / "a", project.source / "b")

    project.restore(first)

    assert project.now() == before


def test_a_source_that_is_gone_comes_back(project: Project) -> None:
    make_nasty_tree(project.source)
    project.source.chmod(0o750)
    first, before = project.snapshot().snapshot, project.now()
    project.source.rename(project.home / "gone")

    restored = project.restore(first)

    assert restored.before is None
    assert project.now() == before


def test_an_empty_source_that_is_gone_comes_back_with_its_mode(project: Project) -> None:
    project.source.chmod(0o755)
    first, before = project.snapshot().snapshot, project.now()
    project.source.rmdir()

    project.restore(first)

    assert project.now() == before


def test_a_source_that_became_a_file_is_an_error_and_stays(project: Project) -> None:
    first = project.snapshot().snapshot
    project.source.rmdir()
    project.source.write_text("something else")

    with pytest.raises(SourceUnavailable):
        project.restore(first)
    assert project.source.read_text() == "something else"


def test_restoring_elsewhere_refuses_a_folder_that_is_not_empty_or_in_the_store(project: Project) -> None:
    _write(project, "file", "1")
    request = RestoreRequest(project.snapshot().snapshot)
    (project.home / "link").symlink_to(project.path)
    (project.home / "file").write_text("a file")

    for place in (project.source, project.path / "new", project.home / "link" / "new", project.home / "file"):
        with pytest.raises(StoreRefused):
            restore_to(Store.existing(project.path), request, place)
    assert set(os.listdir(project.path)) <= {".agsekit", "shadow.git", request.snapshot.id}


def test_a_part_is_restored_elsewhere(project: Project) -> None:
    _write(project, "a/b/file", "1")
    os.link(project.source / "a/b/file", project.source / "linked")
    request = RestoreRequest(project.snapshot().snapshot, [b"a/b"])

    restore_to(Store.existing(project.path), request, project.home / "elsewhere")

    assert describe(project.home / "elsewhere").keys() == {b".", b"a", b"a/b", b"a/b/file"}


def test_a_preview_changes_nothing_and_says_what_a_restore_does(project: Project) -> None:
    for name in ("goes", "changes", "shut", "stays"):
        _write(project, name, "1")
    first = project.snapshot().snapshot
    (project.source / "goes").unlink()
    _write(project, "changes", "22")
    (project.source / "shut").chmod(0o600)
    _write(project, "new", "new")
    before = project.now()
    request = RestoreRequest(first)

    plan = preview_restore(project.store, request)

    assert project.now() == before
    assert len(project.snapshots()) == 1
    assert (plan.create, plan.replace, plan.delete) == ([b"goes"], [b"changes"], [b"new"])
    assert b"shut" in plan.adjust
    assert project.restore(first).plan == plan


def test_special_files_that_are_new_stay_for_no_snapshot_has_them(project: Project) -> None:
    _write(project, "file", "1")
    first = project.snapshot().snapshot
    (project.source / "new").mkdir()
    make_special_files(project.source / "new")

    restored = project.restore(first)

    assert {problem.path for problem in restored.problems} == {b"new/fifo", b"new/socket"}
    assert {path for path, node in describe(project.source).items() if node.kind in ("fifo", "socket")} == {
        b"new/fifo",
        b"new/socket",
    }


def test_a_file_where_special_files_stand_in_a_folder_does_not_push_them_out(project: Project) -> None:
    thing = _write(project, "thing", "a file")
    first = project.snapshot().snapshot
    thing.unlink()
    (project.source / "thing").mkdir()
    make_special_files(project.source / "thing")

    restored = project.restore(first)

    assert b"thing" in {problem.path for problem in restored.problems}
    assert set(os.listdir(project.source / "thing")) == {"fifo", "socket"}


def test_names_that_an_agent_put_in_the_way_of_a_restore_do_not_stop_it(project: Project) -> None:
    _write(project, "file", "1")
    first, before = project.snapshot().snapshot, project.now()
    _write(project, "file", "22")
    for number in (os.getpid(), 1, 2):
        (project.source / f".agsekit-restore-{number}").mkdir()

    restored = project.restore(first)

    assert not restored.problems
    assert project.now() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that belong to somebody else")
def test_unreadable_files_of_others_are_neither_overwritten_nor_deleted(open_project: Project) -> None:
    source = open_project.source

    def begin() -> Snapshot:
        without_rights()
        _write(open_project, "file", "1")
        _write(open_project, "folder/file", "1")
        return open_project.snapshot().snapshot

    first = value_from_child(begin)
    theirs = ["file", "new/unreadable", "folder/file", "shut/file"]
    for path in theirs:
        (source / path).unlink(missing_ok=True)
        _write(open_project, path, "not in any snapshot").chmod(0)
    for path in ("shut", "folder"):
        (source / path).chmod(0o444)
        os.chown(source / path, 0, 0)

    def go_back() -> set[bytes]:
        without_rights()
        return {problem.path for problem in open_project.restore(first).problems}

    problems = value_from_child(go_back)

    assert problems == {b"file", b"new/unreadable", b"folder", b"shut"}
    assert [(source / path).read_text() for path in theirs] == ["not in any snapshot"] * 4


def test_what_a_snapshot_could_not_list_is_not_deleted_by_going_back_to_it(open_project: Project) -> None:
    def act() -> tuple[set[bytes], set[bytes]]:
        without_rights()
        _write(open_project, "shut/file", "1")
        (open_project.source / "shut").chmod(0)
        first = open_project.snapshot().snapshot
        assert not first.complete
        (open_project.source / "shut").chmod(0o700)
        restored = open_project.restore(first)
        mode = stat.S_IMODE((open_project.source / "shut").stat().st_mode)
        (open_project.source / "shut").chmod(0o700)
        assert mode == 0
        return {problem.path for problem in restored.problems}, set(open_project.now())

    problems, paths = value_from_child(act)

    assert paths == {b".", b"shut", b"shut/file"}
    assert problems == {b"shut"}


def test_read_only_folders_are_restored_without_rights(open_project: Project) -> None:
    def act() -> None:
        without_rights()
        _write(open_project, "a/b/file", "1")
        _write(open_project, "a/b/gone", "1")
        for name in ("a/b", "a"):
            (open_project.source / name).chmod(0o555)
        first, before = open_project.snapshot().snapshot, open_project.now()
        for name in ("a", "a/b"):
            (open_project.source / name).chmod(0o755)
        _write(open_project, "a/b/file", "22").chmod(0o400)
        (open_project.source / "a/b/gone").unlink()
        _write(open_project, "a/new/file", "1")
        for name in ("a/new", "a/b", "a"):
            (open_project.source / name).chmod(0o555)
        after = open_project.now()

        restored = open_project.restore(first)

        assert not restored.problems
        assert open_project.now() == before
        assert restored.before
        open_project.restore(restored.before)
        assert open_project.now() == after
        # A part is restored inside a folder that stays as shut as it is.
        (open_project.source / "a/b").chmod(0o500)
        open_project.restore(first, b"a/b/file")
        assert (open_project.source / "a/b/file").read_text() == "1"
        assert stat.S_IMODE((open_project.source / "a/b").stat().st_mode) == 0o500
        for name in ("a", "a/b", "a/new"):
            if (open_project.source / name).exists():
                (open_project.source / name).chmod(0o755)

    value_from_child(act)


def test_a_time_beyond_what_a_record_can_say_does_not_keep_a_file_from_being_restored(project: Project) -> None:
    file, new = _write(project, "file", "good"), project.source / "new"
    first = project.snapshot().snapshot
    file.write_text("bad")
    new.write_text("new")
    for path in (file, new):
        subprocess.run(["touch", "-d", "2300-01-01", path], check=True)
    if file.stat().st_mtime_ns < 2**63:
        pytest.skip("this file system knows no such time")

    restored = project.restore(first)

    assert not restored.problems
    assert file.read_text() == "good"
    assert not new.exists()


def test_what_lost_its_read_permission_is_saved_and_restored(open_project: Project) -> None:
    source = open_project.source

    def act() -> tuple[Description, Description, list[Problem], set[bytes]]:
        without_rights()
        _write(open_project, "file", "good")
        _write(open_project, "folder/below/file", "good")
        first, before = open_project.snapshot().snapshot, open_project.now()
        _write(open_project, "file", "bad").chmod(0)
        _write(open_project, "folder/below/file", "bad").chmod(0)
        _write(open_project, "new/below/file", "new")
        for name in ("folder/below", "folder", "new/below", "new"):
            (source / name).chmod(0)
        restored = open_project.restore(first)
        assert restored.before is not None
        saved = {entry.path for entry in open_project.tree(restored.before).entries()}
        return before, open_project.now(), list(restored.problems), saved

    before, after, problems, saved = value_from_child(act)

    assert after == before
    assert problems == []
    assert {b"file", b"folder/below/file", b"new/below/file"} <= saved


def test_what_the_snapshot_could_not_read_either_keeps_its_mode(open_project: Project) -> None:
    def act() -> int:
        without_rights()
        locked = _write(open_project, "locked", "mine alone")
        locked.chmod(0)
        _write(open_project, "file", "one")
        first = open_project.snapshot().snapshot
        _write(open_project, "file", "two")
        open_project.restore(first)
        return stat.S_IMODE(locked.stat().st_mode)

    assert value_from_child(act) == 0


def test_a_snapshot_of_another_tool_is_restored_before_there_is_one_of_ours(tmp_path: Path) -> None:
    project = Project(tmp_path, "rsync")
    file = _write(project, "file", "broken")
    (project.path / "20240101-120000").mkdir(parents=True)
    (project.path / "20240101-120000" / "file").write_text("good")
    store = Store.existing(project.path, project.source)

    restored = restore(store, RestoreRequest(store.snapshots()[0]), now=time.time())

    assert file.read_text() == "good"
    assert restored.before is not None
    project.restore(restored.before)
    assert file.read_text() == "broken"


def test_a_store_that_cannot_be_written_is_named_and_not_the_folder(open_project: Project) -> None:
    def sentences() -> list[str]:
        without_rights()
        _write(open_project, "file", "1")
        snapshot = open_project.snapshot().snapshot
        (open_project.path / ".agsekit" / "lock").chmod(0o400)
        with pytest.raises(StorageError) as of_restore:
            open_project.restore(snapshot)
        with pytest.raises(StorageError) as of_undo:
            move(open_project.store, lambda look: look.undo(), (), now=time.time())
        return [str(of_restore.value), str(of_undo.value)]

    named = [str(open_project.path) in sentence for sentence in value_from_child(sentences)]

    assert named == [True, True]
