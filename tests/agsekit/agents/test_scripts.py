from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agsekit.agent_types import agent_types
from agsekit.agents.scripts import RECEIVE, installation, masked, network_settings, script_of
from agsekit.config.model import Agent, Proxy
from agsekit.errors import AgsekitError

PROXY = Proxy("http", "10.0.0.1", 3128)


def settings(
    host: dict[str, str], *, own_network: bool = True, proxy: Proxy | None = None, **env: str
) -> dict[str, str]:
    """Return the variables that an installation gets."""
    return dict(network_settings(host, env, own_network=own_network, proxy=proxy).variables)


def test_only_what_says_how_the_network_is_reached_is_passed_on() -> None:
    host = {
        "HTTPS_PROXY": "http://proxy:3128",
        "npm_config_registry": "http://mirror/",
        "SECRET": "x",
        "PATH": "/bin",
    }

    found = settings(host, NODE_EXTRA_CA_CERTS="/etc/ca.pem", PIP_INDEX_URL="http://mirror/py")

    assert found == {
        "HTTPS_PROXY": "http://proxy:3128",
        "npm_config_registry": "http://mirror/",
        "NODE_EXTRA_CA_CERTS": "/etc/ca.pem",
        "PIP_INDEX_URL": "http://mirror/py",
    }


def test_a_password_of_this_machine_is_withheld_and_one_of_the_agent_is_meant() -> None:
    host = {"HTTPS_PROXY": "http://me:secret@proxy:3128", "HTTP_PROXY": "http://me:secret@proxy:3128"}

    found = network_settings(host, {"HTTP_PROXY": "http://vm:known@proxy:3128"}, own_network=True, proxy=None)

    assert found.variables == {"HTTP_PROXY": "http://vm:known@proxy:3128"}
    assert found.withheld == ["HTTPS_PROXY"]
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:3128", "http://localhost:3128/", "127.0.0.1:3128", "socks5://[::1]:1"]
)
def test_a_proxy_on_the_loopback_is_not_that_of_a_vm_with_a_network_of_its_own(value: str) -> None:
    host = {"HTTPS_PROXY": value, "NO_PROXY": "localhost"}

    assert settings(host) == {"NO_PROXY": "localhost"}
    assert settings(host, own_network=False) == host


def test_a_chosen_proxy_stands_in_for_those_of_this_machine() -> None:
    assert settings({"HTTPS_PROXY": "http://other:1", "PIP_INDEX_URL": "http://m/"}, proxy=PROXY) == {
        "PIP_INDEX_URL": "http://m/"
    }


def test_values_reach_a_script_through_standard_input_whatever_they_hold(tmp_path: Path) -> None:
    value = 'http://it\'s "$(touch /tmp/no)" `x` \\ \n é:1'
    script = tmp_path / "install.sh"
    script.write_text('printf "<%s>" "$HTTPS_PROXY"; cat; command -v sh\n')
    agent = Agent("a", "custom", command=("sh",), install=(str(script),))

    sent = installation(
        agent, agent_types()["custom"], "latest", environment={"HTTPS_PROXY": value}, proxy=None, home=tmp_path
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(RECEIVE, input=sent, capture_output=True, env=environment, check=True, cwd="/")

    text = done.stdout.decode()
    assert text.startswith(f"<{value}>")
    assert text.splitlines()[-1] in ("agsekit-installed custom - /usr/bin/sh", "agsekit-installed custom - /bin/sh")
    assert done.stderr == b""


def test_a_proxy_wraps_the_whole_installation() -> None:
    agent_type = agent_types()["qwen"]

    sent = installation(Agent("a", "qwen"), agent_type, "1.2.3", environment={}, proxy=PROXY, home=Path("/")).decode()

    assert "export HTTPS_PROXY=http://10.0.0.1:3128\n" in sent
    assert "export AGSEKIT_VERSION=1.2.3\n" in sent
    assert "\nexec sh -c " in sent
    assert "proxychains4 -q -f" in sent


def test_a_script_is_told_from_a_command(tmp_path: Path) -> None:
    def found(*install: str) -> Path | None:
        return script_of(Agent("a", "custom", install=install), Path("/home/me"))

    assert found("~/bin/x.sh") == Path("/home/me/bin/x.sh")
    assert found("/srv/x.sh") == Path("/srv/x.sh")
    assert found("my-installer") is None
    assert found("/usr/bin/pip", "install", "x") is None


def test_a_script_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "huge").write_text("#" * 200_000)

    for name, reason in (("missing", "cannot be read: No such file"), ("huge", "too large")):
        agent = Agent("a", "custom", command=("x",), install=(str(tmp_path / name),))
        with pytest.raises(AgsekitError, match=reason):
            installation(agent, agent_types()["custom"], "latest", environment={}, proxy=None, home=tmp_path)


def test_passwords_in_addresses_are_masked() -> None:
    text = "npm http fetch GET https://me:s3cret@mirror/x and http://plain/a@b"

    assert masked(text) == "npm http fetch GET https://***@mirror/x and http://plain/a@b"
