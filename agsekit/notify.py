"""A notification on the desktop, where there is one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Optional

from agsekit.errors import AgsekitError
from agsekit.process import Runner

_SECONDS = 3.0
"""Nobody waits longer for a desktop that does not answer."""
_APPLESCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def notify(title: str, text: str, runner: Runner) -> bool:
    """Show a notification; return whether there was a desktop that took it. Never fails."""
    argv = notification(title, text, runner.environment, platform=sys.platform)
    if argv is None:
        return False
    try:
        return runner.run(argv, timeout=_SECONDS).returncode == 0
    except (AgsekitError, OSError):
        return False


def notification(title: str, text: str, environment: Mapping[str, str], *, platform: str) -> Optional[Sequence[str]]:
    """Return the command that shows a notification, None without a desktop. `text` is shown as it is."""
    search = environment.get("PATH")
    if platform == "darwin":
        program = shutil.which("osascript", path=search)
        words = [word for line in _APPLESCRIPT for word in ("-e", line)]
        return [program, *words, title, text] if program else None
    desktop = any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    program = shutil.which("notify-send", path=search) if desktop else None
    if program is None:
        return None
    # The text of a notification may be taken for markup.
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return [program, "--app-name=agsekit", "--urgency=critical", "--", title, plain]
