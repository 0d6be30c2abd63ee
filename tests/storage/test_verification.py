"""A store that was tampered with says so, and a conversion loses nothing."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from agsekit_storage.convert import convert
from agsekit_storage.durable import remove_tree
from agsekit_storage.errors import StorageError
from agsekit_storage.store import Store
from agsekit_storage.tree import NO_DIGEST
from agsekit_storage.verification import verify
from tests.support.children import fail_at_call, kill_at_call, run_in_child, value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import copy_tree, describe

OTHER = {"rsync": "git", "git": "rsync"}


def _history(project: Project) -> None:
    source = project.source
    (source / "src").mkdir()
    (source / "empty").mkdir(mode=0o750)
    (source / "src" / "main").write_text("one")
    (source / "src" / "main").chmod(0o754)
    os.link(source / "src" / "main", source / "twin")
    os.symlink("/nowhere", source / "link")
    (source / "zeros").write_bytes(bytes(500_000) + b"end")
    (source / os.fsdecode(b"odd \xff\n name")).write_text("odd")
    (source / ".git").mkdir()
    (source / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    os.mkfifo(source / "pipe")
    project.snapshot()
    (source / "src" / "main").write_text("second")
    (source / "new").write_text("new")
    project.snapshot(kind="interval")
    (source / "twin").unlink()
    (source / "new").chmod(0o600)
    project.snapshot(kind="post-run")


def _findings(project: Project, *, data: bool = True) -> list[tuple[bytes, str]]:
    store = Store.existing(project.path)
    return [(each.problem.path, each.problem.reason) for each in verify(store, store.snapshots(), data=data)]


def test_a_sound_store_has_no_findings(project: Project) -> None:
    _history(project)

    assert _findings(project) == []
    assert _findings(project, data=False) == []


def test_a_damaged_record_is_a_finding(project: Project) -> None:
    _history(project)
    victim = project.path / ".agsekit" / "trees" / project.snapshots()[1].id
    victim.write_bytes(victim.read_bytes()[:-20])

    assert (b"", "record") in _findings(project)


def test_a_conversion_keeps_every_snapshot_as_it_was(project: Project) -> None:
    _history(project)
    before = {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()}
    facts = [(each.id, each.kind, each.created, each.files, each.added) for each in project.snapshots()]
    target = OTHER[project.backend]

    convert(Store.existing(project.path), target, wait=1, on_snapshot=lambda done, total: None)

    project.backend = target
    after = project.snapshots()
    assert [(each.id, each.kind, each.created, each.files, each.added) for each in after] == facts
    assert {each.backend for each in after} == {target}
    assert {snapshot.id: project.saved(snapshot) for snapshot in after} == before
    assert _findings(project) == []


def test_a_converted_store_goes_on_and_can_be_converted_back(project: Project) -> None:
    _history(project)
    original = project.backend
    for target in (OTHER[original], original):
        convert(Store.existing(project.path), target, wait=1, on_snapshot=lambda done, total: None)
        project.backend = target
        (project.source / "after").write_text(target)
        newest = project.snapshot().snapshot
        assert project.saved(newest) == project.now()
    assert _findings(project) == []


def test_nothing_of_the_old_backend_stays(project: Project) -> None:
    _history(project)
    ids = [snapshot.id for snapshot in project.snapshots()]

    convert(Store.existing(project.path), OTHER[project.backend], wait=1, on_snapshot=lambda done, total: None)

    folders = set(os.listdir(project.path)) - {".agsekit"}
    assert folders == ({"shadow.git"} if project.backend == "rsync" else set(ids))
    private = set(os.listdir(project.path / ".agsekit"))
    assert private & {"trees", "bases", "converting"} == set()


def test_a_conversion_that_cannot_read_a_snapshot_changes_nothing(project: Project) -> None:
    _history(project)
    before = project.saved(project.snapshots()[0])
    record = project.path / ".agsekit" / "trees" / project.snapshots()[1].id
    content = record.read_bytes()
    record.write_bytes(content[:-20])

    with pytest.raises(StorageError):
        convert(Store.existing(project.path), OTHER[project.backend], wait=1, on_snapshot=lambda done, total: None)

    record.write_bytes(content)
    assert project.saved(project.snapshots()[0]) == before
    assert project.snapshot().created is False
    convert(Store.existing(project.path), OTHER[project.backend], wait=1, on_snapshot=lambda done, total: None)
    assert project.saved(project.snapshots()[0]) == before


def test_a_store_that_was_open_during_a_conversion_writes_with_the_new_backend(project: Project) -> None:
    _history(project)
    open_before = project.store
    target = OTHER[project.backend]

    convert(Store.existing(project.path), target, wait=1, on_snapshot=lambda done, total: None)
    with open_before.locked(wait=1):
        assert open_before.backend.name == target


def _rsync_history(tmp_path: Path) -> Project:
    project = Project(tmp_path, "rsync")
    _history(project)
    return project


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda folder: (folder / "src" / "main").unlink(), (b"src/main", "lost")),
        (lambda folder: (folder / "src" / "main").write_text("sec0nd"), (b"src/main", "altered")),
        (lambda folder: os.truncate(folder / "zeros", 10), (b"zeros", "altered")),
        (lambda folder: (folder / "empty").rmdir(), (b"empty", "lost")),
        (lambda folder: (folder / "more").write_text("x"), (b"more", "unexpected")),
        (lambda folder: (folder / "new").chmod(0o777), (b"new", "altered")),
    ],
)
def test_every_kind_of_tampering_with_a_folder_is_named(tmp_path: Path, damage: object, finding: object) -> None:
    project = _rsync_history(tmp_path)
    folder = project.path / project.snapshots()[1].id
    times = {
        path: os.stat(path).st_mtime_ns for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    }

    assert callable(damage)
    damage(folder)
    for path, time_ns in times.items():
        if path.exists():
            os.utime(path, ns=(time_ns, time_ns))

    assert finding in _findings(project)


def test_the_source_itself_is_not_needed_to_verify(project: Project) -> None:
    _history(project)
    state = describe(project.source)
    project.source.rename(project.home / "elsewhere")

    assert _findings(project) == []
    assert describe(project.home / "elsewhere") == state


def test_a_folder_that_could_not_be_listed_is_no_finding(open_project: Project) -> None:
    def act() -> list[tuple[bytes, str]]:
        without_rights()
        (open_project.source / "locked").mkdir(mode=0)
        assert not open_project.snapshot().snapshot.complete
        return _findings(open_project)

    assert value_from_child(act) == []


def _convert(project: Project, target: str) -> None:
    convert(Store.existing(project.path), target, wait=1, on_snapshot=lambda done, total: None)


def _names(project: Project) -> tuple[set[str], set[str]]:
    return set(os.listdir(project.path)), set(os.listdir(project.path / ".agsekit"))


def test_a_kill_at_any_moment_of_a_conversion_leaves_nothing_behind_that_the_next_writer_does_not_remove(
    volatile_project: Project,
) -> None:
    project = volatile_project
    for number in range(3):
        (project.source / f"file{number}").write_text(f"{number}")
        project.snapshot()
    original, target = project.backend, OTHER[project.backend]
    wanted = {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()}
    project.snapshot()
    before = _names(project)
    kills = 0
    for number in range(1, 10**6, 3):

        def act(number: int = number) -> None:
            kill_at_call(number)
            _convert(project, target)

        outcome = run_in_child(act)

        assert outcome.error is None
        assert {snapshot.id for snapshot in project.snapshots()} == set(wanted)
        project.backend = json.loads((project.path / ".agsekit" / "config.json").read_text())["backend"]
        assert not project.snapshot(wait=0).created
        if project.backend == target:
            break
        assert _names(project) == before
        kills += 1
    assert kills > 20
    assert {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()} == wanted
    _convert(project, original)
    project.backend = original
    assert _names(project)[0] == before[0]


def test_a_kill_while_the_old_backend_is_removed_is_made_up_for(volatile_project: Project) -> None:
    project = volatile_project
    _history(project)
    target = OTHER[project.backend]
    wanted = {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()}
    copy = project.home / "copy"
    copy_tree(project.path, copy)
    project.path.rename(project.home / "untouched")
    for number in range(1, 1000, 4):
        copy_tree(project.home / "untouched", project.path)

        def act(number: int = number) -> int:
            def kill_later(store: Store, successor: Store) -> None:
                kill_at_call(number)
                finish(store, successor)

            finish = Store.finish_conversion
            setattr(Store, "finish_conversion", kill_later)  # noqa: B010 - in this child process only
            _convert(project, target)
            return 0

        outcome = run_in_child(act)

        with Store.existing(project.path).locked(wait=0):
            pass
        assert {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()} == wanted
        rsync = {"rsync": set(wanted), "git": {"shadow.git"}}
        backend = json.loads((project.path / ".agsekit" / "config.json").read_text())["backend"]
        assert _names(project)[0] == rsync[backend] | {".agsekit"}
        if not outcome.signal:
            break
        remove_tree(project.path)
    assert number > 10


def test_a_folder_of_somebody_else_is_never_taken_for_the_rest_of_a_conversion(tmp_path: Path) -> None:
    project = Project(tmp_path, "git")
    _history(project)
    taken = project.path / project.snapshots()[0].id
    taken.mkdir()
    (taken / "precious").write_text("mine")

    with pytest.raises(StorageError, match="none of its snapshots"):
        _convert(project, "rsync")

    records = project.path / ".agsekit" / "trees-2"
    copy_tree(project.path / ".agsekit" / "trees", records)  # as a crash between the two would leave it
    copy_tree(project.path / ".agsekit" / "bases", project.path / ".agsekit" / "bases-2")
    project.snapshot()
    assert (taken / "precious").read_text() == "mine"
    assert not records.exists()


def test_after_a_conversion_to_git_the_record_knows_the_trees_of_unchanged_folders(tmp_path: Path) -> None:
    project = Project(tmp_path, "rsync")
    _history(project)

    _convert(project, "git")

    tree = Store.existing(project.path).tree(project.snapshots()[-1])
    assert tree.folders[b""].digest(tree.folders[b""].position(b"src")) != NO_DIGEST
    assert _findings(project) == []


def test_an_error_at_any_moment_of_the_switch_to_another_backend_loses_nothing(volatile_project: Project) -> None:
    project = volatile_project
    (project.source / "file").write_text("1")
    project.snapshot()
    wanted = {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()}
    project.path.rename(project.home / "untouched")
    for number in range(1, 1000):
        copy_tree(project.home / "untouched", project.path)

        def act(number: int = number) -> bool:
            def fail_later(store: Store, successor: Store) -> None:
                fail_at_call(number, errno.EIO)
                finish(store, successor)

            finish = Store.finish_conversion
            setattr(Store, "finish_conversion", fail_later)  # noqa: B010 - in this child process only
            _convert(project, OTHER[project.backend])
            return True

        outcome = run_in_child(act)

        assert outcome.error is None or isinstance(outcome.error, StorageError)
        assert {snapshot.id: project.saved(snapshot) for snapshot in project.snapshots()} == wanted
        if outcome.value:
            break
        remove_tree(project.path)
    assert number > 5
