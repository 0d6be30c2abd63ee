"""Checks of this machine: Python, the programs that are needed, agsekit's own key, what is left to watch folders."""

from __future__ import annotations

import importlib.util
import platform
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from agsekit.i18n import _
from agsekit.machines.host import needed_programs, this_host
from agsekit.network.ssh import find_private_key
from agsekit.overview.check import FAIL, OK, WARN, Check, Surroundings

_OLDEST_PYTHON = (3, 9)
_ENGINES = ("multipass", "bwrap")
_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
_FEW_WATCHES = 65536


def check_host(around: Surroundings) -> Iterator[Check]:
    """Yield the checks of this machine."""
    yield _python()
    yield from _programs(around)
    yield from _git_backend(around)
    yield from _key(around)
    yield from _watches()


def _python() -> Check:
    text = _("Python {version}").format(version=platform.python_version())
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        return Check("python", OK, text)
    return Check("python", FAIL, text, _("agsekit needs Python 3.9 or newer"))


def _programs(around: Surroundings) -> Iterator[Check]:
    host = this_host(around.runner.environment, sys.platform)
    if around.config is None:
        if not any(map(host.has, _ENGINES)):
            text = _("this machine has neither Multipass nor bubblewrap")
            yield Check("program", FAIL, text, _("install what is missing with `agsekit prepare`"))
        return
    for program in needed_programs(around.config):
        if host.has(program):
            yield Check("program", OK, _("{program} is installed").format(program=program), subject=program)
        elif program != "rsync":  # `prepare` installs it for the user's own use; snapshots do without
            text = _("{program} is not installed").format(program=program)
            yield Check("program", FAIL, text, _("install it with `agsekit prepare`"), program)


def _git_backend(around: Surroundings) -> Iterator[Check]:
    mounts = around.config.mounts if around.config else ()
    if any(mount.backend == "git" for mount in mounts) and importlib.util.find_spec("pygit2") is None:
        text = _("pygit2 is not installed, which the backend git needs")
        yield Check("pygit2", FAIL, text, _("run `pip install pygit2`, or choose the backend rsync"))


def _key(around: Surroundings) -> Iterator[Check]:
    vms = around.config.vms.values() if around.config else ()
    if not any(around.engine_of(vm).capabilities.own_system for vm in vms):
        return
    key = find_private_key(around.ssh_folder)
    if key is None:
        text = _("agsekit has no SSH key yet")
        yield Check("ssh-key", WARN, text, _("it is made by `agsekit prepare` or with the first VM"))
        return
    loose = [path for path, mode in ((around.ssh_folder, 0o700), (key, 0o600)) if path.stat().st_mode & 0o777 & ~mode]
    if not loose:
        yield Check("ssh-key", OK, _("the SSH key {path} is yours alone").format(path=key))
    for path in loose:
        yield readable_by_others("ssh-key", FAIL, path)


def readable_by_others(name: str, result: str, path: Path) -> Check:
    """Return the check of a file or folder whose mode is too wide."""
    mode = 0o700 if path.is_dir() else 0o600

    def narrow() -> str:
        path.chmod(mode)
        return _("{path} is yours alone now").format(path=path)

    text = _("{path} can be read by others (mode {mode})").format(
        path=path, mode=format(stat.S_IMODE(path.stat().st_mode), "04o")
    )
    return Check(name, result, text, _("run: {command}").format(command=f"chmod {mode:o} {path}"), mend=narrow)


def _watches() -> Iterator[Check]:
    try:
        allowed = int(_WATCHES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if allowed < _FEW_WATCHES:
        yield Check(
            "watches",
            WARN,
            _("this machine lets a user watch {count} folders only").format(count=allowed),
            _("large projects need more: {command}").format(
                command="echo fs.inotify.max_user_watches=524288 | sudo tee /etc/sysctl.d/60-watches.conf; "
                "sudo sysctl --system"
            ),
        )
