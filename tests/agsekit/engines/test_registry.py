from __future__ import annotations

from pathlib import Path

import pytest

from agsekit.config.model import Vm
from agsekit.engines.registry import ENGINES, engine_for
from agsekit.errors import EngineError
from agsekit.process import Runner


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_vm_gets_the_engine_it_names(name: str, tmp_path: Path) -> None:
    engine = engine_for(Vm("box", engine=name), Runner({}), data_folder=tmp_path)

    assert engine.name == name


def test_the_default_engine_is_a_real_vm(tmp_path: Path) -> None:
    engine = engine_for(Vm("box"), Runner({}), data_folder=tmp_path)

    assert engine.capabilities.own_kernel


def test_an_unknown_engine_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="qemu") as caught:
        engine_for(Vm("box", engine="qemu"), Runner({}), data_folder=tmp_path)

    assert "bubblewrap, multipass" in str(caught.value.hint)
