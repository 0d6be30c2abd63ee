"""The end of a machine."""

from __future__ import annotations

from pathlib import Path

from agsekit.config.model import Vm
from agsekit.engines.base import Engine
from agsekit.network.ssh import forget_host_key, host_alias


def destroy(vm: Vm, engine: Engine, ssh_folder: Path) -> None:
    """Delete a VM, and forget the host key that goes with it. Folders that are mounted in it stay as they are."""
    engine.delete(vm)
    forget_host_key(ssh_folder, host_alias(vm.name))
