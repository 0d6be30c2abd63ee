"""What is kept of an error that nobody expected."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import Optional

from agsekit import __version__, paths


def write_bug_report(error: BaseException) -> Optional[Path]:
    """Write versions and traceback, without the values of any variable, and return the file; None if that fails."""
    environment = dict(os.environ)
    folder = paths.state_folder(environment, paths.home_folder(environment)) / "log"
    path = folder / time.strftime(f"error-%Y%m%d-%H%M%S-{os.getpid()}.log", time.gmtime())
    lines = [
        f"agsekit {__version__}, Python {platform.python_version()}, {platform.platform()}\n",
        f"command: {sys.argv[1] if len(sys.argv) > 1 else ''}\n",
        *traceback.format_exception(type(error), error, error.__traceback__),
    ]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
    return path
