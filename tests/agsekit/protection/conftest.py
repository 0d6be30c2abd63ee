from __future__ import annotations

from pathlib import Path

import pytest

from agsekit_storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an empty source beside it."""
    source = tmp_path / "project"
    source.mkdir()
    return Store.create(tmp_path / "store", source)
