"""Where this installation of agsekit came from, and how it is brought up to date from there.

The facts are those that installers leave: `direct_url.json` and `INSTALLER` in the metadata of the package (the
"Recording the Direct URL Origin" specification), pipx's `pipx_metadata.json` and uv's `uv-receipt.toml` in the
environment, and the `EXTERNALLY-MANAGED` marker of a Python that belongs to the system.
"""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.process import Runner

# A package without this is another one, whatever it is called.
_MARK = "agsekit_storage/__init__.py"
_MINUTES = 600.0


@dataclass(frozen=True)
class Installation:
    """How agsekit got here.

    `kind` is `index`, `vcs`, `checkout`, `archive`, or `unknown`; `place` is the URL or the folder it came from (none
    for an index); `tool` is what keeps the environment: `pip`, `pipx`, `uv tool`, `uv`, or `system`.
    """

    version: str
    kind: str
    place: Optional[str]
    tool: str
    requirement: str = ""
    pinned: bool = False


def find_installation() -> Installation:
    """Return where the running agsekit came from; metadata that cannot be read make it `unknown`."""
    from importlib import metadata

    try:
        package = metadata.distribution("agsekit")
        installer = (package.read_text("INSTALLER") or "").strip()
        origin: Any = json.loads(package.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, OSError, ValueError):
        from agsekit import __version__

        return Installation(__version__, "unknown", None, "")
    return _installation(package.version, installer, origin if isinstance(origin, dict) else {})


def _installation(version: str, installer: str, origin: dict[str, Any]) -> Installation:
    tool = _tool(installer)
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        facts = origin["vcs_info"]
        revision = str(facts.get("requested_revision") or "")
        requirement = f"agsekit @ {facts.get('vcs')}+{url}" + (f"@{revision}" if revision else "")
        return Installation(version, "vcs", url, tool, requirement, pinned=revision == facts.get("commit_id"))
    if "dir_info" in origin:
        folder = unquote(urlsplit(url).path)
        editable = bool(origin["dir_info"].get("editable"))
        return Installation(version, "checkout", folder, tool, "--editable" if editable else "")
    if url:
        return Installation(version, "archive", url, tool)
    return Installation(version, "index" if installer else "unknown", None, tool)


def _tool(installer: str) -> str:
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return "pipx"
    if (prefix / "uv-receipt.toml").is_file():
        return "uv tool"
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and marker.is_file():
        return "system"
    return installer if installer in ("pip", "uv") else ""


def upgrade_commands(installation: Installation) -> Sequence[Sequence[str]]:
    """Return the commands that bring an installation up to date from where it came from.

    Raises:
        AgsekitError: it cannot be told where it came from, or nothing newer can come from there.
    """
    if installation.kind == "archive":
        raise AgsekitError(
            _("agsekit was installed from the file {place}, which does not change").format(place=installation.place),
            hint=_("install a newer file the same way: {command}").format(command="pip install FILE"),
        )
    if installation.pinned:
        raise AgsekitError(
            _("agsekit was installed from one fixed commit of {place}").format(place=installation.place),
            hint=_("install the branch or the tag that you want: {command}").format(
                command=f'pip install "agsekit @ git+{installation.place}@BRANCH"'
            ),
        )
    if installation.kind == "unknown" or installation.tool in ("", "system"):
        raise AgsekitError(
            _("agsekit was not installed by pip, pipx or uv here, so it cannot upgrade itself"),
            hint=_("upgrade it with what installed it: the package manager of the system, or git in a checkout"),
        )
    if installation.kind == "checkout":
        return _from_checkout(installation)
    if installation.tool == "pipx":
        return (("pipx", "upgrade", "agsekit"),)
    if installation.tool == "uv tool":
        return (("uv", "tool", "upgrade", "agsekit"),)
    if installation.kind == "vcs":
        return ((*_installer(installation), "--upgrade", installation.requirement),)
    return ((*_installer(installation), "--upgrade", "agsekit"),)


def _from_checkout(installation: Installation) -> Sequence[Sequence[str]]:
    folder = str(installation.place)
    if not (Path(folder) / "pyproject.toml").is_file():
        raise AgsekitError(
            _("agsekit was installed from {place}, which is no longer there").format(place=folder),
            hint=_("install it again from where you have it now"),
        )
    pull = (("git", "-C", folder, "pull", "--ff-only"),) if (Path(folder) / ".git").exists() else ()
    if installation.tool == "pipx":
        return (*pull, ("pipx", "reinstall", "agsekit"))
    if installation.tool == "uv tool":
        return (*pull, ("uv", "tool", "upgrade", "--reinstall", "agsekit"))
    editable = (installation.requirement,) if installation.requirement else ()
    return (*pull, (*_installer(installation), *editable, folder))


def _installer(installation: Installation) -> Sequence[str]:
    if installation.tool in ("uv", "uv tool"):
        return ("uv", "pip", "install", "--python", sys.executable)
    return (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")


def check_candidate(installation: Installation, runner: Runner) -> None:
    """Make sure that an index offers this program under its name; other origins are taken as they are.

    Raises:
        AgsekitError: it is another program of the same name, or it could not be looked at.
    """
    if installation.kind != "index":
        return
    with tempfile.TemporaryDirectory(prefix="agsekit-") as folder:
        apart = ("--no-deps", "--only-binary", ":all:", "--target", folder, "agsekit")
        done = runner.run((*_installer(installation), *apart), timeout=_MINUTES)
        if done.returncode:
            raise AgsekitError(
                _("what the package index offers could not be looked at"),
                hint=_("check the network, and run it again"),
                details=done.error_text,
            )
        if not (Path(folder) / _MARK).is_file():
            raise AgsekitError(
                _("the package index has another program that is called agsekit, so nothing was upgraded"),
                hint=_("install this one from its repository or from a file of its release"),
            )


def installed_version(runner: Runner) -> str:
    """Return the version that a new process would run."""
    code = "from importlib.metadata import version; print(version('agsekit'))"
    done = runner.run((sys.executable, "-I", "-c", code))
    return done.text.strip() if re.fullmatch(r"[\w.+!-]+", done.text.strip()) else "?"


def environment_folder() -> str:
    """Return the folder of the environment that agsekit runs in."""
    return os.path.realpath(sys.prefix)
