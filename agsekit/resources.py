"""The files that come with agsekit and are not Python."""

from __future__ import annotations

from pathlib import Path


def config_example() -> Path:
    """Return the path of the example configuration."""
    return _data() / "config-example.yaml"


def agent_scripts() -> Path:
    """Return the folder of the scripts that install agents inside a VM."""
    return _data() / "agent_scripts"


def systemd_units() -> Path:
    """Return the folder of the unit files for the user's service manager."""
    return _data() / "systemd_units"


def project_folder() -> Path:
    """Return the folder that holds all files which are not Python."""
    return _data()


def _data() -> Path:
    """Wheels carry the files under agsekit/_data; a checkout keeps them at the top level."""
    package = Path(__file__).resolve().parent
    shipped = package / "_data"
    return shipped if shipped.is_dir() else package.parent
