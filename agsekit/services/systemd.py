"""User units of systemd, linked to the files of this installation.

`systemd.env` in the folder of the configuration tells the units where agsekit and its configuration are, so that
the units themselves need no change: installing from another place writes it, and the links, anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.process import Completed, ProgramMissing, ProgramTimeout, Runner

PORTFORWARD = "agsekit-portforward.service"
BACKUPS = "agsekit-backups.service"
UNITS = (PORTFORWARD, BACKUPS)
ENVIRONMENT_FILE = "systemd.env"

_PRIVILEGES = "agsekit-portforward.service.d/privileges.conf"
_FILES = "agsekit-portforward.service.d/files.conf"
_FILE_SETTINGS = ("ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes")
_PASSED_ON = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "AGSEKIT_LANG")


@dataclass(frozen=True)
class Installation:
    """What the units are to run: absolute paths of the command, the configuration, and agsekit's own files.

    `units` holds the unit files; `config_folder` is agsekit's, `unit_folder` the user's for units.
    """

    command: Path
    config: Path
    project: Path
    units: Path
    config_folder: Path
    unit_folder: Path


@dataclass(frozen=True)
class UnitStatus:
    """A unit as it is now; `link` is where its file leads, None when it is not installed."""

    name: str
    link: Optional[Path]
    enabled: str
    active: str

    @property
    def dangling(self) -> bool:
        """Whether the installation that it belongs to is gone."""
        return self.link is not None and not self.link.exists()


class Systemd:
    """The manager of the user's services. `on_step` is told of every step; with `dry_run` nothing is done.

    Every method raises `AgsekitError` when there is no such manager, or it refuses.
    """

    def __init__(
        self, runner: Runner, *, on_step: Callable[[str], None] = lambda text: None, dry_run: bool = False
    ) -> None:
        self._runner = runner
        self._on_step = on_step
        self._dry_run = dry_run

    def install(self, installation: Installation, units: Sequence[str]) -> None:
        """Write the environment, link the units, enable and start them. Repeatable; replaces another installation.

        Units that are not in `units` are removed.
        """
        # First of all, since it fails without a manager; it changes nothing.
        self._systemctl("daemon-reload")
        self._write(installation.config_folder / ENVIRONMENT_FILE, self._environment_text(installation))
        left_out = [unit for unit in UNITS if unit not in units]
        if left_out:
            self._remove(installation.unit_folder, left_out)
        wanted = [*units, *self._hardening(units)]
        for name in (*UNITS, _PRIVILEGES, _FILES):
            if name in wanted:
                self._link(installation.unit_folder / name, installation.units / name)
            elif name not in UNITS:
                self._unlink(installation.unit_folder / name)
        self._systemctl("daemon-reload")
        self._systemctl("enable", *units)
        self._systemctl("restart", *units)

    def uninstall(self, config_folder: Path, unit_folder: Path) -> None:
        """Stop, disable and remove the units. Repeatable."""
        self._systemctl("daemon-reload")
        self._remove(unit_folder, UNITS)
        for name in (_PRIVILEGES, _FILES):
            self._unlink(unit_folder / name)
        self._unlink(config_folder / ENVIRONMENT_FILE)
        self._systemctl("daemon-reload")

    def stop(self, unit_folder: Path) -> Sequence[str]:
        """Stop what is installed, until the next login, and return it."""
        installed = [unit for unit in UNITS if os.path.lexists(unit_folder / unit)]
        if installed:
            self._systemctl("stop", *installed)
        return installed

    def status(self, unit_folder: Path) -> Sequence[UnitStatus]:
        """Return how it stands with each unit."""
        statuses = []
        for unit in UNITS:
            done = self._call("systemctl", "--user", "show", unit, "--property=UnitFileState,ActiveState")
            properties = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
            link = Path(os.readlink(unit_folder / unit)) if (unit_folder / unit).is_symlink() else None
            statuses.append(
                UnitStatus(unit, link, properties.get("UnitFileState", ""), properties.get("ActiveState", ""))
            )
        return statuses

    def lingers(self, user: str) -> Optional[bool]:
        """Tell whether the user's services run without a login; None when that cannot be found out."""
        try:
            done = self._runner.run(["loginctl", "show-user", user, "--property=Linger"])
        except (ProgramMissing, ProgramTimeout):
            return None
        values = {"Linger=yes": True, "Linger=no": False}
        return values.get(done.text.strip()) if done.returncode == 0 else None

    def _hardening(self, units: Sequence[str]) -> Sequence[str]:
        """Return the drop-ins that Multipass, and this machine, can live with."""
        if PORTFORWARD not in units or is_snap("multipass", self._runner.environment):
            return ()
        return (_PRIVILEGES, _FILES) if self._can_hide_files() else (_PRIVILEGES,)

    def _can_hide_files(self) -> bool:
        """Try a service with the settings: what they need is forbidden by some distributions."""
        settings = [f"--property={setting}" for setting in _FILE_SETTINGS]
        try:
            done = self._runner.run(["systemd-run", "--user", "--quiet", "--wait", "--collect", *settings, "true"])
        except (ProgramMissing, ProgramTimeout):
            return False
        return done.returncode == 0

    def _remove(self, unit_folder: Path, units: Sequence[str]) -> None:
        installed = [unit for unit in units if os.path.lexists(unit_folder / unit)]
        if installed:
            self._systemctl("disable", "--now", *installed)
        for unit in installed:
            self._unlink(unit_folder / unit)

    def _systemctl(self, *words: str) -> None:
        self._on_step("systemctl --user " + " ".join(words))
        if not self._dry_run:
            self._call("systemctl", "--user", *words)

    def _call(self, *argv: str) -> Completed:
        try:
            done = self._runner.run(argv)
        except ProgramMissing:
            raise AgsekitError(
                _("This machine has no systemd"),
                hint=_("start `agsekit portforward` and `agsekit backup-repeated-all` some other way"),
            ) from None
        if done.returncode == 0:
            return done
        if "Failed to connect to bus" in done.error_text:
            raise AgsekitError(
                _("The service manager of this user cannot be reached"),
                hint=_("log in as the user itself, not through su or sudo"),
                details=done.error_text,
            )
        raise AgsekitError(_("`{command}` failed").format(command=" ".join(argv)), details=done.error_text or None)

    def _environment_text(self, installation: Installation) -> str:
        environment = self._runner.environment
        folders = [folder for folder in environment.get("PATH", os.defpath).split(":") if folder.startswith("/")]
        variables = {
            "AGSEKIT_COMMAND": str(installation.command),
            "AGSEKIT_CONFIG": str(installation.config),
            "AGSEKIT_PROJECT": str(installation.project),
            "PATH": ":".join(folders),
            **{name: environment[name] for name in _PASSED_ON if environment.get(name)},
        }
        return "".join(f"{name}={quoted(value)}\n" for name, value in variables.items())

    def _write(self, path: Path, text: str) -> None:
        self._on_step(_("write {path}").format(path=path))
        if self._dry_run:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.replace(temporary, path)

    def _link(self, place: Path, target: Path) -> None:
        self._on_step(_("link {place} to {target}").format(place=place, target=target))
        if self._dry_run:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        os.symlink(target, temporary)
        os.replace(temporary, place)

    def _unlink(self, path: Path) -> None:
        if os.path.lexists(path):
            self._on_step(_("remove {path}").format(path=path))
            if not self._dry_run:
                path.unlink()
        if path.suffix == ".conf" and not self._dry_run:
            with contextlib.suppress(OSError):  # the user has drop-ins too, or there is none
                path.parent.rmdir()


def quoted(value: str) -> str:
    """Return a value as systemd reads it in an environment file.

    Raises:
        AgsekitError: it cannot be written there.
    """
    if any(character < " " for character in value):
        raise AgsekitError(_("{value} cannot be handed to systemd").format(value=repr(value)))
    escaped = value.replace("\\", "\\\\")
    for character in '"$`':
        escaped = escaped.replace(character, "\\" + character)
    return f'"{escaped}"'


def is_snap(program: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a program is installed by snap."""
    found = shutil.which(program, path=environment.get("PATH", os.defpath))
    return found is not None and (
        found.startswith(("/snap/", "/var/lib/snapd/snap/")) or os.path.basename(os.path.realpath(found)) == "snap"
    )


def find_command(started_as: str, executable: str, environment: Mapping[str, str]) -> Path:
    """Return the absolute path of the command `agsekit`: as it was started, else beside Python, else on PATH.

    Raises:
        AgsekitError: it is nowhere.
    """
    candidates = [Path(started_as).absolute(), Path(executable).absolute().parent / "agsekit"]
    found = shutil.which("agsekit", path=environment.get("PATH", os.defpath))
    if found:
        candidates.append(Path(found).absolute())
    for candidate in candidates:
        if candidate.name == "agsekit" and candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise AgsekitError(
        _("The command agsekit cannot be found"), hint=_("install agsekit with pip or pipx, and start it by its name")
    )
