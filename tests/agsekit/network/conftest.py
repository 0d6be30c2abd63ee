from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from agsekit.network.ssh import ensure_key_pair, host_alias, remember_host_key
from agsekit.process import Runner
from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support import sshd
from tests.support.sshd import SshServer
from tests.support.world import World


@pytest.fixture
def vm(world: World, fake_multipass: FakeMultipass) -> FakeMultipass:
    """A running machine `box` at the loopback address, whose configuration has no rules yet."""
    if shutil.which("bwrap") is None:
        pytest.skip("the machines of the fake need bubblewrap")
    world.environment.update({name: fake_multipass.environment[name] for name in ("PATH", "FAKE_MULTIPASS_STATE")})
    fake_multipass.add("box")
    fake_multipass.change("box", ip=sshd.ADDRESS)
    world.configure(engine="multipass")
    return fake_multipass


@pytest.fixture
def server(world: World, vm: FakeMultipass) -> Iterator[SshServer]:
    """The ssh server of the machine, which knows agsekit's key, and which agsekit knows."""
    if sshd.PROGRAM is None:
        pytest.skip("openssh-server is not installed")
    folder = world.config.parent / "ssh"
    keys = ensure_key_pair(folder, Runner(os.environ))
    made = SshServer(world.folder / "sshd", [keys.public])
    remember_host_key(folder, host_alias("box"), [made.host_key])
    tools = world.folder / "tools"
    sshd.put_ssh_on_path(tools, made.port)
    world.environment["PATH"] = f"{tools}:{world.environment['PATH']}"
    yield made
    made.stop()
