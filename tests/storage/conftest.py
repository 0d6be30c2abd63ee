"""What the tests of the storage library share. The contract tests run once with every backend."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.children import NOBODY
from tests.support.projects import Project


@pytest.fixture(params=["rsync", "git"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend."""
    name: str = request.param
    return name


@pytest.fixture
def project(tmp_path: Path, backend: str) -> Project:
    """An empty source folder beside a store that does not exist yet."""
    return Project(tmp_path, backend)


@pytest.fixture
def volatile_project(backend: str) -> Iterator[Project]:
    """The same in memory where there is a place for that, for tests that save hundreds of times."""
    memory = "/dev/shm"
    home = Path(tempfile.mkdtemp(prefix="agsekit-test-", dir=memory if os.path.isdir(memory) else None))
    yield Project(home, backend)
    shutil.rmtree(home)


def _use_everything(home: Path, backend: str) -> None:
    """Let Python load what it loads on first use: a child without rights may not be able to read it."""
    home.mkdir()
    project = Project(home, backend)
    first = project.snapshot().snapshot
    (project.source / "file").write_text("1")
    project.snapshot()
    project.restore(first)
    project.saved(project.snapshots()[-1])


@pytest.fixture
def open_project(backend: str) -> Iterator[Project]:
    """The same in a place that a user without rights can reach; the folders belong to that user."""
    home = Path(tempfile.mkdtemp(prefix="agsekit-test-"))
    _use_everything(home / "warming-up", backend)
    project = Project(home, backend)
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
        os.chown(project.source, NOBODY, NOBODY)
    yield project
    shutil.rmtree(home)
