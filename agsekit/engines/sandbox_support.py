"""Can this machine make sandboxes? Found out once, then remembered until something that matters changes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import Completed, Runner

_SETTINGS = (
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "/proc/sys/user/max_user_namespaces",
)
_INSTALL = {
    "debian": "sudo apt-get install bubblewrap",
    "fedora": "sudo dnf install bubblewrap",
    "rhel": "sudo dnf install bubblewrap",
    "arch": "sudo pacman -S bubblewrap",
    "suse": "sudo zypper install bubblewrap",
    "alpine": "sudo apk add bubblewrap",
    "nixos": "nix-env -iA nixos.bubblewrap",
}


def find_bwrap(runner: Runner) -> str:
    """Return the absolute path of bwrap.

    Raises:
        EngineError: this is not Linux, or bubblewrap is not installed; the hint says what to do.
    """
    if not sys.platform.startswith("linux"):
        raise EngineError(
            _("The bubblewrap engine works on Linux only"),
            hint=_("set `engine: multipass` for this VM in the configuration"),
        )
    found = shutil.which("bwrap", path=runner.environment.get("PATH", os.defpath))
    if found is None:
        raise EngineError(
            _("bubblewrap is not installed: there is no `bwrap` on PATH"),
            hint=_("install it: {command}").format(command=install_command(_os_release())),
        )
    return os.path.abspath(found)


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def install_command(os_release: str) -> str:
    """Return how to install bubblewrap on the distribution that an os-release file describes."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    families = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    for family in families:
        for name, command in _INSTALL.items():
            if family == name or (name == "suse" and name in family):
                return command
    return _INSTALL["debian"]


def check_support(bwrap: str, arguments: Sequence[str], runner: Runner, remember: Path) -> None:
    """Make an empty sandbox with `arguments`, unless `remember` says that this worked before.

    Raises:
        EngineError: no sandbox can be made here; the hint says which setting is in the way.
    """
    conditions = _conditions(bwrap)
    try:
        if remember.read_text(encoding="utf-8") == conditions:
            return
    except (OSError, UnicodeDecodeError):
        pass
    try_out(bwrap, arguments, runner)
    temporary = remember.with_name(f"{remember.name}.{os.getpid()}")
    temporary.write_text(conditions, encoding="utf-8")
    os.replace(temporary, remember)


def try_out(bwrap: str, arguments: Sequence[str], runner: Runner) -> None:
    """Make an empty sandbox with `arguments`.

    Raises:
        EngineError: no sandbox can be made here; the hint says which setting is in the way.
    """
    tried = runner.run([bwrap, *arguments, "--", "true"], timeout=20.0)
    if tried.returncode != 0:
        raise _explain(tried)


def _conditions(bwrap: str) -> str:
    status = os.stat(bwrap)
    return "\n".join(
        [
            bwrap,
            f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {status.st_mode} {os.getuid()}",
            _read("/proc/sys/kernel/random/boot_id"),
            *(_read(path) for path in _SETTINGS),
        ]
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _explain(tried: Completed) -> EngineError:
    return EngineError(
        _("bubblewrap cannot make a sandbox on this machine"),
        hint=explain_settings(*(_read(path) for path in _SETTINGS)) or _unexplained(tried.error_text),
        details=tried.error_text or None,
    )


def explain_settings(clone: str, apparmor: str, maximum: str) -> str | None:
    """Return a hint for the setting that forbids user namespaces, given the values of the three there are."""
    if maximum == "0":
        return _("user namespaces are turned off; allow them: {command}").format(
            command="sudo sysctl -w user.max_user_namespaces=15000"
        )
    if clone == "0":
        return _("user namespaces are for root only; allow them: {command}").format(
            command="sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if apparmor == "1":
        return _(
            "AppArmor restricts user namespaces; give bwrap a profile that allows `userns`, "
            "or lift the restriction: {command}"
        ).format(command="sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    return None


def _unexplained(error_text: str) -> str:
    if "proc" in error_text or "ermi" in error_text:
        return _(
            "in a container, allow it to make namespaces and to mount /proc (docker: --privileged), "
            "or set `engine: multipass`"
        )
    return _("set `engine: multipass` for this VM in the configuration")
