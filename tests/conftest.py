"""Fixtures that several parts of the tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.world import World


@pytest.fixture
def fake_multipass(tmp_path: Path) -> Iterator[FakeMultipass]:
    """A multipass of its own; programs find it with `fake_multipass.environment`."""
    fake = FakeMultipass(tmp_path / "multipass")
    yield fake
    fake.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A home of its own with a project, and the real console script to use there."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let ^C reach the programs under test also when a shell started the tests in the background, ignoring it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
