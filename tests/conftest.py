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
def usual_signals() -> None:
    """Let signals reach the programs under test also when the tests were started in the background or by nohup."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
