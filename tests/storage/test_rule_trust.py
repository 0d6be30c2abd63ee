"""An agent that writes `.backupignore` does not blind the snapshots."""

from __future__ import annotations

import os
import time

from agsekit_storage.rule_trust import accept, settle, untrusted, would_hide
from agsekit_storage.running import begin
from agsekit_storage.snapshots import Request, Result, take_snapshot
from tests.support.projects import Project


def _project_with_work(project: Project) -> None:
    (project.source / "work").mkdir()
    (project.source / "work" / "file").write_text("work")
    (project.source / "junk.log").write_text("log")
    (project.source / ".backupignore").write_text("*.log\n")


def _run_that_ignores_the_work(project: Project) -> Result:
    """Take the snapshots of a run during which the rules are changed so that they hide the work."""
    first = project.snapshot(kind="pre-run")
    (project.source / ".backupignore").write_text("*.log\nwork/\n")
    request = Request("post-run", rule_files=first.tree.rule_files)
    last = take_snapshot(project.store, request, now=time.time())
    settle(project.store, first.tree.rule_files, [b""], wait=1)
    return last


def _names(result: Result) -> set[bytes]:
    return {entry.path for entry in result.tree.entries()}


def test_rules_that_change_during_a_run_hide_nothing_in_it(project: Project) -> None:
    _project_with_work(project)

    last = _run_that_ignores_the_work(project)

    assert _names(last) == {b".backupignore", b"work", b"work/file"}


def test_rules_that_a_run_left_hide_nothing_after_it_either(project: Project) -> None:
    _project_with_work(project)
    _run_that_ignores_the_work(project)
    (project.source / "work" / "file").write_text("more work")

    later = project.snapshot()

    assert later.created
    assert b"work/file" in _names(later)
    assert b"junk.log" not in _names(later)


def test_accepted_rules_apply_and_what_they_hide_is_named(project: Project) -> None:
    _project_with_work(project)
    last = _run_that_ignores_the_work(project)
    rules = untrusted(project.store)
    source = os.fsencode(project.source)
    assert [rule.path for rule in rules] == [b".backupignore"]
    assert would_hide(source, (), last.tree, rules) == [b"work", b"work/file"]

    with project.store.locked(wait=1):
        accept(project.path)
    later = project.snapshot()

    assert b"work/file" not in _names(later)
    assert set(later.hidden) == {b"work", b"work/file"}
    assert untrusted(project.store) == []


def test_rules_that_the_user_edits_afterwards_are_trusted(project: Project) -> None:
    _project_with_work(project)
    _run_that_ignores_the_work(project)
    (project.source / ".backupignore").write_text("work/file\n")

    later = project.snapshot()

    assert _names(later) == {b".backupignore", b"work", b"junk.log"}
    assert untrusted(project.store) == []


def test_a_new_nested_file_of_a_run_is_not_trusted_and_a_deleted_one_still_applies(project: Project) -> None:
    _project_with_work(project)
    first = project.snapshot(kind="pre-run")
    (project.source / "work" / ".backupignore").write_text("*\n")
    (project.source / ".backupignore").unlink()
    settle(project.store, first.tree.rule_files, [b"work", b""], wait=1)
    (project.source / "work" / "file").write_text("again")

    later = project.snapshot()

    assert b"work/file" in _names(later)
    assert b"junk.log" not in _names(later)


def test_new_rules_of_the_user_are_applied_and_what_they_newly_hide_is_reported(project: Project) -> None:
    _project_with_work(project)
    project.snapshot()
    (project.source / "other").write_text("x")
    (project.source / ".backupignore").write_text("*.log\nwork/\n")

    result = project.snapshot()

    assert set(result.hidden) == {b"work", b"work/file"}


def test_files_that_are_really_gone_are_not_called_hidden(project: Project) -> None:
    _project_with_work(project)
    project.snapshot()
    (project.source / ".backupignore").write_text("*.log\n*.tmp\n")
    (project.source / "work" / "file").unlink()

    assert project.snapshot().hidden == []


def test_a_restore_removes_what_only_the_rules_of_a_run_would_hide(project: Project) -> None:
    _project_with_work(project)
    first = project.snapshot(kind="pre-run")
    (project.source / ".backupignore").write_text("*.log\nplanted\n")
    (project.source / "planted").write_text("by the agent")
    settle(project.store, first.tree.rule_files, [b""], wait=1)

    project.restore(first.snapshot)

    assert sorted(os.listdir(project.source)) == [".backupignore", "junk.log", "work"]


def test_nobody_follows_the_rules_that_a_run_under_way_has_changed(project: Project) -> None:
    _project_with_work(project)
    first = project.snapshot(kind="pre-run")
    rules = begin(project.path, first.tree.rule_files)
    (project.source / ".backupignore").write_text("*\n")
    (project.source / "work" / ".backupignore").write_text("*\n")
    (project.source / "work" / "file").write_text("more work")

    meanwhile = project.snapshot(kind="interval")
    rules.end()

    assert b"work/file" in _names(meanwhile)
    assert b"junk.log" not in _names(meanwhile)
    assert b"work/file" not in _names(project.snapshot())


def test_rules_of_a_run_that_died_are_settled_by_the_next_snapshot(project: Project) -> None:
    _project_with_work(project)
    first = project.snapshot(kind="pre-run")
    rules = begin(project.path, first.tree.rule_files)
    (project.source / ".backupignore").unlink()
    (project.source / "work" / ".backupignore").write_text("*\n")
    rules.abandon()

    later = [project.snapshot(), project.snapshot()]

    assert [rule.path for rule in untrusted(project.store)] == [b".backupignore", b"work/.backupignore"]
    for result in later:
        assert b"work/file" in _names(result)
        assert b"junk.log" not in _names(result)
