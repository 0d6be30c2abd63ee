"""What every command needs from the process around it: environment, configuration, the way to talk."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from agsekit import paths
from agsekit.config.model import Config
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.process import Runner


@dataclass
class Context:
    """The options that every command has, and what follows from them.

    Attributes:
        config_path: what `--config` says, None when it was not given.
        debug: show every external command.
        quiet: say nothing but errors and results.
        non_interactive: never ask.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    config_path: Optional[Path] = None
    debug: bool = False
    quiet: bool = False
    non_interactive: bool = False
    _config: Optional[Config] = None

    @property
    def home(self) -> Path:
        """The home folder of the user."""
        return paths.home_folder(self.environment)

    @property
    def data_folder(self) -> Path:
        """Where the engines keep what belongs to a VM."""
        return paths.data_folder(self.environment, self.home)

    @property
    def state_folder(self) -> Path:
        """Where logs go."""
        return paths.state_folder(self.environment, self.home)

    @property
    def runtime_folder(self) -> Path:
        """Where locks go, and what only matters until the next start of this machine."""
        return paths.runtime_folder(self.environment, self.home)

    @property
    def ssh_folder(self) -> Path:
        """Where agsekit's own key and the host keys of the VMs are."""
        return paths.config_folder(self.environment, self.home) / "ssh"

    def find_config(self) -> Path:
        """Return the path of the configuration; it need not exist."""
        return paths.find_config(self.config_path, self.environment, self.home)

    def load_config(self) -> Config:
        """Return the configuration, read once."""
        if self._config is None:
            from agsekit.config.load import load_config

            self._config = load_config(self.find_config(), home=self.home)
        return self._config

    def forget_config(self) -> None:
        """Have the configuration read again, since it was changed."""
        self._config = None

    def runner(self) -> Runner:
        """Return what starts other programs, telling about each with `--debug`."""
        return Runner(self.environment, trace=self._trace if self.debug else None)

    def working_folder(self) -> Path:
        """Return the folder that the user is in.

        Raises:
            AgsekitError: it was deleted.
        """
        try:
            return Path.cwd()
        except FileNotFoundError:
            raise AgsekitError(
                _("The folder you are in has been deleted"), hint=_("change to one that exists: cd")
            ) from None

    def may_ask(self) -> bool:
        """Tell whether a person can be asked: only on a terminal, and not when that was ruled out."""
        return (
            not self.non_interactive and not self.environment.get("CI") and sys.stdin.isatty() and sys.stdout.isatty()
        )

    def _trace(self, line: str) -> None:
        from agsekit.cli.render import safe

        sys.stderr.write(f"{time.strftime('%H:%M:%S')} + {safe(line)}\n")
