"""A restore does not overwrite what was edited after it began."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from agsekit_storage.events import Event, Progress
from agsekit_storage.restore import Restored, RestoreRequest, restore
from tests.support.projects import Project


def _restore_while(project: Project, edit: Callable[[], None]) -> Restored:
    """Restore the first snapshot, and edit something once a hundred files are through."""
    done: list[int] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and event.done >= 100 and not done:
            done.append(event.done)
            edit()

    request = RestoreRequest(project.snapshots()[0])
    result = restore(project.store, request, now=time.time(), on_event=on_event)
    assert done
    return result


@pytest.fixture
def changed(project: Project) -> Project:
    """A project in which two hundred files, and the last one `z`, have changed since the first snapshot."""
    for number in range(200):
        (project.source / f"file-{number:03}").write_text("one")
    (project.source / "z").write_text("one")
    project.snapshot()
    for path in sorted(project.source.iterdir()):
        path.write_text("two")
    (project.source / "zz-new").write_text("two")
    project.snapshot()
    return project


def _reported(result: Restored) -> list[tuple[bytes, str]]:
    return [(problem.path, problem.reason) for problem in result.problems]


def test_a_file_that_is_edited_meanwhile_is_left_alone(changed: Project) -> None:
    file = changed.source / "z"

    result = _restore_while(changed, lambda: _write(file, "the work of a minute"))

    assert file.read_text() == "the work of a minute"
    assert _reported(result) == [(b"z", "edited-meanwhile")]
    assert (changed.source / "file-150").read_text() == "one"


def test_an_edit_that_keeps_size_and_time_is_seen_too(changed: Project) -> None:
    file = changed.source / "z"
    times = os.stat(file)

    def edit() -> None:
        file.write_text("2wo")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    result = _restore_while(changed, edit)

    assert file.read_text() == "2wo"
    assert _reported(result) == [(b"z", "edited-meanwhile")]


def test_a_new_file_that_is_edited_meanwhile_is_not_deleted(changed: Project) -> None:
    file = changed.source / "zz-new"

    result = _restore_while(changed, lambda: _write(file, "more of it"))

    assert file.read_text() == "more of it"
    assert _reported(result) == [(b"zz-new", "edited-meanwhile")]


def test_a_file_that_appears_meanwhile_is_not_overwritten(changed: Project) -> None:
    file = changed.source / "z"
    file.unlink()

    result = _restore_while(changed, lambda: _write(file, "somebody was faster"))

    assert file.read_text() == "somebody was faster"
    assert _reported(result) == [(b"z", "edited-meanwhile")]


def _write(file: os.PathLike[str], text: str) -> None:
    with open(file, "w") as stream:
        stream.write(text)
