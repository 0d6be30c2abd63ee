"""Fixtures that several parts of the tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass


@pytest.fixture
def fake_multipass(tmp_path: Path) -> Iterator[FakeMultipass]:
    """A multipass of its own; programs find it with `fake_multipass.environment`."""
    fake = FakeMultipass(tmp_path / "multipass")
    yield fake
    fake.close()
