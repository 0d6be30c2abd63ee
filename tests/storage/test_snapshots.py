"""What a snapshot holds, and when there is a new one."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from agsekit_storage.durable import remove_tree
from tests.support.projects import Project
from tests.support.trees import describe, make_nasty_tree, make_special_files, saved_part, write


def test_a_snapshot_holds_the_whole_tree(project: Project) -> None:
    make_nasty_tree(project.source)

    result = project.snapshot()

    assert result.created
    assert result.snapshot.complete
    assert not result.problems
    assert project.saved(result.snapshot) == project.now()


def test_a_second_snapshot_holds_the_whole_tree_and_leaves_the_first_as_it_was(project: Project) -> None:
    make_nasty_tree(project.source)
    first, before = project.snapshot().snapshot, project.now()
    write(os.fsencode(project.source / "private"), b"changed")
    (project.source / "names" / "second").unlink()
    (project.source / "empty folder" / "below").rmdir()

    second = project.snapshot().snapshot

    assert [snapshot.id for snapshot in project.snapshots()] == [first.id, second.id]
    assert project.saved(first) == before
    assert project.saved(second) == project.now() != before


def test_the_counts_tell_what_changed(project: Project) -> None:
    for name in ("stays", "grows", "goes", "shut"):
        (project.source / name).write_text(name)
    project.snapshot()
    (project.source / "grows").write_text("and grows")
    (project.source / "goes").unlink()
    (project.source / "shut").chmod(0o600)
    (project.source / "new").mkdir()
    (project.source / "new" / "file").write_text("1")

    snapshot = project.snapshot().snapshot

    assert (snapshot.added, snapshot.modified, snapshot.metadata, snapshot.removed) == (2, 1, 1, 1)
    assert (snapshot.files, snapshot.folders) == (4, 2)
    assert snapshot.bytes == len("stays" + "and grows" + "shut" + "1")


def test_nothing_changed_makes_no_snapshot(project: Project) -> None:
    make_nasty_tree(project.source)
    first = project.snapshot().snapshot

    for _ in range(3):
        result = project.snapshot()
        assert not result.created
        assert result.snapshot.id == first.id
    assert len(project.snapshots()) == 1


def _old(path: Path) -> None:
    """Let a file be old enough that no stamp of it is near to now."""
    time.sleep(0.06)


def test_an_edit_that_keeps_size_and_time_is_seen(project: Project) -> None:
    file = project.source / "file"
    file.write_text("aaaa")
    project.snapshot()
    _old(file)
    project.snapshot()
    status = file.stat()

    with file.open("r+") as opened:
        opened.write("bbbb")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    result = project.snapshot()
    assert result.changes.modified == [b"file"]
    assert project.saved(result.snapshot) == project.now()


def test_an_edit_right_after_the_snapshot_that_keeps_size_and_time_is_seen(project: Project) -> None:
    # Both walks fall into the time in which a stamp proves nothing, so both record none.
    file = project.source / "file"
    for number in range(10, 40):
        file.write_text(f"{number}")
        status = file.stat()
        project.snapshot()
        file.write_text(f"{number + 50}")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

        result = project.snapshot()

        assert result.changes.modified == [b"file"]
        assert project.saved(result.snapshot) == project.now()


def test_an_edit_in_a_new_folder_right_after_the_snapshot_is_seen(project: Project) -> None:
    for number in range(10, 30):
        folder = project.source / f"folder{number}"
        folder.mkdir()
        project.snapshot()
        (folder / "file").write_text("1")

        assert b"folder%d/file" % number in project.snapshot().changes.added


def test_a_file_moved_over_another_of_equal_size_and_time_is_seen(project: Project) -> None:
    (project.source / "file").write_text("aaaa")
    (project.source / "next").write_text("bbbb")
    for name in ("file", "next"):
        os.utime(project.source / name, ns=(0, 10**18))
    project.snapshot()

    (project.source / "next").rename(project.source / "file")

    result = project.snapshot()
    assert (result.changes.modified, result.changes.removed) == ([b"file"], [b"next"])
    assert project.saved(result.snapshot) == project.now()


def test_a_new_time_alone_makes_no_snapshot(project: Project) -> None:
    for name in ("file", "other"):
        (project.source / name).write_text(name)
    (project.source / "folder").mkdir()
    project.snapshot()

    os.utime(project.source / "file", ns=(0, 10**18))
    os.utime(project.source / "folder", ns=(0, 10**18))
    os.utime(project.source, ns=(0, 10**18))
    assert not project.snapshot().created

    (project.source / "other").write_text("changed")
    assert project.saved(project.snapshot().snapshot) == project.now()


def test_a_change_that_is_taken_back_makes_no_snapshot(project: Project) -> None:
    file = project.source / "file"
    file.write_text("content")
    file.chmod(0o644)
    project.snapshot()

    file.chmod(0o600)
    file.chmod(0o644)
    (project.source / "passing").write_text("")
    (project.source / "passing").unlink()
    os.link(file, project.home / "a link that comes and goes")
    os.unlink(project.home / "a link that comes and goes")

    assert not project.snapshot().created


def test_a_file_written_again_with_the_same_content_makes_no_snapshot(project: Project) -> None:
    (project.source / "file").write_text("content")
    project.snapshot()
    (project.source / "new").write_text("content")
    (project.source / "new").rename(project.source / "file")

    assert not project.snapshot().created


@pytest.mark.parametrize("name", ["file", "folder", "."])
def test_a_new_mode_makes_a_snapshot(project: Project, name: str) -> None:
    (project.source / "file").write_text("content")
    (project.source / "folder").mkdir()
    first = project.snapshot().snapshot
    mode = stat.S_IMODE((project.source / name).stat().st_mode)

    (project.source / name).chmod(0o750)

    result = project.snapshot()
    assert result.changes.metadata == [os.fsencode(name)]
    assert project.saved(result.snapshot)[os.fsencode(name)].mode == 0o750
    assert project.saved(first)[os.fsencode(name)].mode == mode


@pytest.mark.parametrize("name", ["file", "folder", "."])
def test_a_new_attribute_makes_a_snapshot(project: Project, name: str) -> None:
    (project.source / "file").write_text("content")
    (project.source / "folder").mkdir()
    first = project.snapshot().snapshot
    os.setxattr(project.source / name, "user.colour", b"blue\0")

    second = project.snapshot()

    assert second.changes.metadata == [os.fsencode(name)]
    assert project.saved(second.snapshot)[os.fsencode(name)].xattrs == (("user.colour", b"blue\0"),)
    assert project.saved(first)[os.fsencode(name)].xattrs == ()
    os.removexattr(project.source / name, "user.colour")
    assert project.snapshot().changes.metadata == [os.fsencode(name)]


def test_an_access_control_list_is_saved(project: Project) -> None:
    (project.source / "folder").mkdir()
    (project.source / "folder" / "file").write_text("content")
    project.snapshot()
    for arguments in (["-m", "u:1234:r", "folder/file"], ["-d", "-m", "u:1234:rwx", "folder"]):
        subprocess.run(["setfacl", *arguments], cwd=project.source, check=True)

    result = project.snapshot()

    assert result.changes.metadata == [b"folder", b"folder/file"]
    assert project.saved(result.snapshot) == project.now()
    assert any(name.startswith("system.") for name, _ in project.now()[b"folder/file"].xattrs)


def test_special_files_are_reported_and_the_rest_is_saved(project: Project) -> None:
    (project.source / "file").write_text("content")
    make_special_files(project.source)
    if os.geteuid() == 0:
        os.mknod(project.source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))

    result = project.snapshot()

    special = {path for path, node in describe(project.source).items() if node.kind in ("fifo", "socket", "device")}
    assert {problem.path for problem in result.problems if problem.reason == "special"} == special
    assert result.snapshot.complete
    assert project.saved(result.snapshot) == project.now()
    assert not project.snapshot().created


def test_setuid_is_recorded_and_not_given_to_the_copy(project: Project) -> None:
    file = project.source / "file"
    file.write_text("content")
    file.chmod(0o6755)

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot)[b"file"].mode == 0o755
    assert stat.S_IMODE(project.tree(snapshot).row(b"file")[0]) == 0o6755
    for path in project.path.rglob("*"):
        assert not path.is_file() or not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)


def test_a_tree_deeper_than_a_path_may_be_long_is_saved(project: Project) -> None:
    here = os.open(project.source, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("folder-with-a-name", dir_fd=here)
        below = os.open("folder-with-a-name", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    fd = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(fd, b"deep")
    os.link("file", "linked", src_dir_fd=here, dst_dir_fd=here)
    first, before = project.snapshot().snapshot, project.now()
    os.write(fd, b" deeper")
    os.close(fd)
    os.close(here)

    second = project.snapshot().snapshot

    assert project.saved(first) == before
    assert project.saved(second) == project.now() != before
    project.restore(first)
    assert project.now() == before


def test_a_sparse_terabyte_costs_nothing_and_stays_sparse(project: Project) -> None:
    file = project.source / "image"
    with file.open("wb") as opened:
        opened.seek(2**39)
        opened.write(b"middle")
        opened.truncate(2**40)

    first, before = project.snapshot().snapshot, project.now()

    assert project.saved(first) == before
    assert sum(path.stat().st_blocks for path in project.home.rglob("*") if path.is_file()) * 512 < 10**7
    with file.open("r+b") as opened:
        opened.seek(2**38)
        opened.write(b"quarter")
    assert project.snapshot().changes.modified == [b"image"]
    project.restore(first)
    assert project.now() == before


def test_a_hole_and_written_zeros_are_the_same_content(project: Project) -> None:
    file = project.source / "file"
    file.write_bytes(b"x" + bytes(2**20))
    project.snapshot()
    with file.open("wb") as opened:
        opened.write(b"x")
        opened.truncate(2**20 + 1)

    assert not project.snapshot().created


def _linked(project: Project, *names: str) -> None:
    (project.source / names[0]).write_text("linked")
    for name in names[1:]:
        os.link(project.source / names[0], project.source / name)


@pytest.mark.parametrize(
    "change",
    [
        "add a name",
        "add a name before the others",
        "remove the first name",
        "break one away with the same content",
        "break one away with other content",
        "break all apart",
        "change the content of all",
        "change the mode of all",
        "swap two groups",
    ],
)
def test_hard_links_are_saved_through_every_change(project: Project, change: str) -> None:
    _linked(project, "b", "c", "folder-d")
    _linked(project, "x", "y")
    first, before = project.snapshot().snapshot, project.now()
    source = project.source
    if change == "add a name":
        os.link(source / "b", source / "e")
    elif change == "add a name before the others":
        os.link(source / "b", source / "a")
    elif change == "remove the first name":
        (source / "b").unlink()
    elif change.startswith("break one away"):
        (source / "new").write_text("linked" if "same" in change else "single")
        (source / "new").rename(source / "c")
    elif change == "break all apart":
        for name in ("b", "c", "folder-d"):
            (source / "new").write_text("linked")
            (source / "new").rename(source / name)
    elif change == "change the content of all":
        (source / "b").write_text("altered")
    elif change == "change the mode of all":
        (source / "b").chmod(0o600)
    else:
        (source / "b").unlink()
        os.link(source / "x", source / "b")
        (source / "x").unlink()
        os.link(source / "c", source / "x")

    second, after = project.snapshot(), project.now()

    assert second.created
    assert project.saved(second.snapshot) == after
    assert project.saved(first) == before
    project.restore(first)
    assert project.now() == before
    project.restore(second.snapshot)
    assert project.now() == after


def test_the_time_of_the_source_folder_is_kept(project: Project) -> None:
    (project.source / "file").write_text("1")
    os.utime(project.source, ns=(0, 10**18))

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot)[b"."].mtime_ns == 10**18


def test_an_empty_source_has_a_snapshot(project: Project) -> None:
    first = project.snapshot()

    assert first.created
    assert project.saved(first.snapshot) == project.now()
    assert not project.snapshot().created


def test_a_source_named_through_a_link_is_followed(project: Project) -> None:
    make_nasty_tree(project.source)
    real = project.home / "real"
    project.source.rename(real)
    project.source.symlink_to("real")

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == saved_part(describe(real))


def test_a_mount_point_is_recorded_and_not_entered(project: Project) -> None:
    folder = project.source / "mounted"
    folder.mkdir()
    (project.source / "file").write_text("1")
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        (folder / "foreign").write_text("not ours")
        result = project.snapshot()
        assert not project.snapshot().created
    finally:
        subprocess.run(["umount", folder], check=True)

    assert [problem.reason for problem in result.problems] == ["other-filesystem"]
    assert set(project.saved(result.snapshot)) == {b".", b"file", b"mounted"}


def test_folders_without_end_are_not_followed_to_it(project: Project) -> None:
    (project.source / "file").write_text("content")
    here = os.open(project.source, os.O_RDONLY)
    for _ in range(4000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)

    result = project.snapshot()

    assert [(each.reason, each.detail) for each in result.problems] == [("unreadable", "nested too deeply")]
    assert len(project.tree(result.snapshot).folders) < 3000
    assert not project.snapshot().created
    # What tidies up after tests cannot go so deep.
    remove_tree(project.source)
    remove_tree(project.path)
