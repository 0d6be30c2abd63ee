"""The inside of a machine: its files, and how a command is started there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from .state import Daemon, Instance

HOME = "/home/ubuntu"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
_SESSION = Path(__file__).with_name("session.py")
_LIFETIME = "7200"

_SUDO = """#!/bin/sh
user=0
while [ $# -gt 0 ]; do
  case $1 in
    -u) [ "$2" = ubuntu ] && user=1000; shift 2 ;;
    -n | -E | -H) shift ;;
    --) shift; break ;;
    *) break ;;
  esac
done
{ [ "$(id -u)" = 0 ] || [ "$user" = 1000 ]; } && exec "$@"
exec bwrap --unshare-user --uid $user --gid $user --dev-bind / / -- "$@"
"""
_SYSTEMCTL = """#!/bin/sh
[ "$1" = poweroff ] && touch /run/fake-poweroff
"""
_APT_GET = """#!/bin/sh
echo "$*" >> /var/tmp/fake-apt-get
[ ! -e /etc/no-network ] || { echo "E: Failed to fetch" >&2; exit 100; }
while [ "$1" = -o ]; do shift 2; done
[ "$1" = install ] || exit 0
shift 2
for package; do install -m 755 /dev/null "/usr/local/bin/$package"; done
"""
_SNAP = """#!/bin/sh
echo "$*" >> /var/tmp/fake-snap
[ "$1" != list ] || exec test -e "/var/lib/snapd/$2"
[ ! -e /etc/no-network ] || { echo "error: cannot install \\"$2\\"" >&2; exit 1; }
mkdir -p /var/lib/snapd && : > "/var/lib/snapd/$2"
"""
_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f root@box\n"
_MOUNT = """#!/bin/sh
cat /etc/fake-mounts
"""
_PROFILE = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games\nexport PATH\n"
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n",
    "etc/group": "root:x:0:\nubuntu:x:1000:\n",
    "etc/profile": _PROFILE,
    "etc/ssh/ssh_host_ed25519_key.pub": _HOST_KEY,
    "local-bin/apt-get": _APT_GET,
    "local-bin/snap": _SNAP,
    "local-bin/sudo": _SUDO,
    "local-bin/systemctl": _SYSTEMCTL,
    "local-bin/mount": _MOUNT,
}


def root_of(daemon: Daemon, instance: Instance) -> Path:
    """Return the root folder of the machine, made on first use."""
    home = daemon.home_of(instance.name)
    root = home / "root"
    if (root / HOME[1:]).is_dir():
        return root
    for folder in ("home/ubuntu", "tmp", "var/tmp", "run", "root", "opt", "srv", "mnt", "etc/ssh"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (home / "local-bin").mkdir(exist_ok=True)
    for name, text in _FILES.items():
        file = (root if name.startswith("etc/") else home) / name
        file.write_text(text)
        file.chmod(0o755 if name.startswith("local-bin/") else 0o644)
    for name in ("ld.so.cache", "nsswitch.conf", "resolv.conf", "localtime"):
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), root / "etc" / name)
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(os.readlink(f"/{name}"))
    return root


def first_start(daemon: Daemon, instance: Instance) -> None:
    """Do what cloud-init does with the parts of the user data that somebody looks at afterwards."""
    import yaml  # slow to load

    root = root_of(daemon, instance)
    data = yaml.safe_load(instance.cloud_init) or {}
    keys = root / HOME[1:] / ".ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_text("".join(f"{key}\n" for key in data.get("ssh_authorized_keys", [])))
    for package in data.get("packages", []):
        program = daemon.home_of(instance.name) / "local-bin" / str(package)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    finished = root / "var/lib/cloud/instance/boot-finished"
    finished.parent.mkdir(parents=True)
    finished.touch()


def erase(home: Path) -> None:
    """Remove the files of a machine."""
    shutil.rmtree(home, ignore_errors=True)


def locate(daemon: Daemon, instance: Instance, inside: str) -> Path:
    """Return where a path of the machine lies on this one; relative ones start at the home folder."""
    path = PurePosixPath(HOME, inside)
    for target in sorted(instance.mounts, key=len, reverse=True):
        if path == PurePosixPath(target) or PurePosixPath(target) in path.parents:
            return Path(instance.mounts[target]["source_path"]) / path.relative_to(target)
    return root_of(daemon, instance) / str(path)[1:]


def _started(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def end_all(instance: Instance) -> None:
    """End every process inside and forget what was in memory, as a power cut does."""
    if instance.holder and _started(instance.holder) == instance.holder_started:
        os.kill(instance.holder, signal.SIGKILL)
    instance.holder, instance.holder_started = 0, ""
    if instance.ram:
        shutil.rmtree(instance.ram, ignore_errors=True)
    instance.ram = ""


def _hold(daemon: Daemon, instance: Instance) -> None:
    """Make sure that the namespaces of the machine exist; killing the holder ends all of it."""
    if instance.holder and _started(instance.holder) == instance.holder_started:
        return
    import subprocess  # slow to load, and most calls do not need it

    read_end, write_end = os.pipe()
    holder = ["--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--dev-bind", "/", "/"]
    waiting = ["timeout", _LIFETIME, "tail", "-f", "/dev/null"]
    subprocess.Popen(
        ["bwrap", *holder, "--info-fd", str(write_end), "--", *waiting],
        pass_fds=[write_end],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    os.close(write_end)
    with os.fdopen(read_end) as information:
        instance.holder = int(json.load(information)["child-pid"])
    instance.holder_started = _started(instance.holder)
    key = zlib.crc32(os.fsencode(daemon.folder))
    instance.ram = f"/dev/shm/fake-multipass-{key:08x}-{instance.name}"
    Path(instance.ram).mkdir(mode=0o700, exist_ok=True)


def command(daemon: Daemon, instance: Instance, line: str, *, terminal: str) -> tuple[list[str], tuple[int, int]]:
    """Return what to start here so that the shell of user ubuntu runs `line` inside.

    `terminal` is the value of TERM, or empty for a command without a terminal. The two descriptors have
    to be passed on and closed.
    """
    root = root_of(daemon, instance)
    _hold(daemon, instance)
    spaces = (
        os.open(f"/proc/{instance.holder}/ns/user", os.O_RDONLY),
        os.open(f"/proc/{instance.holder}/ns/pid", os.O_RDONLY),
    )
    argv = ["bwrap", "--userns", str(spaces[0]), "--pidns", str(spaces[1])]
    argv += ["--unshare-uts", "--hostname", instance.name, "--bind", str(root), "/"]
    for system in (
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/etc/alternatives",
        "/etc/ssl",
        "/sys",
    ):
        if Path(system).exists() and not Path(system).is_symlink():
            argv += ["--ro-bind", system, system]
    argv += ["--bind", str(daemon.home_of(instance.name) / "local-bin"), "/usr/local/bin"]
    argv += ["--proc", "/proc", "--dev-bind", "/dev", "/dev", "--bind", instance.ram, "/dev/shm"]
    argv += _mounts(daemon, instance, root)
    session = "/run/fake-session.py"
    argv += ["--ro-bind", str(_SESSION), session]
    if not sys.base_prefix.startswith("/usr"):
        argv += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    argv += ["--chdir", HOME, "--clearenv"]
    for name, value in _environment(instance, terminal).items():
        argv += ["--setenv", name, value]
    python = os.path.realpath(sys.executable)
    return [*argv, "--", python, "-I", "-S", session, "tty" if terminal else "pipes", line], spaces


def _mounts(daemon: Daemon, instance: Instance, root: Path) -> list[str]:
    argv, table = [], []
    late = int(daemon.situation("mounts_late", 0))
    daemon.situations["mounts_late"] = max(0, late - 1)
    for target in sorted(instance.mounts, key=len):
        source = instance.mounts[target]["source_path"]
        if late or not Path(source).is_dir():
            argv += ["--dir", target]
            continue
        argv += ["--tmpfs", target] if target in instance.stale else ["--bind", source, target]
        options = "rw,nosuid,nodev,relatime,user_id=0,group_id=0,allow_other"
        table.append(f":{source} on {target} type fuse.sshfs ({options})\n")
    (root / "etc/fake-mounts").write_text("".join(table))
    return argv


def _environment(instance: Instance, terminal: str) -> dict[str, str]:
    gateway = instance.ip.rpartition(".")[0] + ".1"
    environment = {
        "SHELL": "/bin/bash",
        "PWD": HOME,
        "LOGNAME": "ubuntu",
        "MOTD_SHOWN": "pam",
        "HOME": HOME,
        "SSH_CONNECTION": f"{gateway} 51756 {instance.ip} 22",
        "USER": "ubuntu",
        "SSH_CLIENT": f"{gateway} 51756 22",
        "PATH": PATH,
    }
    return {**environment, "TERM": terminal} if terminal else environment


def quote(words: Sequence[str]) -> str:
    """Quote every word for the shell inside, as the client does without `-d`."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
