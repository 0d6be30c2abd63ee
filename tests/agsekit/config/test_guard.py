"""The short forms of `guard`, and the long one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agsekit.config.load import load_config
from agsekit.config.model import Guard
from agsekit.errors import ConfigError


def guard(folder: Path, value: Any) -> Guard:
    path = folder / "config.yaml"
    path.write_text(json.dumps({"vms": {"box": {}}, "mounts": [{"source": "/srv/project", "guard": value}]}))
    return load_config(path, home=Path("/home/someone")).mounts[0].guard


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Guard("report", "warn", 0.5)),
        ("pause", Guard("report", "pause")),
        ("quarantine", Guard("quarantine", "warn")),
        (["quarantine", "pause"], Guard("quarantine", "pause")),
        ([], Guard()),
        ("off", Guard("off", "off")),
        ({"share": 0.2, "loss": "off"}, Guard("report", "off", 0.2)),
    ],
)
def test_every_form_says_the_same(tmp_path: Path, value: Any, expected: Guard) -> None:
    assert guard(tmp_path, value) == expected


@pytest.mark.parametrize("value", ["warn", ["off"], {"share": 0}, {"share": 1.5}, {"risk": "off"}, 1])
def test_what_nobody_can_mean_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigError, match="guard"):
        guard(tmp_path, value)
