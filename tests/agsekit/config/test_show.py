from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agsekit.config.key import Key, Table
from agsekit.config.load import load_config, parse_config
from agsekit.config.model import Config
from agsekit.config.problems import Problems
from agsekit.config.show import document, plain_document, text
from tests.agsekit.config.test_schema import EVERY_KEY, HOME, IDS, example_of

SECRETS = """
vms:
  box:
    cloud-init:
      users: [{name: me, passwd: top-secret-1}]
      chpasswd: {list: ["me:top-secret-2"], expire: false}
      write_files: [{path: /x, content: "API_TOKEN=top-secret-3"}]
      runcmd: [[login, --password, top-secret-4], "curl -H 'Authorization: Bearer top-secret-5'"]
      born: 2020-01-01
agents:
  a:
    type: custom
    env: {API_KEY: top-secret-6, PLAIN: visible, URL: "https://me:top-secret-7@host/", EMPTY_TOKEN: "",
          FROM: {command: [pass, show, key]}, HOST: {env: MY_KEY}, FILE: {file: ~/key}}
    default-args: [--api-key=top-secret-8, --token, top-secret-9, --model, big]
    command: [tool, --openai-api-key, top-secret-0]
"""


def read(content: str) -> Config:
    return parse_config(content.encode(), Problems(Path("/etc/config.yaml")), home=HOME)


@pytest.mark.parametrize(("table", "key"), EVERY_KEY, ids=IDS)
def test_what_is_shown_says_the_same_as_the_configuration(tmp_path: Path, table: Table, key: Key) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(example_of(table, key)))
    path.chmod(0o600)
    config = load_config(path, home=HOME)

    again = read(text(config))

    assert (again.vms, again.mounts, again.agents) == (config.vms, config.mounts, config.agents)
    assert list(again.vms) == list(config.vms)


def test_secrets_are_hidden_and_references_are_not() -> None:
    shown = text(read(SECRETS))

    assert "top-secret" not in shown
    agent = document(read(SECRETS))["agents"]["a"]
    assert agent["env"] == {
        "API_KEY": "***",
        "PLAIN": "visible",
        "URL": "https://***@host/",
        "EMPTY_TOKEN": "",
        "FROM": {"command": ["pass", "show", "key"]},
        "HOST": {"env": "MY_KEY"},
        "FILE": {"file": f"{HOME}/key"},
    }
    assert agent["default-args"] == ["--api-key=***", "--token", "***", "--model", "big"]


def test_defaults_are_filled_in() -> None:
    shown: Any = plain_document(read("vms: {box: }\nmounts: [{source: /p}]\n"))

    assert shown["vms"]["box"]["ram"] == "4G"
    assert shown["mounts"][0]["backup"] == "/backups-p"
    assert shown["mounts"][0]["keep"]["weekly"] == "1y"
    assert shown["mounts"][0]["interval"] == 5
