"""Looking back: what changed where, the versions of a path, and differences as text."""

from __future__ import annotations

import os

import pytest

from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.history import History
from agsekit_storage.textdiff import FileDiff, diff_files, open_stored, source_content, stored_content
from agsekit_storage.undo import look_at
from agsekit_storage.usage import measure
from tests.support.projects import Project


def _edit(project: Project, name: str, text: str) -> None:
    path = project.source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _diffs(project: Project, history: History, earlier: int, later: int) -> dict[bytes, FileDiff]:
    before, after = history.snapshots[earlier], history.snapshots[later]
    changes = history.changes_between(before, after)
    contents = (stored_content(project.store, before), stored_content(project.store, after))
    return {each.path: each for each in diff_files(changes, history.tree(before), history.tree(after), *contents)}


def test_the_versions_of_a_file_are_found_with_what_happened_to_it(project: Project) -> None:
    _edit(project, "other", "1")
    project.snapshot()
    _edit(project, "src/a", "one")
    project.snapshot()
    _edit(project, "other", "2")
    project.snapshot()
    _edit(project, "src/a", "two!")
    project.snapshot()
    (project.source / "src/a").chmod(0o600)
    project.snapshot()
    (project.source / "src/a").unlink()
    project.snapshot()

    versions = History(project.store).versions(b"src/a")

    assert [version.change for version in versions] == ["added", "modified", "metadata", "removed"]
    ids = [snapshot.id for snapshot in project.snapshots()]
    assert [version.snapshot.id for version in versions] == [ids[1], ids[3], ids[4], ids[5]]
    assert versions[-1].entry is None


def test_a_path_that_never_was_is_an_error(project: Project) -> None:
    _edit(project, "a", "1")
    project.snapshot()

    with pytest.raises(SnapshotNotFound, match="has ever had nothing"):
        History(project.store).versions(b"nothing")


def test_the_snapshots_that_touched_a_folder_are_those_with_changes_below_it(project: Project) -> None:
    for name, text in (("src/deep/a", "1"), ("srcx", "1"), ("src/deep/a", "2"), ("other", "1")):
        _edit(project, name, text)
        project.snapshot()
    history = History(project.store)

    touching = history.touching(b"src")

    assert touching == [history.snapshots[0], history.snapshots[2]]
    assert history.touching(b"") == history.snapshots


def test_what_changed_in_a_snapshot_is_what_the_one_before_did_not_have(project: Project) -> None:
    _edit(project, "a", "1")
    _edit(project, "b", "1")
    project.snapshot()
    _edit(project, "a", "22")
    _edit(project, "c/d", "1")
    (project.source / "b").unlink()
    project.snapshot()
    history = History(project.store)

    first, second = (history.changes_in(snapshot) for snapshot in history.snapshots)

    assert (first.added, first.modified, first.removed) == ([b"a", b"b"], [], [])
    assert (second.added, second.modified, second.removed) == ([b"c", b"c/d"], [b"a"], [b"b"])


def test_text_differs_by_lines_and_the_rest_is_named(project: Project) -> None:
    _edit(project, "text", "one\ntwo\nthree\n")
    (project.source / "binary").write_bytes(b"\0\1")
    _edit(project, "mode", "x")
    os.symlink("here", project.source / "link")
    project.snapshot()
    _edit(project, "text", "one\n2\nthree\nfour\n")
    (project.source / "binary").write_bytes(b"\0\1\2")
    (project.source / "mode").chmod(0o755)
    (project.source / "link").unlink()
    os.symlink("there", project.source / "link")
    (project.source / "folder").mkdir()
    project.snapshot()

    found = _diffs(project, History(project.store), 0, 1)

    assert found[b"text"].lines[2:] == ["@@ -1,3 +1,4 @@", " one", "-two", "+2", " three", "+four"]
    assert (found[b"text"].added, found[b"text"].removed) == (2, 1)
    assert (found[b"binary"].status, found[b"binary"].note) == ("M", "binary")
    assert (found[b"mode"].status, found[b"mode"].note) == ("P", "mode 644 to 755")
    assert found[b"link"].lines[-2:] == ["-link to here", "+link to there"]
    assert (found[b"folder"].status, found[b"folder"].note) == ("A", "folder")


def test_the_difference_to_the_folder_now_does_not_follow_links_out_of_it(project: Project) -> None:
    secret = project.home / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden\n")
    _edit(project, "inside/key", "public\n")
    snapshot = project.snapshot().snapshot
    (project.source / "inside/key").unlink()
    (project.source / "inside").rmdir()
    os.symlink(secret, project.source / "inside")

    history = History(project.store)
    changes, now = history.changes_since(snapshot, ())
    read = source_content(os.fsencode(project.source))
    found = list(diff_files(changes, project.tree(snapshot), now, stored_content(project.store, snapshot), read))

    assert {each.path for each in found} == {b"inside", b"inside/key"}
    assert not [line for each in found for line in each.lines if "hidden" in line]
    assert read(b"inside/key") is None


def test_a_stored_file_is_read_byte_for_byte(project: Project) -> None:
    content = bytes(range(256)) * 1000
    (project.source / "data").write_bytes(content)
    snapshot = project.snapshot().snapshot

    with open_stored(project.store, snapshot, b"data") as file:
        assert file.read() == content


def test_a_record_that_cannot_be_read_hides_no_other_version(project: Project) -> None:
    ids = []
    for text in ("one", "second", "the third"):
        (project.source / "file").write_text(text)
        ids.append(project.snapshot().snapshot.id)
    (project.path / ".agsekit" / "trees" / ids[1]).write_bytes(b"damaged")
    history = History(project.store)

    assert [each.snapshot.id for each in history.versions(b"file")] == [ids[0], ids[2]]
    assert [each.id for each in history.touching(b"file")] == [ids[0], ids[2]]
    assert measure(project.store).total == len("one") + len("the third")
    assert look_at(project.store, ()).undo().target.id == ids[0]
