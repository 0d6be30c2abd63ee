"""Packs that git can read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agsekit_storage.backends import git_pack
from agsekit_storage.backends.git_objects import Pack
from agsekit_storage.backends.git_pack import BLOB, TREE, CutShort, PackWriter, object_id
from agsekit_storage.backends.git_repository import Repository
from tests.support.git import fsck, git


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.create()
    return made


def _show(repository: Repository, pack: PackWriter, label: str = "test") -> None:
    repository.finish_pack(label, pack)
    pack.close()
    repository.show_pack(label)
    repository.forget_pack(label)


@given(contents=st.lists(st.binary(max_size=200), min_size=1, max_size=20))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_git_reads_every_object_of_a_pack(contents: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    repository = Repository(tmp_path_factory.mktemp("store"))
    repository.create()
    pack = repository.start_pack("test")

    ids = [pack.add(BLOB, content) for content in contents]
    _show(repository, pack)

    fsck(repository.path)
    for identifier, content in zip(ids, contents):
        assert git("cat-file", "blob", identifier.hex(), repository=repository.path) == content


def test_a_large_object_is_written_in_pieces_and_is_the_same(repository: Repository) -> None:
    content = bytes(range(256)) * 20_000
    pack = repository.start_pack("test")

    identifier = pack.add_stream(BLOB, len(content), _in_pieces(content))
    _show(repository, pack)

    assert identifier == object_id(BLOB, content)
    assert git("cat-file", "blob", identifier.hex(), repository=repository.path) == content
    fsck(repository.path)


def test_a_stream_that_ends_early_leaves_nothing(repository: Repository) -> None:
    pack = repository.start_pack("test")
    pack.add(BLOB, b"before")

    with pytest.raises(CutShort):
        pack.add_stream(BLOB, 1000, iter([b"x" * 999]))
    after = pack.add(BLOB, b"after")
    _show(repository, pack)

    fsck(repository.path)
    assert git("cat-file", "blob", after.hex(), repository=repository.path) == b"after"


def test_a_stream_that_fails_leaves_nothing(repository: Repository) -> None:
    pack = repository.start_pack("test")

    def failing() -> Iterator[bytes]:
        yield b"x" * 2_000_000
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        pack.add_stream(BLOB, 3_000_000, failing())
    pack.add(BLOB, b"after")
    _show(repository, pack)

    fsck(repository.path)


def test_an_object_that_is_there_twice_is_written_once(repository: Repository) -> None:
    pack = repository.start_pack("test")
    content = bytes(5_000_000)

    pack.add(BLOB, b"same")
    pack.add(BLOB, b"same")
    pack.add_stream(BLOB, len(content), _in_pieces(content))
    pack.add_stream(BLOB, len(content), _in_pieces(content))

    assert len(pack) == 2
    _show(repository, pack)
    fsck(repository.path)


def test_an_object_that_the_repository_has_is_not_written(repository: Repository) -> None:
    pack = repository.start_pack("test")
    pack.known = frozenset([object_id(BLOB, b"known")])

    pack.add(BLOB, b"known")
    pack.close()

    assert len(pack) == 0


def test_going_back_to_a_mark_forgets_what_came_after(repository: Repository) -> None:
    pack = repository.start_pack("test")
    pack.add(BLOB, b"stays")
    mark = pack.mark()
    pack.add(BLOB, b"goes")

    pack.rewind(mark)
    pack.add(TREE, b"")
    _show(repository, pack)

    listed = git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)", repository=repository.path)
    assert sorted(listed.split()) == [b"blob", b"tree"]
    fsck(repository.path)


def test_offsets_beyond_two_gigabytes_are_what_git_reads_in_the_index(repository: Repository) -> None:
    entries = {bytes([number]) * 20: (12 + number * 2**31, number) for number in range(1, 5)}

    index = git_pack._index(entries, bytes(20))

    shown = git("show-index", repository=repository.path, stdin=index).decode().splitlines()
    assert [line.split()[:2] for line in shown] == [
        [str(offset), identifier.hex()] for identifier, (offset, _) in sorted(entries.items())
    ]


def test_our_own_reader_finds_the_same_objects_as_git(repository: Repository) -> None:
    pack = repository.start_pack("test")
    contents = [b"%d" % number * number for number in range(300)]
    ids = [pack.add(BLOB, content) for content in contents]
    _show(repository, pack)

    read = Pack(next(repository.packs.glob("*.idx")))
    found = [read.find(identifier) for identifier in ids]
    missing = read.find(b"\xff" * 20)

    assert [b"".join(read.pieces(entry)) for entry in found if entry] == contents
    assert missing is None
    assert {identifier for identifier, _, _ in read.entries()} == set(ids)
    read.close()


def _in_pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1_000_000):
        yield content[start : start + 1_000_000]
