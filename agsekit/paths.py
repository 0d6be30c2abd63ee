"""Where agsekit looks for its configuration and keeps its own files (XDG base directories)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_APPLICATION = "agsekit"


def home_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's home: HOME when it is an absolute path, else that of the list of users, else `/`."""
    home = environment.get("HOME", "")
    if home.startswith("/"):
        return Path(home)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container may run as a user that is on no list
        return Path("/")


def find_config(explicit: Path | None, environment: Mapping[str, str], home: Path) -> Path:
    """Return the path of the configuration, which need not exist.

    The first that is given wins: `explicit`, CONFIG_PATH, AGSEKIT_CONFIG, and then `agsekit/config.yaml`
    in the user's configuration folder. A leading `~/` stands for `home`.
    """
    if explicit is not None:
        return _expand(str(explicit), home)
    for variable in ("CONFIG_PATH", "AGSEKIT_CONFIG"):
        if environment.get(variable):
            return _expand(environment[variable], home)
    return config_folder(environment, home) / "config.yaml"


def config_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return the folder of the configuration and of the SSH keys."""
    return _folder("XDG_CONFIG_HOME", environment, default=home / ".config" / _APPLICATION)


def data_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return the folder of what must not get lost, such as the homes of bubblewrap VMs."""
    return _folder("XDG_DATA_HOME", environment, default=home / ".local/share" / _APPLICATION)


def state_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return the folder of logs and other traces of past runs."""
    return _folder("XDG_STATE_HOME", environment, default=home / ".local/state" / _APPLICATION)


def runtime_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return the folder of locks and sockets, which belong to this login.

    Without XDG_RUNTIME_DIR it lies in the state folder: never in /tmp, where others could take its name.
    """
    return _folder("XDG_RUNTIME_DIR", environment, default=state_folder(environment, home) / "run")


def _folder(variable: str, environment: Mapping[str, str], *, default: Path) -> Path:
    base = environment.get(variable, "")
    # The XDG specification: a relative path is invalid and has to be ignored.
    return Path(base) / _APPLICATION if base.startswith("/") else default


def _expand(path: str, home: Path) -> Path:
    return home / path[2:] if path.startswith("~/") else Path(path)
