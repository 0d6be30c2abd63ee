"""What Multipass answers, in the words of agsekit: instances, and failures that say what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from agsekit.engines.base import Instance, MountPoint, State
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import Completed

_STATES: Mapping[str, State] = {
    "Running": State.RUNNING,
    "Stopped": State.STOPPED,
    "Suspended": State.SUSPENDED,
    "Deleted": State.DELETED,
    "Starting": State.STARTING,
    "Restarting": State.STARTING,
}
_CLIENT_TIMEOUT = 5
_OWN_WORDS = ("exec failed:", "start failed:", "info failed:", "[error] [client]", "Timed out waiting for")


class MultipassError(EngineError):
    """A call to Multipass failed; `details` is what it wrote to stderr."""

    def __init__(self, message: str, *, completed: Completed, hint: str | None) -> None:
        super().__init__(message, hint=hint, details=completed.error_text)
        self.completed = completed
        self.returncode = completed.returncode
        self._stderr = completed.error_text

    @property
    def timed_out(self) -> bool:
        """Whether the client stopped waiting; the daemon goes on."""
        return self.returncode == _CLIENT_TIMEOUT

    @property
    def about_multipass(self) -> bool:
        """Whether Multipass itself failed; otherwise this is the exit code of a command inside."""
        return any(line.startswith(_OWN_WORDS) for line in self._stderr.splitlines())

    def says(self, words: str) -> bool:
        """Whether Multipass gave this as the reason."""
        return words in self._stderr


def instance(name: str, text: str) -> Instance:
    """Return a machine from the JSON of `info`.

    Raises:
        EngineError: the JSON is not what Multipass is known to print.
    """
    try:
        entry = json.loads(text)["info"][name]
        mounts = [
            MountPoint(Path(mount["source_path"]), PurePosixPath(target))
            for target, mount in entry.get("mounts", {}).items()
        ]
        state = _STATES.get(entry["state"], State.UNKNOWN)
        return Instance(name, state, mounts, address=_address(entry.get("ipv4")), load=_load(entry.get("load")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EngineError(
            _("Multipass gave an answer about VM {name} that agsekit does not understand").format(name=name),
            hint=_("See what `multipass info {name} --format json` prints").format(name=name),
            details=text,
        ) from None


def _address(listed: object) -> str | None:
    """Return the first of the listed addresses; the rest are of networks inside. It ends up on command lines."""
    if not isinstance(listed, list) or not listed:
        return None
    import ipaddress

    return str(ipaddress.ip_address(listed[0]))


def _load(listed: object) -> float | None:
    """Return the load of the last minute; a machine that does not run has an empty list."""
    return float(listed[0]) if isinstance(listed, list) and listed else None


def missing(found: Instance, mounts: Sequence[MountPoint]) -> Sequence[MountPoint]:
    """Return the mounts that the machine does not have."""
    return [mount for mount in mounts if not any(_same(mount, each) for each in found.mounts)]


def misplaced(found: Instance, mounts: Sequence[MountPoint]) -> Sequence[PurePosixPath]:
    """Return the targets of mounts in the way: another folder at a target, or a folder somewhere else."""
    targets = {mount.target for mount in mounts}
    sources = {os.path.realpath(mount.source) for mount in mounts}
    return [
        each.target
        for each in found.mounts
        if not any(_same(mount, each) for mount in mounts)
        and (each.target in targets or os.path.realpath(each.source) in sources)
    ]


def is_complete(found: Instance, mounts: Sequence[MountPoint]) -> bool:
    """Whether the machine has all mounts, and none in the way."""
    return not missing(found, mounts) and not misplaced(found, mounts)


def _same(mount: MountPoint, other: MountPoint) -> bool:
    same_source = os.path.realpath(mount.source) == os.path.realpath(other.source)
    return mount.target == other.target and same_source


def gone(name: str, state: State) -> EngineError:
    """Return the error for a machine that does not exist, or exists only to be recovered."""
    if state is State.DELETED:
        return EngineError(
            _("VM {name} is deleted, but its name is still taken").format(name=name),
            hint=_(
                "Bring it back with `multipass recover {name}`, or remove it for good with "
                "`multipass delete --purge {name}` and create it with `agsekit create-vm {name}`"
            ).format(name=name),
        )
    return EngineError(
        _("VM {name} does not exist").format(name=name),
        hint=_("Create it with `agsekit create-vm {name}`").format(name=name),
    )


def not_installed() -> EngineError:
    """Return the error for a host without Multipass."""
    return EngineError(
        _("Multipass is not installed, or not on PATH"),
        hint=_("Install it with `agsekit prepare`, or set `engine: bubblewrap` for the VM"),
    )


def restart_daemon_hint() -> str:
    """Return what to do about a daemon that does not answer."""
    return _("Restart it with `sudo snap restart multipass`, wait a few seconds and try again")


def failure(name: str, command: str, done: Completed) -> MultipassError:
    """Return the error for a call that ended with a failure, with what to do about it."""
    text = done.error_text
    message, hint = _reason(name, command, text)
    return MultipassError(message, completed=done, hint=hint)


def _reason(name: str, command: str, text: str) -> tuple[str, str | None]:
    if "multipass_root_cert.pem" in text:
        return _("The Multipass service has never been started"), restart_daemon_hint()
    if "cannot connect to the multipass socket" in text:
        return _("The Multipass service does not answer"), restart_daemon_hint()
    if f'instance "{name}" does not exist' in text or f"nstance '{name}' does not exist" in text:
        error = gone(name, State.ABSENT)
        return error.message, error.hint
    if f'instance "{name}" is deleted' in text or f"Instance '{name}' is deleted" in text:
        error = gone(name, State.DELETED)
        return error.message, error.hint
    if "Snap support needs to be installed" in text or "Error enabling mount support" in text:
        return (
            _("VM {name} lacks what mounting needs: snapd and the snap multipass-sshfs").format(name=name),
            _(
                "Install it with `multipass exec {name} -- sudo snap install multipass-sshfs`; "
                "that needs a network in the VM"
            ).format(name=name),
        )
    for words, sentence, hint in _known_reasons():
        if words in text:
            return sentence.format(name=name), hint.format(name=name)
    message = _("`multipass {command}` failed for VM {name}").format(command=command, name=name)
    if "in unknown state" in text or "in an unknown state" in text:
        return message, _("Stop the VM with `agsekit stop-vm {name}` and try again").format(name=name)
    return message, _("Try again; `--debug` shows the calls")


def _known_reasons() -> Sequence[tuple[str, str, str]]:
    """Return words of Multipass, and the sentence and the hint that they stand for."""
    return (
        (
            "Source path",
            _("A folder to be mounted in VM {name} is missing, or cannot be read"),
            _("Create it, or correct `source` in the configuration"),
        ),
        (
            "unable to mount to",
            _("VM {name} needs the folder itself that something is to be mounted on"),
            _("Set `target` in the configuration to one such as /home/ubuntu/project"),
        ),
        (
            "Mounts are disabled",
            _("This installation of Multipass allows no mounts, so VM {name} cannot have any"),
            _("Allow them with `multipass set local.privileged-mounts=true`"),
        ),
        (
            "is unknown or unreachable",
            _("The image of VM {name} cannot be downloaded"),
            _("See whether the network is up, and whether Multipass needs a proxy: `multipass find` lists images"),
        ),
        (
            "Failed to copy",
            _("The image of VM {name} cannot be copied"),
            _("See whether the disk of Multipass is full, and try again"),
        ),
        (
            "Invalid instance name",
            _("Multipass does not accept {name} as the name of a VM"),
            _("Choose one of letters, digits and hyphens that begins with a letter"),
        ),
        (
            "is being prepared",
            _("VM {name} is being made by another command"),
            _("Wait for it, then run `agsekit create-vm {name}` again"),
        ),
        (
            "Disk can only be expanded",
            _("The disk of VM {name} cannot become smaller"),
            _("Set `disk` in the configuration to what it has, or create the VM anew"),
        ),
        (
            "must be stopped for modification",
            _("The sizes of VM {name} can be changed only while it is stopped"),
            _("Stop it with `agsekit stop-vm {name}` and try again"),
        ),
    )
