"""Which engines this machine can use, and what speaks for or against each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from agsekit.engines.bubblewrap import check_host
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.machines.host import plan_preparation, this_host
from agsekit.process import Runner


@dataclass(frozen=True)
class EngineHere:
    """An engine: whether it works here now, whether it could after an installation, and a sentence about that."""

    name: str
    works: bool
    possible: bool
    note: str


def engines_here(runner: Runner) -> Sequence[EngineHere]:
    """Return all engines, the one to recommend first."""
    found = [_multipass(runner), _bubblewrap(runner)]
    return sorted(found, key=lambda engine: (not engine.works, not engine.possible))


def _multipass(runner: Runner) -> EngineHere:
    host = this_host(runner.environment, sys.platform)
    if host.has("multipass"):
        return EngineHere("multipass", True, True, _("a virtual machine with a kernel of its own; installed here"))
    obstacles = plan_preparation(host, ["multipass"]).obstacles
    if obstacles:
        return EngineHere("multipass", False, False, _("a virtual machine; {reason}").format(reason=obstacles[0]))
    return EngineHere("multipass", False, True, _("a virtual machine; `agsekit prepare` installs Multipass"))


def _bubblewrap(runner: Runner) -> EngineHere:
    try:
        check_host(runner)
    except AgsekitError as error:
        possible = sys.platform.startswith("linux")
        reason = f"{error.message}; {error.hint}" if error.hint else error.message
        return EngineHere("bubblewrap", False, possible, _("a sandbox; {reason}").format(reason=reason))
    return EngineHere("bubblewrap", True, True, _("a sandbox that shares the kernel of this machine; works here"))
