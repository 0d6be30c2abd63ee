"""What is sent into a VM to install an agent there, and to find out what is installed.

Everything travels through standard input: nothing is left in a file, and no value of a variable is on a command line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agsekit.agent_types import AgentType
from agsekit.config.model import Agent, Proxy
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.network.proxychains import through_proxy
from agsekit.resources import agent_scripts

RECEIVE = ("bash", "-c", 'eval "$(cat)"', "agsekit")
"""Runs what comes through standard input. It is read to its end first, so that nothing that it starts eats it."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_MIRRORS = (
    "npm_config_registry", "npm_config_strict_ssl", "pip_index_url", "pip_extra_index_url", "pip_trusted_host",
    "uv_default_index", "uv_index", "uv_python_install_mirror", "nvm_nodejs_org_mirror", "rustup_dist_server",
    "rustup_update_root",
)  # fmt: skip
_CERTIFICATES = (
    "node_extra_ca_certs", "pip_cert", "requests_ca_bundle", "ssl_cert_file", "curl_ca_bundle", "cargo_http_cainfo",
)  # fmt: skip
_LOOPBACK = re.compile(r"(?:\w+://)?(?:localhost|127\.[0-9.]+|\[::1\])(?:[:/]|$)")
_WITH_PASSWORD = re.compile(r"://[^/\s]*@")
_LARGEST_SCRIPT = 100_000  # the system takes 128 KiB in one argument

PROBE = r"""
PATH=$HOME/.local/bin:$PATH
look() {
  local path version= state file record=$HOME/.local/share/agsekit/agents/$2/installed output
  path=$(command -v -- "$3") || return 0
  if [ "$path" = "$HOME/.local/bin/$3" ] && [ -r "$record" ]; then
    { read -r version; read -r state; read -r file; read -r file; } < "$record"
    [ "$(stat -L -c '%i-%s-%Y' -- "$path" "$file" 2>/dev/null | paste -s -d ' ' -)" = "$state" ] || version=
  fi
  if [ -z "$version" ] && [ "$2" != custom ]; then
    output=$(timeout 10 "$path" --version </dev/null 2>/dev/null)
    [[ $output =~ [0-9]+(\.[0-9]+)+(-[0-9A-Za-z.]*[0-9A-Za-z])? ]] && version=${BASH_REMATCH[0]}
  fi
  printf '%s\t%s\t%s\n' "$1" "$version" "$path"
}
while [ $# -gt 0 ]; do
  look "$1" "$2" "$3" &
  shift 3
done
wait
exit 0
"""
"""Arguments, for each agent: its name, its type, its program. Prints name, version and path, with tabs between them,
of those that are there. A program is started only when it is not as it was installed, or was not installed by us; one
of the user's own never, since nobody knows what it takes `--version` for."""

_CUSTOM = r"""
PATH=$HOME/.local/bin:$PATH
program=$1
shift
"$@" || { code=$?; printf 'error: the command ended with the exit code %s\n' "$code"; exit "$code"; }
found=$(command -v -- "$program") || { printf 'error: there is no %s after the installation\n' "$program"; exit 1; }
printf 'agsekit-installed custom - %s\n' "$found"
"""


@dataclass(frozen=True)
class NetworkSettings:
    """Variables that say how the network is reached; `withheld` names those that hold a password of the host's."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    withheld: Sequence[str] = ()


def network_settings(
    host: Mapping[str, str], own: Mapping[str, str], *, own_network: bool, proxy: Proxy | None
) -> NetworkSettings:
    """Return what an installation is told of proxies, mirrors and certificates, and of nothing else.

    `own` is what `env` of the agent says, and wins over the environment of this machine. Of that, passwords stay
    here, and so do a proxy on the loopback for a VM with a network of its own, and all when a proxy was chosen.
    """
    variables: dict[str, str] = {}
    withheld = []
    for name, value in host.items():
        if not value or name.lower() not in (*_PROXIES, *_MIRRORS) or (proxy and name.lower() in _PROXIES):
            continue
        if _WITH_PASSWORD.search(value):
            withheld.append(name)
        elif not (own_network and _LOOPBACK.match(value) and name.lower() != "no_proxy"):
            variables[name] = value
    return NetworkSettings({**variables, **own}, [name for name in withheld if name not in own])


def is_about_the_network(variable: str) -> bool:
    """Tell whether a variable says how the network is reached: a proxy, a mirror, or certificates."""
    return variable.lower() in (*_PROXIES, *_MIRRORS, *_CERTIFICATES)


def installation(
    agent: Agent,
    agent_type: AgentType,
    version: str,
    *,
    environment: Mapping[str, str],
    proxy: Proxy | None,
    home: Path,
) -> bytes:
    """Return what `RECEIVE` has to read so that the agent is installed; all it prints goes to standard output.

    Raises:
        AgsekitError: the script of a custom agent cannot be read.
    """
    if agent_type.script:
        folder = agent_scripts()
        text = "".join((folder / name).read_text(encoding="utf-8") for name in ("common.sh", agent_type.script))
        argv = ["bash", "-c", text, "agsekit"]
        given = {
            "AGSEKIT_TYPE": agent_type.name,
            "AGSEKIT_BINARY": agent_type.binary or "",
            "AGSEKIT_VERSION": version,
            "AGSEKIT_NODE": str(agent_type.node or ""),
            "AGSEKIT_PYTHON": agent_type.python or "",
        }
    else:
        argv = ["bash", "-c", _CUSTOM, "agsekit", agent.command[0], *_custom_words(agent, home)]
        given = {}
    proxied = through_proxy(argv, {**environment, **given}, proxy)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in proxied.env.items()]
    return "\n".join([*lines, f"exec {shlex.join(proxied.argv)} </dev/null 2>&1", ""]).encode(
        "utf-8", "surrogateescape"
    )


def script_of(agent: Agent, home: Path) -> Path | None:
    """Return the script on this machine that installs a custom agent; None when it is a command in the VM."""
    if len(agent.install) != 1 or not agent.install[0].startswith(("/", "~/")):
        return None
    return home / agent.install[0][2:] if agent.install[0].startswith("~/") else Path(agent.install[0])


def _custom_words(agent: Agent, home: Path) -> Sequence[str]:
    path = script_of(agent, home)
    if path is None:
        return agent.install
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise AgsekitError(
            _("The script {path} cannot be read: {reason}").format(path=path, reason=error.strerror),
            hint=_("it is what `install` of the agent {name} names").format(name=agent.name),
        ) from None
    if len(text) > _LARGEST_SCRIPT or "\0" in text:
        raise AgsekitError(
            _("The script {path} is too large, or no script").format(path=path),
            hint=_("let a short one download what it needs"),
        )
    return ["bash", "-c", text, path.name]


def masked(text: str) -> str:
    """Return output without user names and passwords in addresses."""
    return _WITH_PASSWORD.sub("://***@", text)
