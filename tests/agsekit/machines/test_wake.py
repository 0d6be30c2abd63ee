from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from agsekit.config.model import Vm
from agsekit.engines.base import MountPoint
from agsekit.engines.bubblewrap import BubblewrapEngine
from agsekit.engines.multipass import MultipassEngine
from agsekit.errors import EngineError
from agsekit.machines.wake import check, time_asleep, wake
from agsekit.process import Runner
from tests.fakes.multipass_fake.control import FakeMultipass

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="the machines of the fake need bubblewrap")

VM = Vm("box")
TARGET = PurePosixPath("/home/ubuntu/project")


class Sleeper:
    """A host with one machine, whose time asleep is what a test says."""

    def __init__(self, multipass: FakeMultipass, folder: Path) -> None:
        self.multipass = multipass
        self.engine = MultipassEngine(Runner(multipass.environment), sleep=lambda seconds: None)
        self.folder = folder / "run"
        self.mount = MountPoint(folder / "project", TARGET)
        self.mount.source.mkdir()
        (self.mount.source / "file").touch()
        multipass.add("box", mounts={str(TARGET): self.mount.source})
        self.said: list[str] = []

    def wake(self, asleep: float) -> bool:
        """Do what `run` does before it starts an agent."""
        return wake(
            VM,
            self.engine,
            [self.mount],
            folder=self.folder,
            on_event=self.said.append,
            asleep=lambda: asleep,
        )

    def asked(self) -> list[Sequence[str]]:
        """Return the argv of all calls."""
        return [call.argv[1:] for call in self.multipass.calls()]


@pytest.fixture
def sleeper(fake_multipass: FakeMultipass, tmp_path: Path) -> Sleeper:
    return Sleeper(fake_multipass, tmp_path)


def give_clock(multipass: FakeMultipass, shown: int) -> Path:
    """Have a machine show a time, and record when its clock is set; return that record."""
    program = multipass.root("box").parent / "local-bin/date"
    program.write_text(f'#!/bin/sh\n[ $# = 1 ] && echo {shown} || echo "$@" > /var/tmp/clock\n')
    program.chmod(0o755)
    return multipass.root("box") / "var/tmp/clock"


def test_a_host_that_never_slept_asks_nothing(sleeper: Sleeper) -> None:
    assert not sleeper.wake(0.0)

    assert sleeper.asked() == []


def test_after_a_sleep_a_machine_is_checked_once_in_one_call(sleeper: Sleeper) -> None:
    assert sleeper.wake(3600.0)
    assert not sleeper.wake(3600.4)

    assert [argv[0] for argv in sleeper.asked()] == ["exec"]
    assert sleeper.wake(3700.0)


def test_what_was_remembered_before_the_last_start_of_the_host_does_not_count(sleeper: Sleeper) -> None:
    sleeper.wake(3600.0)
    note = sleeper.folder / "box.awake"
    note.write_text("another-boot " + note.read_text().split()[1])

    assert sleeper.wake(3600.0)


def test_a_wrong_clock_is_set(sleeper: Sleeper) -> None:
    record = give_clock(sleeper.multipass, int(time.time()) - 5000)

    sleeper.wake(3600.0)

    before = time.time()
    flags, given = record.read_text().split(" @")
    assert flags == "-u -s"
    assert abs(int(given) - before) < 60
    assert "The clock of VM box was wrong; setting it" in sleeper.said


def test_a_clock_that_is_right_is_left_alone(sleeper: Sleeper) -> None:
    record = give_clock(sleeper.multipass, int(time.time()))

    sleeper.wake(3600.0)

    assert not record.exists()


def test_a_stale_mount_is_mounted_again(sleeper: Sleeper) -> None:
    sleeper.multipass.change("box", stale=[str(TARGET)])

    sleeper.wake(3600.0)

    assert [argv[0] for argv in sleeper.asked() if argv[0] not in ("exec", "info")] == ["umount", "mount"]


def test_a_mount_that_stays_stale_is_an_error_and_is_looked_at_again(sleeper: Sleeper) -> None:
    sleeper.multipass.situate(mounts_late=1000)

    with pytest.raises(EngineError, match="shows nothing in VM box") as caught:
        check_impatiently(sleeper)

    assert "restart-vm" in str(caught.value.hint)


def check_impatiently(sleeper: Sleeper) -> None:
    from agsekit.machines.mounts import repair

    seconds = iter(range(0, 10000, 10))
    repair(
        VM,
        sleeper.engine,
        [sleeper.mount],
        on_event=sleeper.said.append,
        now=lambda: float(next(seconds)),
        sleep=lambda seconds: None,
    )


def test_a_machine_that_cannot_be_reached_is_an_error_and_is_asked_again(sleeper: Sleeper) -> None:
    sleeper.multipass.situate(exec_failures=["ssh-timeout"] * 3)

    with pytest.raises(EngineError):
        sleeper.wake(3600.0)

    assert sleeper.wake(3600.0)


def test_a_sandbox_sleeps_and_wakes_with_its_host(tmp_path: Path) -> None:
    engine = BubblewrapEngine(Runner({"PATH": "/usr/bin:/bin"}), data_folder=tmp_path)
    vm = Vm("box", engine="bubblewrap")

    assert not wake(vm, engine, (), folder=tmp_path, on_event=lambda text: None, asleep=lambda: 3600.0)


def test_doctor_can_check_at_any_time(sleeper: Sleeper) -> None:
    check(VM, sleeper.engine, [sleeper.mount], on_event=sleeper.said.append)

    assert [argv[0] for argv in sleeper.asked()] == ["exec"]


def test_the_time_asleep_is_no_less_than_nothing() -> None:
    assert time_asleep() >= 0.0
