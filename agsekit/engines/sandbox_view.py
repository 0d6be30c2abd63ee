"""What a sandbox sees of the host's system, as arguments of bubblewrap: programs, and nobody's data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath

from agsekit.config.model import GUEST_HOME
from agsekit.engines.base import TERMINAL_VARIABLES

GUEST_USER = "ubuntu"
_NOT_ROOT = 1000
_NOBODY = 65534

_TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_STORES = ("/nix/store", "/gnu/store")  # the programs of NixOS and Guix; readable by all by design
_NIX_SYSTEM = "/run/current-system"
_VISIBLE = ("/usr/", *(store + "/" for store in _STORES))

# Only what programs need to start, resolve names and check certificates. Folders that also hold private keys
# (ssl/private, pki/tls/private, pki/entitlement) are not taken whole: root could read them.
_ETC = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies",
    "debian_version", "fedora-release", "fonts", "gai.conf", "host.conf", "hosts", "inputrc", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime",
    "lsb-release", "magic", "mime.types",
    "nsswitch.conf", "os-release", "perl", "pki/ca-trust", "pki/tls/cert.pem", "pki/tls/certs",
    "pki/tls/openssl.cnf", "profile", "profile.d", "protocols", "python3", "resolv.conf", "rpc", "services",
    "shells", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone", "zoneinfo",
)  # fmt: skip
_PATH = (
    f"{GUEST_HOME}/.local/bin", f"{GUEST_HOME}/bin", f"{GUEST_HOME}/.npm-global/bin",
    f"{GUEST_HOME}/.cargo/bin",
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", f"{_NIX_SYSTEM}/sw/bin",
)  # fmt: skip
_PASSED_ON = (*TERMINAL_VARIABLES, "LANG", "LC_ALL", "LC_CTYPE", "TZ")
# The kernel lets root's user id write these without any capability, and one of them (core_pattern) names a
# program that the host then runs. bubblewrap covers some of them, but leaves out sys for such a user.
_ROOT_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "driver", "mtrr")


def find_bash() -> str:
    """Return where bash is inside, or an empty string."""
    for path in ("/bin/bash", "/usr/bin/bash", f"{_NIX_SYSTEM}/sw/bin/bash"):
        if os.access(path, os.X_OK):
            return path
    return ""


def inner_ids() -> tuple[int, int]:
    """Return the user and group id inside; either way, files belong to the caller outside.

    The caller's own, but not root's: several agents refuse to work as root.
    """
    return os.getuid() or _NOT_ROOT, os.getgid() or _NOT_ROOT


def accounts() -> tuple[bytes, bytes]:
    """Return a passwd and a group file that know the user inside, root and nobody."""
    uid, gid = inner_ids()
    passwd = (
        f"{GUEST_USER}:x:{uid}:{gid}:{GUEST_USER}:{GUEST_HOME}:{find_bash() or '/bin/sh'}\n"
        "root:x:0:0:root:/:/bin/sh\n"
        f"nobody:x:{_NOBODY}:{_NOBODY}:nobody:/:/bin/false\n"
    )
    return passwd.encode(), f"{GUEST_USER}:x:{gid}:\nroot:x:0:\nnogroup:x:{_NOBODY}:\n".encode()


def isolation_arguments(hostname: str) -> list[str]:
    """Return the arguments that make the namespaces, /proc, /dev and the folders in memory."""
    uid, gid = inner_ids()
    arguments = [
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--uid", str(uid), "--gid", str(gid), "--hostname", hostname, "--die-with-parent",
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp",  # noqa: S108
    ]  # fmt: skip
    if os.getuid() == 0:
        arguments += ["--cap-drop", "ALL"]
        for name in _ROOT_PROC:
            if os.path.exists(f"/proc/{name}"):
                arguments += ["--ro-bind", f"/proc/{name}", f"/proc/{name}"]
    return arguments


def system_arguments() -> list[str]:
    """Return the arguments that show the host's programs, read-only."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for store in _STORES:
        if os.path.isdir(store):
            arguments += ["--ro-bind", store, store]
    for name in _TOP_FOLDERS:
        arguments += _shown(f"/{name}", keep_link=True)
    for name in _ETC:
        arguments += _shown(f"/etc/{name}", keep_link=False)
    if os.path.islink(_NIX_SYSTEM):
        arguments += ["--symlink", os.path.realpath(_NIX_SYSTEM), _NIX_SYSTEM]
    return arguments


def _shown(path: str, *, keep_link: bool) -> list[str]:
    """Show one path: as a link where it is one into what is visible inside, else what it leads to.

    Links stay links because some programs read them (the time zone's name is the target of localtime), and
    others must not (resolv.conf often leads into /run).
    """
    if os.path.islink(path) and keep_link:
        return ["--symlink", os.readlink(path), path]
    real = os.path.realpath(path)
    if not os.path.exists(real):
        return []
    if os.path.islink(path) and real.startswith(_VISIBLE):
        return ["--symlink", real, path]
    return ["--ro-bind", real, path]


def environment(outside: Mapping[str, str], *, vm: str, run_id: str, cwd: PurePosixPath) -> dict[str, str]:
    """Return the environment of every command inside, before that of the agent is added."""
    inside = {name: outside[name] for name in _PASSED_ON if outside.get(name)}
    inside.setdefault("LANG", "C.UTF-8")
    inside.update(
        HOME=str(GUEST_HOME),
        USER=GUEST_USER,
        LOGNAME=GUEST_USER,
        SHELL=find_bash() or "/bin/sh",
        PATH=":".join(_PATH),
        PWD=str(cwd),
        AGSEKIT_VM=vm,
        AGSEKIT_RUN_ID=run_id,
    )
    return inside
