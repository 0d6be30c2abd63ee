"""A real ssh server on the loopback, and a way for `ssh` on PATH to reach it at the port that it has."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
ADDRESS = "127.0.0.1"
_DEADLINE = 20.0


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


class SshServer:
    """An sshd of the current user, with host keys of its own; the user it lets in is the current one.

    Args:
        folder: gets its files.
        authorized: the public keys that may log in.
    """

    def __init__(self, folder: Path, authorized: Sequence[str]) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)
        self.port = free_port()
        host_key = folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)], check=True)
        self.host_key = host_key.with_suffix(".pub").read_text()
        self.authorized = folder / "authorized_keys"
        self.authorized.write_text("".join(f"{key}\n" for key in authorized))
        self._configuration = folder / "sshd_config"
        self._configuration.write_text(
            f"ListenAddress {ADDRESS}\n"
            f"Port {self.port}\n"
            f"HostKey {host_key}\n"
            f"PidFile none\n"
            f"AuthorizedKeysFile {self.authorized}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin yes\nMaxStartups 100\nAllowUsers {getpass.getuser()}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the server, and return when it answers."""
        assert PROGRAM is not None
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd shuts itself in
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-f", str(self._configuration), "-D", "-e"],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _DEADLINE
        while True:
            try:
                socket.create_connection((ADDRESS, self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def stop(self) -> None:
        """End the server and all connections, as a VM that is switched off does."""
        if self._process is None:
            return
        for pid in [*_descendants(self._process.pid), self._process.pid]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self._process.wait()
        self._process = None


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def put_ssh_on_path(folder: Path, port: int) -> Path:
    """Make a program `ssh` that is the real one, at the port of the test's server and as the current user.

    In real life an address of a VM leads to port 22 of the user ubuntu. What ssh is given first wins, so only
    these two differ from that.
    """
    program = folder / "ssh"
    real = shutil.which("ssh")
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {real} -p {port} -l {getpass.getuser()} "$@"\n')
    program.chmod(0o755)
    return program
