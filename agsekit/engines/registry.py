"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from agsekit.config.model import Vm
from agsekit.engines.base import Engine
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import Runner


def _multipass(runner: Runner, data_folder: Path) -> Engine:
    from agsekit.engines.multipass import MultipassEngine

    return MultipassEngine(runner)


def _bubblewrap(runner: Runner, data_folder: Path) -> Engine:
    from agsekit.engines.bubblewrap import BubblewrapEngine

    return BubblewrapEngine(runner, data_folder=data_folder)


ENGINES: Mapping[str, Callable[[Runner, Path], Engine]] = {
    "multipass": _multipass,
    "bubblewrap": _bubblewrap,
}


def engine_for(vm: Vm, runner: Runner, *, data_folder: Path) -> Engine:
    """Return the engine of a VM; `data_folder` is where an engine may keep files of its own.

    Raises:
        EngineError: there is no engine of that name.
    """
    factory = ENGINES.get(vm.engine)
    if factory is None:
        raise EngineError(
            _("VM {name} asks for the engine {engine}, which does not exist").format(name=vm.name, engine=vm.engine),
            hint=_("Set `engine` to one of: {engines}").format(engines=", ".join(sorted(ENGINES))),
        )
    return factory(runner, data_folder)
