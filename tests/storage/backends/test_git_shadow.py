"""The git backend: what only it does. What every backend does is in the contract tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agsekit_storage.backends.git_content import Form, blob_id, form_of
from agsekit_storage.backends.git_shadow import GitShadowBackend
from agsekit_storage.blocks import read_exactly
from agsekit_storage.errors import StorageError, StoreDamaged
from agsekit_storage.model import Snapshot
from agsekit_storage.restore import RestoreRequest, restore_to
from agsekit_storage.store import Store
from tests.support.git import fsck, git
from tests.support.projects import Project
from tests.support.trees import Editor, describe, make_nasty_tree, make_special_files, write


@pytest.fixture
def backend() -> str:
    """Only one."""
    return "git"


@pytest.fixture
def repository(project: Project) -> Path:
    return project.path / "shadow.git"


def _ids(repository: Path, revision: str) -> dict[bytes, bytes]:
    """Return the id of every path of a commit, folders too, in their escaped form."""
    lines = git("ls-tree", "-r", "-t", "-z", revision, repository=repository).split(b"\0")[:-1]
    return {line.partition(b"\t")[2]: line.partition(b"\t")[0].split()[2] for line in lines}


def test_git_itself_reads_what_a_nasty_tree_became(project: Project, repository: Path) -> None:
    make_nasty_tree(project.source)
    make_special_files(project.source)
    project.snapshot()
    Editor(project.source, 3).run(40)
    project.snapshot()

    fsck(repository)
    assert git("log", "--format=%s", repository=repository).count(b"manual: ") == 2
    assert git("show", "--stat", "main", repository=repository)
    assert git("diff", "main~1", "main", repository=repository)
    assert b"names/%.git/%.git" in _ids(repository, "main~1")
    assert git("show", "main~1:names/%.git/%.git", repository=repository).startswith(b"content ")


def test_git_can_clone_and_check_out_a_snapshot(project: Project, repository: Path) -> None:
    make_nasty_tree(project.source)
    snapshot = project.snapshot().snapshot

    copy = project.home / "checked-out"
    copy.mkdir()
    git("--work-tree", str(copy), "checkout", f"refs/snapshots/{snapshot.id}", "--", ".", repository=repository)

    assert (copy / "first").read_bytes() == b"linked"
    assert os.access(copy / "program", os.X_OK)
    assert not os.access(copy / "odd", os.X_OK) or os.geteuid() == 0
    assert os.readlink(copy / "passwd") == "/etc/passwd"


def test_every_snapshot_has_a_ref_and_the_newest_is_the_branch(project: Project, repository: Path) -> None:
    for number in range(3):
        (project.source / "file").write_text(f"{number}")
        project.snapshot()

    refs = git("for-each-ref", "--format=%(refname)", "refs/snapshots", repository=repository).decode().split()
    assert refs == [f"refs/snapshots/{each.id}" for each in project.snapshots()]
    assert git("rev-parse", "HEAD", repository=repository) == git("rev-parse", refs[-1], repository=repository)
    assert git("show", f"{refs[1]}:file", repository=repository) == b"1"


def test_folders_without_a_change_keep_their_tree_objects(project: Project, repository: Path) -> None:
    for folder in ("a/b", "a/c", "d/e"):
        (project.source / folder).mkdir(parents=True)
        (project.source / folder / "file").write_text(folder)
    project.snapshot()
    time.sleep(0.05)
    project.snapshot()
    (project.source / "a/b/file").write_text("changed")
    project.snapshot()

    old, new = _ids(repository, "main~1"), _ids(repository, "main")
    changed = {path for path in new if old[path] != new[path]}
    assert changed == {b"a", b"a/b", b"a/b/file"}
    # The file, the two folders, the top and the commit.
    assert _objects_in_newest_pack(repository) == 5


def _objects_in_newest_pack(repository: Path) -> int:
    newest = max(repository.glob("objects/pack/*.idx"), key=lambda path: path.stat().st_mtime_ns)
    return len(git("show-index", repository=repository, stdin=newest.read_bytes()).splitlines())


def test_a_change_far_below_is_still_there_when_something_else_changes(project: Project, repository: Path) -> None:
    for folder in ("a/b/c", "d"):
        (project.source / folder).mkdir(parents=True)
        (project.source / folder / "file").write_text("old")
    for path in ("a/b/c/file", "d/file", None):
        # Long enough for the walk to trust the stamps, so that it shares the folders above a change.
        time.sleep(0.05)
        project.snapshot()
        if path:
            with (project.source / path).open("r+") as file:
                file.write("new")

    assert git("show", "main:a/b/c/file", repository=repository) == b"new"
    assert project.saved(project.snapshots()[-1]) == project.now()


def test_a_change_of_times_alone_writes_no_trees(project: Project, repository: Path) -> None:
    (project.source / "folder").mkdir()
    (project.source / "folder/file").write_text("same")
    first = project.snapshot()
    os.utime(project.source / "folder/file", ns=(5, 5))
    (project.source / "other").write_text("new")

    second = project.snapshot()

    assert first.snapshot.id != second.snapshot.id
    # The other file, the top and the commit.
    assert _objects_in_newest_pack(repository) == 3
    assert project.saved(second.snapshot) == project.now()


def test_moved_contents_are_not_stored_again(project: Project, repository: Path) -> None:
    (project.source / "old").mkdir()
    for number in range(300):
        (project.source / "old" / str(number)).write_bytes(os.urandom(2000))
    project.snapshot()
    before = sum(path.stat().st_size for path in repository.glob("objects/pack/*.pack"))
    (project.source / "old").rename(project.source / "new")

    snapshot = project.snapshot().snapshot

    after = sum(path.stat().st_size for path in repository.glob("objects/pack/*.pack"))
    assert after - before < 2000
    assert project.saved(snapshot) == project.now()
    fsck(repository)


def test_repositories_inside_the_project_are_saved_whole(project: Project, repository: Path) -> None:
    top, empty, module = project.source, project.source / "empty", project.source / "module"
    for folder in (top, empty, module):
        folder.mkdir(exist_ok=True)
        git("init", "-q", repository=folder, work_tree=True)
    (module / "code").write_text("of the module")
    git("add", ".", repository=module, work_tree=True)
    git("commit", "-q", "-m", "first", repository=module, work_tree=True)
    git(
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(module),
        "sub",
        repository=top,
        work_tree=True,
    )
    git("commit", "-q", "-m", "with a submodule", repository=top, work_tree=True)
    git("worktree", "add", "-q", str(top / "tree"), repository=top, work_tree=True)
    (top / "untracked").write_text("work in progress")
    snapshot = project.snapshot().snapshot

    copy = project.home / "copy"
    restore_to(project.store, RestoreRequest(snapshot), copy)

    assert describe(copy) == project.now()
    assert git("log", "--format=%s", repository=copy / "module", work_tree=True) == b"first\n"
    assert git("status", "--porcelain", repository=copy, work_tree=True) == git(
        "status", "--porcelain", repository=top, work_tree=True
    )
    fsck(repository)


def test_nothing_that_configures_git_in_the_project_is_heeded(project: Project, repository: Path) -> None:
    git("init", "-q", repository=project.source, work_tree=True)
    marker = project.home / "ran"
    (project.source / ".git/config").write_text(
        f'[core]\n\tautocrlf = true\n\tfsmonitor = "touch {marker}"\n'
        f'[filter "lfs"]\n\tclean = touch {marker}\n\trequired = true\n'
    )
    (project.source / ".gitattributes").write_text("* text=auto eol=crlf filter=lfs ident\n")
    (project.source / ".gitignore").write_text("*\n")
    (project.source / ".mailmap").write_text("Mallory <m@example.org> <agsekit@localhost>\n")
    (project.source / "text").write_bytes(b"one\r\ntwo\n$Id$\n")
    snapshot = project.snapshot().snapshot

    assert git("show", "main:text", repository=repository) == b"one\r\ntwo\n$Id$\n"
    assert git("log", "--format=%aN", repository=repository) == b"agsekit\n"
    assert project.saved(snapshot) == project.now()
    assert not marker.exists()


def test_no_environment_variable_of_git_is_heeded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_ALTERNATE_OBJECT_DIRECTORIES"):
        monkeypatch.setenv(name, str(project.home / "elsewhere"))
    (project.source / "file").write_text("content")

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == project.now()
    assert not (project.home / "elsewhere").exists()


def test_the_repository_is_for_its_owner_alone(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("content")
    old = os.umask(0)
    try:
        project.snapshot()
    finally:
        os.umask(old)

    open_to_others = [path for path in [repository, *repository.rglob("*")] if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_deleting_takes_a_snapshot_out_of_the_history(project: Project, repository: Path) -> None:
    taken = []
    for number in range(5):
        (project.source / "file").write_text(f"{number}")
        taken.append((project.snapshot().snapshot, project.now()))

    project.store.delete([taken[0][0].id, taken[2][0].id])

    kept = [taken[1], taken[3], taken[4]]
    assert [each.id for each in project.snapshots()] == [snapshot.id for snapshot, _ in kept]
    assert len(git("log", "--format=%H", repository=repository).split()) == 3
    git("-c", "gc.pruneExpire=now", "gc", "--quiet", repository=repository)
    assert [project.saved(snapshot) for snapshot, _ in kept] == [content for _, content in kept]
    fsck(repository)


def test_deleting_the_newest_lets_the_next_one_build_upon_what_is_left(project: Project, repository: Path) -> None:
    (project.source / "folder").mkdir()
    for number in range(3):
        (project.source / "folder/file").write_text(f"{number}")
        last = project.snapshot().snapshot
    project.store.delete([last.id])
    git("-c", "gc.pruneExpire=now", "gc", "--quiet", repository=repository)

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == project.now()
    assert len(git("log", "--format=%H", repository=repository).split()) == 3
    fsck(repository)


def test_deleting_everything_leaves_a_repository_that_can_go_on(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("content")
    project.store.delete([project.snapshot().snapshot.id])
    assert project.snapshots() == []

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == project.now()
    fsck(repository)


def test_what_git_has_packed_as_differences_is_read(project: Project, repository: Path) -> None:
    lines = [f"line {number}\n" for number in range(2000)]
    taken = []
    for number in range(6):
        lines[number * 100] = f"edit {number}\n"
        (project.source / "file").write_text("".join(lines))
        taken.append((project.snapshot().snapshot, project.now()))

    git("gc", "--quiet", "--aggressive", "--prune=now", repository=repository)

    assert b"chain length" in git("verify-pack", "-v", *_packs(repository), repository=repository)
    assert [project.saved(snapshot) for snapshot, _ in taken] == [content for _, content in taken]


def test_what_git_has_unpacked_is_read(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("content")
    snapshot = project.snapshot().snapshot
    for name in _packs(repository):
        pack = Path(name)
        content = pack.read_bytes()
        for suffix in (".idx", ".pack"):
            pack.with_suffix(suffix).unlink()
        git("unpack-objects", "-q", repository=repository, stdin=content)

    assert project.saved(snapshot) == project.now()


def test_refs_that_git_has_moved_about_still_count(project: Project, repository: Path) -> None:
    for number in range(3):
        (project.source / "file").write_text(f"{number}")
        project.snapshot()
    ids = [each.id for each in project.snapshots()]
    commit = git("rev-parse", f"refs/snapshots/{ids[1]}", repository=repository).decode().strip()
    git("update-ref", "-d", f"refs/snapshots/{ids[1]}", repository=repository)
    git("update-ref", f"refs/snapshots/{ids[1]}", commit, repository=repository)
    assert [each.id for each in project.snapshots()] == ids

    project.store.delete([ids[1]])

    assert [each.id for each in project.snapshots()] == [ids[0], ids[2]]


def _packs(repository: Path) -> list[str]:
    return [str(path) for path in repository.glob("objects/pack/*.pack")]


def test_damaged_content_is_named_and_never_restored(project: Project, repository: Path) -> None:
    (project.source / "file").write_bytes(os.urandom(5000))
    snapshot = project.snapshot().snapshot
    pack = Path(_packs(repository)[0])
    content = bytearray(pack.read_bytes())
    content[2000] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)

    restored = restore_to(project.store, RestoreRequest(snapshot), project.home / "copy")

    assert [(problem.path, problem.reason) for problem in restored.problems] == [(b"file", "damaged")]
    assert not (project.home / "copy/file").exists()


def test_a_lost_pack_is_damage_and_not_a_crash(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("content")
    snapshot = project.snapshot().snapshot
    for path in repository.glob("objects/pack/*"):
        path.unlink()

    restored = restore_to(project.store, RestoreRequest(snapshot), project.home / "copy")

    assert [problem.reason for problem in restored.problems] == ["damaged"]


def test_a_large_file_is_saved_and_restored_without_being_held_in_memory(project: Project) -> None:
    with (project.source / "large").open("wb") as file:
        for _ in range(48):
            file.write(os.urandom(4 * 1024 * 1024))
    program = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from agsekit_storage.restore import RestoreRequest, restore_to\n"
        "from agsekit_storage.snapshots import Request, take_snapshot\n"
        "from agsekit_storage.store import Store\n"
        "home = Path(sys.argv[1])\n"
        "limit = 160 * 1024 * 1024\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
        "store = Store.create(home / 'store', home / 'source', backend='git')\n"
        "taken = take_snapshot(store, Request('manual'), now=time.time()).snapshot\n"
        "assert not restore_to(store, RestoreRequest(taken), home / 'copy').problems\n"
    )

    subprocess.run([sys.executable, "-c", program, str(project.home)], check=True, cwd="/")

    assert describe(project.home / "copy") == project.now()


def test_a_large_file_that_shrinks_while_it_is_read_is_saved_as_it_was_read(
    project: Project, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = project.source / "large"
    write(os.fsencode(large), os.urandom(9_000_000))
    sizes = iter(range(8_900_000, 5_000_000, -100_000))

    def shrinking(fd: int, size: int) -> Form:
        form = form_of(fd, size)
        os.truncate(large, next(sizes))
        return form

    monkeypatch.setattr("agsekit_storage.backends.git_writer.form_of", shrinking)
    result = project.snapshot()

    assert [(problem.path, problem.reason) for problem in result.problems] == [(b"large", "unstable")]
    assert not result.snapshot.complete
    restore_to(project.store, RestoreRequest(result.snapshot), project.home / "copy")
    saved = (project.home / "copy/large").read_bytes()
    assert saved
    assert saved.startswith(large.read_bytes())
    fsck(repository)


def test_of_a_file_that_never_holds_still_only_the_last_try_is_kept(
    project: Project, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = project.source / "busy"
    busy.write_bytes(b"x" * 1000)

    def growing(fd: int, position: int, length: int) -> bytes:
        with busy.open("ab") as file:
            file.write(b"x" * 100)
        return read_exactly(fd, position, length)

    monkeypatch.setattr("agsekit_storage.backends.git_writer.read_exactly", growing)
    result = project.snapshot()

    assert [(problem.path, problem.reason) for problem in result.problems] == [(b"busy", "unstable")]
    # The file, the top, the commit.
    listed = git("cat-file", "--batch-all-objects", "--batch-check", repository=repository)
    assert len(listed.splitlines()) == 3
    fsck(repository)


def test_content_that_looks_like_our_own_form_comes_back(project: Project, repository: Path) -> None:
    head = b"agsekit-holes 1\n"
    write(os.fsencode(project.source / "small"), head + b"5\n0 5\n\nhello")
    write(os.fsencode(project.source / "bare"), head)
    write(os.fsencode(project.source / "large"), head + os.urandom(6_000_000))

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == project.now()
    fsck(repository)


def test_a_file_of_holes_is_stored_by_what_is_in_it(project: Project, repository: Path) -> None:
    with (project.source / "disk").open("wb") as file:
        for offset in (0, 123_456_789, 5_000_000_000):
            file.seek(offset)
            file.write(b"data")
        file.truncate(10_000_000_000)

    snapshot = project.snapshot().snapshot

    assert project.saved(snapshot) == project.now()
    shown = git("show", "main:disk", repository=repository)
    assert shown.startswith(b"agsekit-holes 1\n10000000000\n0 131072\n")
    assert sum(path.stat().st_size for path in repository.rglob("*") if path.is_file()) < 100_000


def test_the_digest_of_an_ordinary_file_is_gits_id_of_it(project: Project, repository: Path) -> None:
    file = project.source / "file"
    file.write_bytes(b"content")
    project.snapshot()

    with file.open("rb") as opened:
        digest = blob_id(opened.fileno(), 7)

    assert git("rev-parse", "main:file", repository=repository).decode().strip() == digest.hex()


def test_without_pygit2_the_backend_says_what_is_missing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygit2", None)

    with pytest.raises(StorageError, match="needs pygit2") as caught:
        Store.create(project.path, project.source, backend="git")

    assert caught.value.hint
    assert "rsync" in caught.value.hint
    assert not (project.path / "shadow.git").exists()
    other = Project(project.home / "source", "rsync")
    (other.source / "file").write_text("content")
    assert other.snapshot().created


def test_a_snapshot_imports_neither_pygit2_nor_what_only_readers_need(project: Project) -> None:
    (project.source / "file").write_text("content")
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from agsekit_storage.snapshots import Request, take_snapshot\n"
        "from agsekit_storage.store import Store\n"
        "store = Store.create(Path(sys.argv[1]), Path(sys.argv[2]), backend='git')\n"
        "take_snapshot(store, Request('manual'), now=time.time())\n"
        "print(*[name for name in sys.modules if 'pygit2' in name or 'git_objects' in name])\n"
    )

    argv = [sys.executable, "-c", program, str(project.path), str(project.source)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/")

    assert done.stdout.strip() == ""


class _Interrupted(BaseException):
    """Stands for kill -9 between two steps."""


@pytest.mark.parametrize("step", ["forget_pack", "show_pack", "finish_pack"])
def test_a_crash_at_any_step_leaves_the_old_state_or_the_new_one_and_no_rests(
    project: Project, repository: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (project.source / "file").write_text("first")
    first = (project.snapshot().snapshot, project.now())
    (project.source / "file").write_text("second")
    backend = GitShadowBackend(project.path)

    def crash(*_: object) -> None:
        raise _Interrupted

    store = project.store
    monkeypatch.setattr(type(backend._repository), step, crash)
    with pytest.raises(_Interrupted):
        _take(store)
    monkeypatch.undo()
    project.snapshot()

    taken = project.snapshots()
    assert len(taken) == 2
    assert project.saved(first[0]) == first[1]
    assert project.saved(taken[-1]) == project.now()
    assert [path for path in repository.glob("objects/pack/*") if "tmp" in path.name] == []
    listed = git("cat-file", "--batch-all-objects", "--batch-check", repository=repository)
    assert len(listed.splitlines()) == 6
    fsck(repository)


def _take(store: Store) -> Snapshot:
    from agsekit_storage.snapshots import Request, take_snapshot

    return take_snapshot(store, Request("manual"), now=time.time()).snapshot


def test_a_crash_between_pack_and_ref_takes_the_pack_away_again(
    project: Project, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.source / "file").write_text("first")
    project.snapshot()
    (project.source / "file").write_text("never published")
    store = project.store

    def crash(*_: object) -> None:
        raise _Interrupted

    monkeypatch.setattr("agsekit_storage.backends.git_refs.Refs.write", crash)
    with pytest.raises(_Interrupted):
        _take(store)
    monkeypatch.undo()
    assert len(_packs(repository)) == 2
    (project.source / "file").write_text("first")
    with project.store.locked(wait=1):
        pass

    assert len(_packs(repository)) == 1
    assert len(project.snapshots()) == 1
    fsck(repository)


def test_rests_of_a_git_that_was_killed_are_removed(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("content")
    project.snapshot()
    for name in ("objects/pack/tmp_pack_Ab12", "objects/pack/.tmp-12-pack-00.pack", "packed-refs.lock", "HEAD.lock"):
        (repository / name).write_text("rest")

    with project.store.locked(wait=1):
        pass

    assert [path for path in repository.rglob("*") if path.is_file() and path.read_bytes() == b"rest"] == []


def test_a_reader_asks_for_a_snapshot_that_is_there(project: Project) -> None:
    (project.source / "file").write_text("content")
    project.snapshot()

    with pytest.raises(StoreDamaged, match="is not in the shadow repository"):
        project.store.backend.reader("20200101-000000")


def test_a_branch_whose_name_has_a_slash_does_no_harm(project: Project, repository: Path) -> None:
    (project.source / "file").write_text("one")
    first = project.snapshot().snapshot
    git("branch", "mine/of-today", "main", repository=repository)
    (project.source / "file").write_text("two")

    second = project.snapshot().snapshot

    assert [each.id for each in project.snapshots()] == [first.id, second.id]
    assert git("rev-parse", "mine/of-today", repository=repository)
