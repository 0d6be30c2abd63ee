"""Becoming ssh."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agsekit.config.model import Vm
from agsekit.engines.base import Engine, Instance, OnEvent, State
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.network.ssh import host_alias, knows_host, ssh_arguments
from agsekit.network.supervisor import GUEST_USER
from agsekit.process import Runner


def ssh_into(
    vm: Vm, engine: Engine, folder: Path, runner: Runner, arguments: Sequence[str], *, on_event: OnEvent
) -> None:
    """Turn this process into an ssh that connects to a VM, which is started if it does not run.

    `folder` holds the key and the known hosts; `arguments` go to ssh as they are.

    Raises:
        AgsekitError: it could not come to that; the process is still this one.
    """
    if not engine.capabilities.own_system:
        raise EngineError(
            _("VM '{vm}' is a sandbox without an ssh server").format(vm=vm.name),
            hint=_("open a shell in it with `agsekit shell {vm}`").format(vm=vm.name),
        )
    alias = host_alias(vm.name)
    # Both are looked at before a VM is started for nothing.
    ssh_arguments(folder, alias, GUEST_USER, "")
    if not knows_host(folder, alias):
        raise EngineError(
            _("The host key of VM '{vm}' is not known yet").format(vm=vm.name),
            hint=_("`agsekit create-vm {vm}` reads it over a channel that can be trusted").format(vm=vm.name),
        )
    runner.become(ssh_arguments(folder, alias, GUEST_USER, _address(vm, engine, on_event), arguments))


def _address(vm: Vm, engine: Engine, on_event: OnEvent) -> str:
    instance: Instance = engine.inspect(vm)
    if instance.state is not State.RUNNING:
        engine.make_ready(vm, (), on_event=on_event)
        instance = engine.inspect(vm)
    if instance.address is None:
        raise EngineError(
            _("VM '{vm}' has no address").format(vm=vm.name),
            hint=_("restart it with `agsekit restart-vm {vm}`").format(vm=vm.name),
        )
    return instance.address
