from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from agsekit.config.load import load_config
from agsekit.config.model import Config
from agsekit.errors import ConfigError

HOME = Path("/home/someone")

Load = Callable[[str], Config]
Problems = Callable[[str], list[str]]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGSEKIT_LANG", "en")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a configuration from its text, as the user's own file."""

    def load_text(text: str) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(0o600)
        return load_config(path, home=HOME)

    return load_text


@pytest.fixture
def problems(load: Load, tmp_path: Path) -> Problems:
    """Return the problems of a configuration as `line: key.path: problem`; all must name the file."""

    def problems_of(text: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(text)
        prefix = f"{tmp_path}/config.yaml:"
        lines = raised.value.message.split("\n")
        assert all(line.startswith(prefix) for line in lines)
        return [line[len(prefix) :] for line in lines]

    return problems_of
