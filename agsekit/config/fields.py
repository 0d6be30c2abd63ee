"""From the text of one value to the value itself; every function raises `InvalidValueError` when it is none.

The text is what the file (or the command line) says, letter for letter: YAML's own ideas of `08`, `1:30`,
`1_000` or `on` never get a say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from agsekit.agent_types import agent_types, find_agent_type
from agsekit.config.model import GUEST_HOME, Address, Proxy
from agsekit.config.problems import quoted, with_suggestion
from agsekit.i18n import _

ENGINES = ("multipass", "bubblewrap")
BACKENDS = ("rsync", "git")
WATCHING = ("auto", "true", "false")
GUARDS = ("pause", "quarantine")
OFF = "off"
RISKY_CHOICES = ("report", "quarantine", OFF)
LOSS_CHOICES = ("warn", "pause", OFF)
FORWARD_KINDS = ("local", "remote", "socks5")
HOMES = ("shared", "own")
PROXY_SCHEMES = ("http", "https", "socks4", "socks5")

_MEBIBYTE = 1024**2
_UNITS = {"": 1, "k": 1024, "m": _MEBIBYTE, "g": 1024**3, "t": 1024**4}
SIZE = r"([0-9]{1,15})(\.[0-9]{1,6})?\s*(?:([kmgtKMGT])(?:i?[bB])?|[bB])?"
SMALLEST_RAM = 128 * _MEBIBYTE  # what multipass accepts
SMALLEST_DISK = 512 * _MEBIBYTE

VM_NAME = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
AGENT_NAME = r"[A-Za-z](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_HOST = r"(?![0-9]+\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?"
VERSION = r"latest|[0-9][0-9A-Za-z.+_-]{0,63}"
INTERVAL = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
SHARE = r"0?\.[0-9]{0,5}[1-9][0-9]{0,5}|1(?:\.0{1,6})?"
LONGEST_INTERVAL = 365 * 24 * 60
_LOOPBACK = "127.0.0.1"

_OWNED_BY_THE_GUEST = tuple(PurePosixPath(folder) for folder in ("/dev", "/proc", "/sys"))
_REFUSED_TARGETS = (PurePosixPath("/"), GUEST_HOME.parent, GUEST_HOME)


class InvalidValueError(ValueError):
    """The text is not a value of its kind; the message is a phrase that follows the name of the key."""


def parse_vm_name(text: str) -> str:
    """Return a name that every engine accepts."""
    if not re.fullmatch(VM_NAME, text):
        raise InvalidValueError(
            _("is no name of a VM: letters, digits and hyphens, a letter first, no hyphen last, at most 63")
        )
    return text


def parse_agent_name(text: str) -> str:
    """Return the name of an agent profile."""
    if not re.fullmatch(AGENT_NAME, text):
        raise InvalidValueError(
            _("is no name of an agent: letters, digits, hyphens and underscores, a letter first, at most 63")
        )
    return text


def parse_variable_name(text: str) -> str:
    """Return the name of an environment variable."""
    if not re.fullmatch(VARIABLE, text):
        raise InvalidValueError(_("is no name of an environment variable: letters, digits and underscores"))
    return text


def parse_variable_value(text: str) -> str:
    """Return the value of an environment variable. The message never repeats it."""
    if "\0" in text or not _is_encodable(text):
        raise InvalidValueError(_("holds a character that no environment variable can hold"))
    return text


def parse_argument(text: str) -> str:
    """Return one argument of a command. The message never repeats it: arguments may hold keys."""
    if "\0" in text or not _is_encodable(text):
        raise InvalidValueError(_("holds a character that no argument can hold"))
    return text


def parse_pattern(text: str) -> str:
    """Return one gitignore pattern."""
    if not text.strip() or not _is_one_line(text):
        raise InvalidValueError(_("must be one gitignore pattern, such as 'node_modules/'"))
    return text


def parse_choice(text: str, known: Iterable[str]) -> str:
    """Return the text when it is one of the known words."""
    words = list(known)
    if text not in words:
        problem = _("must be one of {words}, not {value}").format(words=", ".join(words), value=quoted(text))
        raise InvalidValueError(with_suggestion(problem, text, words))
    return text


def parse_engine(text: str) -> str:
    """Return the name of an engine."""
    return parse_choice(text, ENGINES)


def parse_backend(text: str) -> str:
    """Return the name of a storage backend."""
    return parse_choice(text, BACKENDS)


def parse_guard(text: str) -> str:
    """Return one of the guards that change what a run does."""
    return parse_choice(text, GUARDS)


def parse_guard_or_off(text: str) -> str:
    """Return a guard, or the word for none."""
    return parse_choice(text, (*GUARDS, OFF))


def parse_risky(text: str) -> str:
    """Return what becomes of what the host would execute."""
    return parse_choice(text, RISKY_CHOICES)


def parse_loss(text: str) -> str:
    """Return what becomes of a run that destroys much."""
    return parse_choice(text, LOSS_CHOICES)


def parse_share(text: str) -> float:
    """Return a share of a whole: more than 0, and at most 1."""
    if not re.fullmatch(SHARE, text):
        raise InvalidValueError(_("must be a share between 0 and 1, such as 0.5"))
    return float(text)


def parse_forward_kind(text: str) -> str:
    """Return the kind of a tunnel."""
    return parse_choice(text, FORWARD_KINDS)


def parse_home(text: str) -> str:
    """Return whose home an agent uses inside."""
    return parse_choice(text, HOMES)


def parse_agent_type(text: str) -> str:
    """Return the canonical name of an agent type."""
    found = find_agent_type(text)
    return found.name if found else parse_choice(text, agent_types())


def parse_version(text: str) -> str:
    """Return the version of an agent, or `latest`."""
    if not re.fullmatch(VERSION, text):
        raise InvalidValueError(
            _("must be a version such as 1.2.3, or latest, not {value}").format(value=quoted(text))
        )
    return text


def parse_cpu(text: str) -> int:
    """Return a number of processors."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise InvalidValueError(_("must be a whole number from 1, such as 2, not {value}").format(value=quoted(text)))
    return int(text)


def parse_ram(text: str) -> int:
    """Return an amount of memory in bytes."""
    return _parse_size(text, smallest=SMALLEST_RAM, example="4G")


def parse_disk(text: str) -> int:
    """Return the size of a disk in bytes."""
    return _parse_size(text, smallest=SMALLEST_DISK, example="20G")


def _parse_size(text: str, *, smallest: int, example: str) -> int:
    """Read a size as multipass does: units are powers of 1024 whether or not there is an `i`."""
    match = re.fullmatch(SIZE, text)
    if not match:
        raise InvalidValueError(
            _("must be a size such as {example} or 4096M, not {value}").format(example=example, value=quoted(text))
        )
    whole, fraction, unit = match.groups()
    size = int(float(whole + (fraction or "")) * _UNITS[(unit or "").lower()])
    if size < smallest:
        raise InvalidValueError(
            _("must be at least {smallest}M, not {value}; give a unit, such as {example}").format(
                smallest=smallest // _MEBIBYTE, value=quoted(text), example=example
            )
        )
    return size


def parse_amount(text: str) -> int:
    """Return a size in bytes, such as 20G."""
    return _parse_size(text, smallest=1024**2, example="20G")


def parse_max_backups(text: str) -> int:
    """Return a number of snapshots, at least two: one to work from and one to go back to."""
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or int(text) < 2:
        raise InvalidValueError(_("must be a whole number from 2 up, not {value}").format(value=quoted(text)))
    return int(text)


_SPANS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}


def parse_duration(text: str) -> float:
    """Return a span of time in seconds: a number and one of m, h, d, w, y; 0 for none."""
    match = re.fullmatch(r"([0-9]{1,6})([mhdwy]?)", text, re.ASCII)
    if match is None or (not match[2] and int(match[1])):
        raise InvalidValueError(_("must be a time such as 12h, 30d or 1y, not {value}").format(value=quoted(text)))
    return int(match[1]) * _SPANS.get(match[2], 0.0)


def parse_interval(text: str) -> float:
    """Return a number of minutes greater than 0."""
    minutes = float(text) if re.fullmatch(INTERVAL, text) else 0.0
    if not 0 < minutes <= LONGEST_INTERVAL:
        raise InvalidValueError(
            _("must be a number of minutes greater than 0, such as 5 or 0.5, not {value}").format(value=quoted(text))
        )
    return minutes


def parse_watch(text: str) -> bool | None:
    """Return whether to watch a source for edits; None where that finds all of them."""
    return {"auto": None, "true": True, "false": False}[parse_choice(text, WATCHING)]


def parse_proxy(text: str) -> Proxy:
    """Return a proxy from `scheme://host:port`. The message never repeats it: it may hold a password."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InvalidValueError(_("must be {form}").format(form="scheme://host:port"))
    if "@" in rest:
        raise InvalidValueError(_("must not hold a user name or password: proxychains is given host and port only"))
    if scheme not in PROXY_SCHEMES:
        raise InvalidValueError(_("must start with one of {words}").format(words=", ".join(PROXY_SCHEMES)))
    address = _split_address(rest[:-1] if rest.endswith("/") else rest)
    return Proxy(scheme, address.host, address.port)


def parse_address(text: str) -> Address:
    """Return an address from `host:port`, `[v6]:port`, or a port alone, which is one of the loopback."""
    if re.fullmatch(r"[0-9]+", text):
        return Address(_LOOPBACK, parse_port(text))
    return _split_address(text)


def parse_port(text: str) -> int:
    """Return a TCP port."""
    port = int(text) if re.fullmatch(r"[1-9][0-9]{0,4}", text) else 0
    if not 1 <= port <= 65535:
        raise InvalidValueError(_("must have a port from 1 to 65535"))
    return port


def _split_address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator:
        raise InvalidValueError(_("must be {form}").format(form="host:port"))
    if host.startswith("[") and host.endswith("]"):
        return Address(_parse_ipv6(host[1:-1]), parse_port(port))
    if not re.fullmatch(_HOST, host):
        raise InvalidValueError(_("must have a host name or an IP address before the port"))
    return Address(host, parse_port(port))


def _parse_ipv6(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise InvalidValueError(_("must have an IPv6 address between the brackets")) from None


def parse_host_folder(text: str, *, home: Path) -> Path:
    """Return an absolute path of the host; a leading `~` is `home`, links are not resolved."""
    _refuse_odd_path(text)
    if text == "~" or text.startswith("~/"):
        return home / text[2:].lstrip("/")
    if not text.startswith("/"):
        raise InvalidValueError(
            _("must be an absolute path, or one that starts with ~/, not {value}").format(value=quoted(text))
        )
    return Path("/" + text.lstrip("/"))


def parse_source(text: str, *, home: Path) -> Path:
    """Return a project folder, which must not be the home folder or one that holds it."""
    source = parse_host_folder(text, home=home)
    if source == home or source in home.parents or source == Path("/"):
        raise InvalidValueError(
            _("must be a project folder: {folder} would hand your whole home folder to an agent").format(
                folder=quoted(str(source))
            )
        )
    return source


def parse_target(text: str) -> PurePosixPath:
    """Return an absolute folder inside a VM, one that multipass accepts as a mount point."""
    _refuse_odd_path(text)
    if not text.startswith("/"):
        raise InvalidValueError(
            _("must be an absolute path, such as {example}, not {value}").format(
                example=GUEST_HOME / "project", value=quoted(text)
            )
        )
    target = PurePosixPath("/" + text.lstrip("/"))
    taken = any(folder == target or folder in target.parents for folder in _OWNED_BY_THE_GUEST)
    if taken or target in _REFUSED_TARGETS:
        raise InvalidValueError(
            _("must not hide a folder that the VM itself needs; use one such as {example}, not {value}").format(
                example=GUEST_HOME / "project", value=quoted(text)
            )
        )
    return target


def _refuse_odd_path(text: str) -> None:
    if not _is_one_line(text):
        raise InvalidValueError(_("must be a path without control characters"))
    if ".." in text.split("/"):
        raise InvalidValueError(_("must not contain '..'; write the path out"))


def _is_one_line(text: str) -> bool:
    return not any(character < " " or character == "\x7f" for character in text) and _is_encodable(text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
