"""agsekit's own ssh: a key pair for the VMs, their host keys, and the arguments that use nothing else.

Everything lies in one folder: the key pair, `known_hosts`, and its lock. Nothing of the user's own ssh is read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.process import ProgramMissing, Runner

KNOWN_HOSTS = "known_hosts"
KEY_NAMES = ("id_rsa", "id_ed25519")
"""The names of the private key: the first that exists is used, the last is what is made."""

_HOST_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_OBSOLETE = "ssh-dss "
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True)
class KeyPair:
    """A key of agsekit: the file with the private part, and the public part as one line."""

    private: Path
    public: str


def host_alias(vm: str) -> str:
    """Return the name under which the host key of a VM is known."""
    return f"agsekit-{vm}"


def ensure_key_pair(folder: Path, runner: Runner, *, on_event: Callable[[str], None] = lambda text: None) -> KeyPair:
    """Return the key pair in the folder, made when there is none. Repeatable, also by several at once.

    An `id_rsa` that exists is used; a new key is an ed25519. The folder becomes 0700 and the private key 0600;
    `on_event` is told of modes that were wider.

    Raises:
        AgsekitError: ssh-keygen is missing, or the key cannot be used without a passphrase.
    """
    _make_private_folder(folder, on_event)
    found = find_private_key(folder)
    if found is None:
        found = _make_key(folder, runner)
    elif _narrow(found, 0o600):
        on_event(_("{path} could be read by others; it is yours alone now").format(path=found))
    return KeyPair(found, _public_part(found, runner))


def find_private_key(folder: Path) -> Path | None:
    """Return the private key that is used, or None."""
    for name in KEY_NAMES:
        if (folder / name).is_file():
            return folder / name
    return None


def _make_private_folder(folder: Path, on_event: Callable[[str], None]) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _narrow(folder, 0o700):
            on_event(_("{path} was open to others; it is yours alone now").format(path=folder))
    except OSError as error:
        raise AgsekitError(
            _("The folder {folder} cannot be created: {reason}").format(folder=folder, reason=error.strerror)
        ) from None


def _narrow(path: Path, mode: int) -> bool:
    """Give a path its mode and say whether it had another."""
    if stat.S_IMODE(path.stat().st_mode) == mode:
        return False
    path.chmod(mode)
    return True


def _make_key(folder: Path, runner: Runner) -> Path:
    """Make a key beside its place, so that a crash leaves none or a whole one; the first of several wins."""
    key = folder / KEY_NAMES[-1]
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as work:
        made = Path(work, "key")
        _keygen(runner, ["-q", "-t", "ed25519", "-N", "", "-C", "agsekit", "-f", str(made)])
        with contextlib.suppress(FileExistsError):
            os.link(made, key)
            os.replace(f"{made}.pub", _public_file(key))
    return key


def _public_part(private: Path, runner: Runner) -> str:
    """Return the public part from its file, which is made again from the private one when it is missing."""
    try:
        line = _public_file(private).read_text(encoding="utf-8", errors="replace").strip()
        host_key(line)
        return line
    except (OSError, AgsekitError):
        pass
    # An empty passphrase: it must never ask for one.
    line = _keygen(runner, ["-y", "-P", "", "-f", str(private)]).strip()
    _write(_public_file(private), line + "\n", mode=0o644)
    return line


def _public_file(private: Path) -> Path:
    return private.with_name(private.name + ".pub")


def _keygen(runner: Runner, arguments: Sequence[str]) -> str:
    try:
        done = runner.run(["ssh-keygen", *arguments])
    except ProgramMissing as error:
        raise AgsekitError(error.message, hint=_("install it with `agsekit prepare`")) from None
    if done.returncode:
        raise AgsekitError(
            _("ssh-keygen could not make or read the key {path}").format(path=arguments[-1]),
            hint=_("agsekit needs a key of its own without a passphrase; move that file away for a new one"),
            details=done.error_text or None,
        )
    return done.text


# Host keys


def host_key(line: str) -> str:
    """Return `TYPE BASE64` from a line of a public key file, without its comment.

    Raises:
        AgsekitError: it is not the public part of a key.
    """
    words = line.split()
    try:
        if len(words) >= 2 and words[0] in _HOST_KEY_TYPES and line.strip().isprintable():
            blob = base64.b64decode(words[1], validate=True)
            size = int.from_bytes(blob[:4], "big")
            if blob[4 : 4 + size] == words[0].encode():
                return f"{words[0]} {words[1]}"
    except (binascii.Error, ValueError):
        pass
    raise AgsekitError(_("{line} is not the public key of a host").format(line=repr(line[:60])))


def remember_host_key(folder: Path, alias: str, keys: Sequence[str]) -> None:
    """Let `alias` be known by exactly these host keys, lines of public key files, whatever it had before.

    They must come over a channel that is trusted. Keys that ssh no longer takes (DSA) are left out, though older
    systems still make them. The file changes at once and whole.

    Raises:
        AgsekitError: there is no key, or one that is none.
    """
    _check_alias(alias)
    lines = [f"{alias} {host_key(key)}" for key in keys if key.strip() and not key.startswith(_OBSOLETE)]
    if not lines:
        raise AgsekitError(_("The VM has no host key to remember"))
    _change_known_hosts(folder, alias, lines)


def forget_host_key(folder: Path, alias: str) -> None:
    """Forget the host keys of `alias`; none is fine."""
    _check_alias(alias)
    if (folder / KNOWN_HOSTS).exists():
        _change_known_hosts(folder, alias, [])


def knows_host(folder: Path, alias: str) -> bool:
    """Tell whether a host key of `alias` is known."""
    return any(_alias_of(line) == alias for line in _known_lines(folder))


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        raise ValueError("an alias consists of letters, digits, hyphens and dots")


def _change_known_hosts(folder: Path, alias: str, lines: Sequence[str]) -> None:
    _make_private_folder(folder, lambda text: None)
    with _locked(folder / f".{KNOWN_HOSTS}.lock"):
        kept = [line for line in _known_lines(folder) if _alias_of(line) != alias]
        _write(folder / KNOWN_HOSTS, "".join(f"{line}\n" for line in [*kept, *lines]), mode=0o600)


def _known_lines(folder: Path) -> list[str]:
    """Return the lines of known_hosts that have the form agsekit gives them."""
    try:
        text = (folder / KNOWN_HOSTS).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if _is_known_line(line)]


def _is_known_line(line: str) -> bool:
    alias, _space, key = line.partition(" ")
    try:
        return bool(_ALIAS.fullmatch(alias)) and host_key(key) == key
    except AgsekitError:
        return False


def _alias_of(line: str) -> str:
    return line.partition(" ")[0]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock of the kernel's, which a crash lets go of."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str, *, mode: int) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", errors="backslashreplace") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# The command


def ssh_arguments(folder: Path, alias: str, user: str, address: str, extra: Sequence[str] = ()) -> list[str]:
    """Return an ssh command that uses the key and the host keys in `folder`, and nothing else.

    `extra` follows the destination as it is: ssh takes options there, and then a command. An option that
    stands in front wins over the same one in `extra`, so what is set here cannot be undone by accident.

    Raises:
        AgsekitError: there is no key yet.
    """
    _check_alias(alias)
    key = find_private_key(folder)
    if key is None:
        raise AgsekitError(
            _("There is no ssh key for the VMs in {folder}").format(folder=folder),
            hint=_("make one with `agsekit prepare`"),
        )
    settings = {
        "IdentityFile": _quoted(key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": _quoted(folder / KNOWN_HOSTS),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "ForwardAgent": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "3",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *options, f"{user}@{address}", *extra]


def tunnel_arguments(folder: Path, alias: str, user: str, address: str, rule: Sequence[str]) -> list[str]:
    """Return an ssh command for one rule of port forwarding (`-L …` or `-R …`) that ends when it cannot be had.

    It prints TUNNEL_UP on a line of its own once the rule is in force, and ends with its standard input.
    """
    settings = ["-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ClearAllForwardings=no"]
    # The server answers in order: the output of the command means that the forwarding before it was granted.
    return ssh_arguments(folder, alias, user, address, [*settings, *rule, f"echo {TUNNEL_UP} && exec cat >/dev/null"])


TUNNEL_UP = "agsekit-tunnel-up"


def _quoted(path: Path) -> str:
    """Return a path as a value in ssh's configuration: it splits at blanks and expands percent signs."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'
