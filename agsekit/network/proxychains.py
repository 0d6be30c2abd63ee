"""Sending a command inside a VM through a proxy.

Two ways at once, because neither reaches every program. proxychains4 catches the connections of programs that are
linked dynamically, by LD_PRELOAD; a static binary (codex for musl) or one with a network stack of its own does not
notice it. Many of those look at HTTPS_PROXY and the like, which others ignore. What uses both connects to the proxy
by itself, and that connection is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from agsekit.config.address_fields import parse_proxy
from agsekit.config.fields import InvalidValueError
from agsekit.config.model import Agent, Proxy, Vm
from agsekit.errors import UsageError
from agsekit.i18n import _

_TEXT = "AGSEKIT_PROXYCHAINS_CONF"
_PROXY = "AGSEKIT_PROXYCHAINS_PROXY"
# proxychains has one kind for both: the proxy itself is spoken to in clear text.
_KINDS = {"http": "http", "https": "http", "socks4": "socks4", "socks5": "socks5"}
# With `h`, and with `a`, the proxy resolves names.
_SCHEMES = {"http": "http", "https": "http", "socks4": "socks4a", "socks5": "socks5h"}
_LOCAL = "localhost,127.0.0.1,::1"

CONFIGURATION = """\
strict_chain
quiet_mode
proxy_dns
remote_dns_subnet 224
tcp_read_time_out 15000
tcp_connect_time_out 8000
localnet 127.0.0.0/255.0.0.0
localnet ::1/128
"""
"""What every configuration says; the address of the proxy follows."""

# The configuration comes through the environment, which no other user sees, and lives in memory for as long as the
# command: each program that it starts reads it again. `terminate` removes what has the id of the run in its name.
# proxychains wants a number where the first proxy is, so its name is resolved here, without the proxy.
_SCRIPT = r"""
fail() { printf 'agsekit: %s\n' "$1" >&2; exit 125; }
missing=$1 unknown=$2 memory=$3
shift 3
command -v proxychains4 >/dev/null || fail "$missing"
read -r kind port form host <<END
$AGSEKIT_PROXYCHAINS_PROXY
END
address=$host
[ "$form" = address ] || address=$(getent ahostsv4 "$host" | sed -n '1s/ .*//p')
[ -n "$address" ] || fail "$unknown"
umask 077
for folder in /dev/shm "/run/user/$(id -u)" /run /tmp; do
  file=$folder/agsekit-${AGSEKIT_RUN_ID:-$$}.proxychains
  (set -C; : > "$file") 2>/dev/null && break
  file=
done
[ -n "$file" ] || fail "$memory"
case $address in *:*) bits=128 ;; *) bits=255.255.255.255 ;; esac
{
  printf '%s' "$AGSEKIT_PROXYCHAINS_CONF"
  printf 'localnet %s/%s\n[ProxyList]\n%s %s %s\n' "$address" "$bits" "$kind" "$address" "$port"
} > "$file" || fail "$memory"
unset AGSEKIT_PROXYCHAINS_CONF AGSEKIT_PROXYCHAINS_PROXY
command -v -- "$1" >/dev/null || { printf '%s: not found\n' "$1" >&2; rm -f -- "$file"; exit 127; }
exec proxychains4 -q -f "$file" "$@"
"""


@dataclass(frozen=True)
class Proxied:
    """A command that goes through a proxy: what to run instead, and the environment to add."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)


def choose_proxy(requested: Optional[str], agent: Optional[Agent], vm: Vm) -> Optional[Proxy]:
    """Return the proxy of one run: what was requested, else the agent's, else the VM's.

    `requested` is `scheme://host:port`, empty for none whatever the configuration says, or None.

    Raises:
        UsageError: what was requested is no proxy.
    """
    if requested is not None:
        return parse_requested(requested)
    if agent is not None and (agent.proxy is not None or agent.proxy_disabled):
        return agent.proxy
    return vm.proxy


def parse_requested(requested: str) -> Optional[Proxy]:
    """Return what `--proxychains` asks for; None for an empty value.

    Raises:
        UsageError: it is no proxy.
    """
    if requested == "":
        return None
    try:
        return parse_proxy(requested)
    except InvalidValueError as error:
        raise UsageError(
            "--proxychains " + str(error),
            hint=_("such as {example}; an empty value turns the configured one off").format(
                example="socks5://10.0.0.2:1080"
            ),
        ) from None


def through_proxy(argv: Sequence[str], env: Mapping[str, str], proxy: Optional[Proxy]) -> Proxied:
    """Return a command and its environment changed so that it uses the proxy; without one, as they are.

    It ends with 125 rather than without a proxy when proxychains4 is missing inside. Variables in `env` win over
    those that are added.
    """
    if proxy is None:
        return Proxied(argv, env)
    messages = (
        _("proxychains4 is not installed in this VM; install it, or turn the proxy off with --proxychains ''"),
        _("the name of the proxy cannot be resolved in this VM"),
        _("there is no place for the configuration of proxychains"),
    )
    form = "address" if _is_address(proxy.host) else "name"
    inside = {_TEXT: CONFIGURATION, _PROXY: f"{_KINDS[proxy.scheme]} {proxy.port} {form} {proxy.host}"}
    return Proxied(["sh", "-c", _SCRIPT, "agsekit", *messages, *argv], {**proxy_variables(proxy), **env, **inside})


def _is_address(host: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def proxy_variables(proxy: Proxy) -> dict[str, str]:
    """Return the variables by which programs find the proxy themselves.

    HTTPS_PROXY and HTTP_PROXY are set for an HTTP proxy only: what expects one there fails at a SOCKS address.
    """
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    address = f"{_SCHEMES[proxy.scheme]}://{host}:{proxy.port}"
    names = ["ALL_PROXY"] if proxy.scheme.startswith("socks") else ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    variables = {**dict.fromkeys(names, address), "NO_PROXY": _LOCAL}
    return {**variables, **{name.lower(): value for name, value in variables.items()}}
