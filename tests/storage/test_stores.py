"""Where a store may be, whose it is, and what damage to its records does."""

from __future__ import annotations

import io
import os
import signal
import stat
import time
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from agsekit_storage import naming, record
from agsekit_storage.durable import remove_tree
from agsekit_storage.errors import SnapshotNotFound, StorageError, StoreDamaged, StoreLocked, StoreRefused
from agsekit_storage.guards import check_apart
from agsekit_storage.lock import exclusive
from agsekit_storage.restore import RestoreRequest, restore
from agsekit_storage.store import Store
from agsekit_storage.tree import INODE, MTIME, Tree, clamp_row
from tests.support.children import run_in_child, value_from_child, without_rights
from tests.support.projects import Project
from tests.support.trees import copy_tree, describe


def test_a_store_is_closed_to_others_even_if_its_folder_was_open(project: Project) -> None:
    project.path.mkdir(mode=0o755)

    project.snapshot()

    assert stat.S_IMODE(project.path.stat().st_mode) == 0o700
    project.path.chmod(0o755)
    project.snapshot()
    assert stat.S_IMODE(project.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("place", ["source", "source/store", "source/a/b", "link", "link/below", "up/../source/x"])
def test_a_store_inside_the_source_is_refused(project: Project, place: str) -> None:
    (project.source / "a").mkdir()
    (project.home / "up").mkdir()
    (project.home / "link").symlink_to(project.source / "a")

    with pytest.raises(StoreRefused) as refusal:
        Store.create(project.home / place, project.source)

    assert refusal.value.hint
    assert set(os.listdir(project.source)) == {"a"}


def test_a_store_reached_through_a_link_inside_the_source_is_refused(project: Project) -> None:
    # Whoever owns the source could turn the link round.
    outside = project.home / "outside"
    outside.mkdir()
    (project.source / "backups").symlink_to(outside)
    (project.home / "hop").symlink_to(project.source / "backups")

    for place in (project.source / "backups", project.source / "backups" / "new", project.home / "hop"):
        with pytest.raises(StoreRefused):
            Store.create(place, project.source)


def test_where_a_store_is_does_not_depend_on_a_working_folder_that_was_deleted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = project.home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    check_apart(project.source, project.path)


def test_a_source_inside_the_store_is_refused(project: Project) -> None:
    project.snapshot()
    inside = project.path / "inside"
    inside.mkdir()
    (project.home / "store-link").symlink_to(project.path)

    for place in (project.path, project.home / "store-link"):
        with pytest.raises(StoreRefused, match="inside the store"):
            Store.create(place, inside)


def test_a_store_beside_a_source_whose_name_it_begins_with_is_fine(project: Project) -> None:
    (project.source / "file").write_text("1")
    project.path = project.home / "source-backups"

    assert project.snapshot().created


def test_a_folder_with_other_things_is_refused_and_left_alone(project: Project) -> None:
    project.path.mkdir()
    (project.path / "thesis.txt").write_text("precious")
    before = describe(project.path)

    with pytest.raises(StoreRefused, match="thesis"):
        project.snapshot()

    assert describe(project.path) == before


def test_a_file_is_refused(project: Project) -> None:
    project.path.write_text("not a folder")

    with pytest.raises(StorageError):
        project.snapshot()


def test_the_store_of_another_source_is_refused(project: Project) -> None:
    project.snapshot()
    other = project.home / "other"
    other.mkdir()

    with pytest.raises(StoreRefused, match="other"):
        Store.create(project.path, other)


def test_a_project_that_moved_takes_its_history_along(project: Project) -> None:
    (project.source / "file").write_text("1")
    first = project.snapshot().snapshot
    before = project.now()
    project.source = project.source.rename(project.home / "moved")

    result = project.snapshot()
    (project.source / "file").write_text("22")

    assert not result.created
    project.restore(first)
    assert project.now() == before
    assert Store.existing(project.path).source == project.source


def _other_project(project: Project) -> Path:
    other = project.home / "other"
    other.mkdir()
    for number in range(5):
        (other / f"other{number}").write_text("another project")
    (other / "README").write_text("read me")
    return other


def test_a_store_is_not_handed_to_another_project_while_its_own_is_not_there(project: Project) -> None:
    for number in range(5):
        (project.source / f"file{number}").write_text("content")
    (project.source / "README").write_text("read me, too")
    first = project.snapshot().snapshot
    other, away = _other_project(project), project.home / "away"
    settings = (project.path / ".agsekit" / "config.json").read_bytes()
    project.source.rename(away)

    with pytest.raises(StoreRefused, match="does not look like it"):
        Store.create(project.path, other)
    with pytest.raises(StoreRefused, match="does not look like it"):
        Store.existing(project.path, other)

    assert (project.path / ".agsekit" / "config.json").read_bytes() == settings
    away.rename(project.source)
    assert project.snapshot().snapshot == first


def test_another_folder_takes_over_when_that_is_said(project: Project) -> None:
    (project.source / "file").write_text("content")
    first = project.snapshot().snapshot
    other = _other_project(project)
    project.source.rename(project.home / "away")

    Store.create(project.path, other, adopt=True)

    project.source = other
    assert project.snapshot().snapshot.sequence == first.sequence + 1


def test_a_project_that_was_copied_to_another_place_takes_its_history_along(project: Project) -> None:
    for number in range(5):
        (project.source / f"file{number}").write_text("content")
    first = project.snapshot().snapshot
    copy = project.home / "copy"
    copy_tree(project.source, copy)
    remove_tree(project.source)
    (copy / "file0").write_text("edited since")
    project.source = copy

    assert project.snapshot().snapshot.sequence == first.sequence + 1


def test_a_lost_project_is_restored_to_an_empty_place_and_goes_on_there(project: Project) -> None:
    (project.source / "file").write_text("content")
    first, before = project.snapshot().snapshot, project.now()
    remove_tree(project.source)
    project.source = project.home / "new"

    restore(Store.existing(project.path, project.source), RestoreRequest(first), now=time.time())

    assert project.now() == before
    assert not project.snapshot().created


def test_another_backend_is_refused(project: Project) -> None:
    project.snapshot()
    other = "git" if project.backend == "rsync" else "rsync"

    with pytest.raises(StoreRefused, match=project.backend):
        Store.create(project.path, project.source, backend=other)


def test_a_folder_without_snapshots_cannot_be_opened_for_reading(project: Project) -> None:
    for place in (project.source, project.home / "nothing"):
        with pytest.raises(StoreRefused):
            Store.existing(place)


def test_an_unknown_format_is_refused(project: Project) -> None:
    project.snapshot()
    (project.path / ".agsekit" / "format").write_text("agsekit store 2\n")

    with pytest.raises(StoreRefused, match="store 2"):
        project.snapshot()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"backend": "nonsense"}'])
def test_damaged_settings_are_one_clear_error(project: Project, content: bytes) -> None:
    project.snapshot()
    (project.path / ".agsekit" / "config.json").write_bytes(content)

    with pytest.raises(StorageError):
        project.snapshot()
    with pytest.raises(StorageError):
        Store.existing(project.path)


def test_a_store_that_may_not_be_read_is_one_clear_error(open_project: Project) -> None:
    open_project.snapshot()

    def act() -> None:
        without_rights()
        for action in (open_project.snapshot, open_project.snapshots):
            with pytest.raises(StorageError) as error:
                action()
            assert error.value.hint

    if os.geteuid() != 0:
        pytest.skip("a store of somebody else can be made by root only")
    value_from_child(act)


def _two_snapshots(project: Project) -> tuple[str, str]:
    (project.source / "file").write_text("1")
    (project.source / "folder").mkdir()
    (project.source / "folder" / "link").symlink_to("target")
    first = project.snapshot().snapshot.id
    (project.source / "file").write_text("22")
    return first, project.snapshot().snapshot.id


def _damages(content: bytes) -> list[bytes]:
    cut = [content[: len(content) * part // 9] for part in range(9)]
    flipped = []
    for position in range(0, len(content), max(1, len(content) // 60)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        flipped.append(bytes(damaged))
    return [*cut, *flipped, content[:-1], bytes(len(content))]


def test_a_damaged_record_is_noticed_and_stops_neither_new_snapshots_nor_the_others(project: Project) -> None:
    first, second = _two_snapshots(project)
    state = project.now()
    path = project.path / ".agsekit" / "trees" / second
    content = path.read_bytes()
    for number, damaged in enumerate(_damages(content)):
        path.write_bytes(damaged)
        (project.source / "file").write_text(f"{number}")

        snapshots = {snapshot.id: snapshot for snapshot in project.snapshots()}
        assert list(snapshots)[:2] == [first, second]
        # Some bits say nothing, such as the case of a hexadecimal digit.
        with suppress(StoreDamaged):
            assert project.saved(snapshots[second]) == state
        project.tree(snapshots[first])
        newest = project.snapshot().snapshot
        assert newest.id > second
        assert project.saved(newest) == project.now()
        assert project.snapshots()[-1] == newest


def test_a_damaged_cache_of_the_last_walk_is_harmless(project: Project) -> None:
    _two_snapshots(project)
    time.sleep(0.03)
    project.snapshot()
    path = project.path / ".agsekit" / "walk-cache"
    content = path.read_bytes()
    for damaged in _damages(content):
        path.write_bytes(damaged)
        assert not project.snapshot().created
    (project.source / "file").write_text("333")
    path.write_bytes(content)
    assert project.snapshot().changes.modified == [b"file"]


def test_a_cache_of_another_snapshot_is_not_used(project: Project) -> None:
    _two_snapshots(project)
    time.sleep(0.03)
    project.snapshot()
    path = project.path / ".agsekit" / "walk-cache"
    stale = path.read_bytes()
    (project.source / "file").write_text("333")
    project.snapshot()

    path.write_bytes(stale)

    assert not project.snapshot().created


def test_a_missing_record_makes_a_folder_a_foreign_one_and_the_next_snapshot_whole(project: Project) -> None:
    _, second = _two_snapshots(project)
    (project.path / ".agsekit" / "trees" / second).unlink()

    result = project.snapshot()

    assert result.created
    assert result.snapshot.id > second
    assert project.saved(result.snapshot) == project.now()


def test_snapshots_of_one_second_and_of_a_clock_set_back_keep_their_order(project: Project) -> None:
    moments = [1_700_000_000.0] * 4 + [1_700_000_000.0 - 3600, 1_700_000_001.0, 1_600_000_000.0]
    ids = []
    for number, moment in enumerate(moments):
        (project.source / "file").write_text(f"{number}")
        ids.append(project.snapshot(now=moment).snapshot.id)

    assert ids == sorted(set(ids))
    assert [snapshot.id for snapshot in project.snapshots()] == ids
    assert [snapshot.created for snapshot in project.snapshots()] == moments


def test_an_id_follows_another_a_thousand_times_in_one_second() -> None:
    last, ids = None, []
    for _ in range(2500):
        last = naming.next_id(1_700_000_000.0, last)
        ids.append(last)

    assert ids == sorted(set(ids))
    assert all(map(naming.is_id, ids))


@pytest.mark.parametrize(
    "name",
    ["", "20260101", "20261301-000000", "20260101-000000-1", "20260101-000000-partial", "२०२६०१०१-००००००", "x"],
)
def test_other_names_are_no_ids(name: str) -> None:
    assert not naming.is_id(name)


def test_an_unknown_id_is_one_clear_error(project: Project) -> None:
    project.snapshot()

    with pytest.raises(SnapshotNotFound):
        project.store.get("20260101-000000")


def test_a_second_writer_is_told_when_the_first_does_not_finish(project: Project) -> None:
    project.snapshot()
    with exclusive(project.path / ".agsekit" / "lock", wait=0), pytest.raises(StoreLocked) as error:
        project.snapshot(wait=0.05)
    assert error.value.hint
    assert not project.snapshot(wait=0).created


def test_a_lock_whose_holder_was_killed_is_free(project: Project) -> None:
    project.snapshot()

    def act() -> None:
        with exclusive(project.path / ".agsekit" / "lock", wait=0):
            os.kill(os.getpid(), signal.SIGKILL)

    assert run_in_child(act).signal

    project.snapshot(wait=0)


def test_a_record_keeps_numbers_that_do_not_fit(tmp_path: Path) -> None:
    row = clamp_row([0o100644, 1, 2**63 + 5, -(2**70), 2**64 - 1, 0, 0, 1])

    assert row[MTIME] == row[INODE] == 2**63 - 1
    assert row[3] == -(2**63)


def test_a_record_that_ends_early_inside_its_body_is_damaged() -> None:
    for body in (b"", b"\1\0\0\0\0\0\0\0x", b"\377" * 8):
        with pytest.raises(StoreDamaged):
            record.decode(io.BytesIO(record.join_header({}, zlib.compress(body))), _no_base)


def _no_base(name: str) -> Tree:
    raise AssertionError(name)


def test_several_can_make_the_same_store_at_once(project: Project) -> None:
    (project.source / "file").write_text("content")
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            with suppress(StorageError):
                project.snapshot()
                status = 0
            os._exit(status)
        children.append(child)

    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert len(project.snapshots()) == 1


def test_any_number_of_problems_leaves_a_record_that_can_be_read(project: Project) -> None:
    (project.source / "file").write_text("content")
    for number in range(15_000):
        os.mkfifo(os.fsencode(project.source) + b"/" + b"\xff" * 200 + b"%d" % number)

    result = project.snapshot()

    assert len(result.problems) == 15_000
    (listed,) = project.snapshots()
    assert listed.kind == "manual"
    assert 0 < len(listed.problems) < 15_000
    assert project.tree(listed).row(b"file")
