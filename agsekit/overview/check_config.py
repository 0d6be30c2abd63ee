"""Checks of the configuration itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from agsekit.config.model import Config
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.overview.check import FAIL, OK, WARN, Check
from agsekit.overview.check_host import readable_by_others


def check_config(path: Path, config: Optional[Config], problem: Optional[AgsekitError]) -> Iterator[Check]:
    """Yield the checks of the configuration at `path`: loaded, or the problem that it could not be."""
    if config is None:
        for line in problem.message.splitlines() if problem else ():
            yield Check("configuration", FAIL, line, problem.hint if problem else None)
        return
    counts = {"vms": len(config.vms), "mounts": len(config.mounts), "agents": len(config.agents)}
    text = _("{path} is valid (VMs: {vms}, mounts: {mounts}, agents: {agents})")
    yield Check("configuration", OK, text.format(path=path, **counts))
    loose = path.stat().st_mode & 0o077
    if loose and any(agent.holds_values for agent in config.agents.values()):
        yield readable_by_others("configuration-mode", WARN, path)
    for warning in config.warnings:
        if not (loose and f"chmod 600 {path}" in warning):  # said above, and can be mended there
            yield Check("configuration", WARN, warning)
