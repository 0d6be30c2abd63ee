"""Checks of what runs in the background: loops that died, user units, and whether they outlive a login."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from typing import Any

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.overview.check import FAIL, OK, WARN, Check, Surroundings
from agsekit.protection.heartbeat import FRESH_SECONDS, heartbeat_files
from agsekit.services.systemd import BACKUPS, PORTFORWARD, UNITS, Systemd


def check_services(around: Surroundings) -> Iterator[Check]:
    """Yield the checks of loops and units; where no unit is installed, systemd is not asked."""
    yield from _loops(around)
    if any(os.path.lexists(around.unit_folder / unit) for unit in UNITS):
        yield from _units(around)


def is_alive(document: dict[str, Any], now: float) -> bool:
    """Whether the loop that wrote this heartbeat still works."""
    try:
        os.kill(int(document["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except (KeyError, TypeError, ValueError):
        return False
    return now - float(document.get("time", 0)) < FRESH_SECONDS


def _loops(around: Surroundings) -> Iterator[Check]:
    for path, document in heartbeat_files(around.state_folder):
        command = str(document.get("command", path.stem))
        problems = [each for each in document.get("mounts", ()) if each.get("problem")]
        if not is_alive(document, around.now):

            def remove(path: Any = path) -> str:
                path.unlink(missing_ok=True)
                return _("the trace of the dead loop was removed; start it again where it is wanted")

            text = _("`{command}` has died or hangs: no sign of life").format(command=command)
            yield Check("loop", FAIL, text, _("start it again"), command, remove)
        elif problems:
            text = _("`{command}` runs, but takes no snapshots of {source}: {problem}")
            first = problems[0]
            text = text.format(command=command, source=first.get("source"), problem=first["problem"])
            yield Check("loop", FAIL, text, _("put that right; it tries again by itself"), command)
        else:
            yield Check("loop", OK, _("`{command}` runs").format(command=command), subject=command)


def _units(around: Surroundings) -> Iterator[Check]:
    systemd = Systemd(around.runner)
    try:
        statuses = systemd.status(around.unit_folder)
    except AgsekitError as error:
        yield Check("units", WARN, error.message, error.hint)
        return
    for unit in statuses:
        if unit.link is None:
            continue
        if unit.dangling:
            text = _("{unit} belongs to an installation that is gone").format(unit=unit.name)
            yield Check("unit", FAIL, text, _("install it again: agsekit systemd install"), unit.name)
        elif unit.active != "active":
            text = _("{unit} does not run ({state})").format(unit=unit.name, state=unit.active or "?")
            hint = _("see why: journalctl --user -u {unit}").format(unit=unit.name)
            yield Check("unit", FAIL, text, hint, unit.name)
        else:
            yield Check("unit", OK, _("{unit} runs").format(unit=unit.name), subject=unit.name)
    enabled = [unit.name for unit in statuses if unit.name in (PORTFORWARD, BACKUPS) and unit.enabled == "enabled"]
    if enabled and systemd.lingers(getpass.getuser()) is False:
        text = _("the services end when you log out")
        yield Check("lingering", WARN, text, _("let them stay: {command}").format(command="loginctl enable-linger"))
