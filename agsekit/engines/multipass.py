"""Multipass: every machine is a real VM with a kernel of its own.

How the program behaves, and in which versions, was found out by running it; the surprises are named where
they matter. A call costs a tenth of a second and more, so there are as few as possible.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from agsekit.config.model import GUEST_HOME, Vm
from agsekit.engines import guest_scripts, multipass_answers, multipass_mounts
from agsekit.engines.base import (
    TERMINAL_VARIABLES,
    Capabilities,
    GuestCommand,
    HostCommand,
    Instance,
    MountPoint,
    OnEvent,
    State,
)
from agsekit.engines.multipass_answers import MultipassError
from agsekit.engines.multipass_client import CALL_SECONDS, POLL_SECONDS, exec_command
from agsekit.engines.multipass_lifecycle import MultipassLifecycle
from agsekit.errors import EngineError
from agsekit.i18n import _

_MOUNT_ATTEMPTS = 3
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")


class MultipassEngine(MultipassLifecycle):
    """The engine behind `engine: multipass`."""

    name = "multipass"
    capabilities = Capabilities(
        own_kernel=True,
        ends_with_client=False,
        boots=True,
        own_system=True,
        sized=True,
        lasting_mounts=True,
        pauses_vm=True,
    )

    def home(self, vm: Vm) -> PurePosixPath:
        """Return the home folder inside."""
        return GUEST_HOME

    def notice(self, vm: Vm) -> str | None:
        """Return None: a VM isolates as well as users expect."""
        return None

    def make_ready(self, vm: Vm, mounts: Sequence[MountPoint], *, on_event: OnEvent) -> None:
        """Start the VM if it is not running and mount what of `mounts` is missing."""
        instance = self._running(vm, on_event)
        for attempt in range(_MOUNT_ATTEMPTS):
            if attempt:
                self._sleep(POLL_SECONDS)
            problem = self._mount_missing(vm, instance, mounts, on_event)
            if problem is None and multipass_answers.is_complete(instance, mounts):
                return
            instance = self.inspect(vm)
            if multipass_answers.is_complete(instance, mounts):
                return
        if problem is not None:
            raise problem
        raise EngineError(
            _("Multipass reported no error, but the mounts of VM {name} are missing").format(name=vm.name),
            hint=_("Stop the VM with `agsekit stop-vm {name}` and try again").format(name=vm.name),
        )

    def command(self, vm: Vm, mounts: Sequence[MountPoint], command: GuestCommand) -> HostCommand:
        """Return what to start on the host; with secrets this costs one call."""
        _check_run_id(command.run_id)
        secrets = self._store_secrets(vm, command.run_id, command.env) if command.env else ""
        folder = command.cwd or command.home or self.home(vm)
        problem = _("the folder {folder} does not exist in VM {name}, or is not mounted").format(
            folder=folder, name=vm.name
        )
        wait = [_mount_around(folder, mounts), str(self._mount_seconds)]
        home = str(command.home or "")
        words = [command.run_id, str(folder), problem, *wait, secrets, home, *self._terminal(command), "--"]
        inside = ["bash", "-lc", guest_scripts.START_AGENT, "agsekit", *words, *command.argv]
        return HostCommand(exec_command(vm, inside), dict(self._runner.environment))

    def _terminal(self, command: GuestCommand) -> Sequence[str]:
        """Return what ssh does not pass on of the user's terminal; TERM it does."""
        if not command.tty:
            return []
        outside = self._runner.environment
        names = [name for name in TERMINAL_VARIABLES if name != "TERM" and name not in command.env]
        return [f"{name}={outside[name]}" for name in names if outside.get(name)]

    def terminate(self, vm: Vm, run_id: str) -> None:
        """End whatever the run still has inside, first asking and then killing."""
        _check_run_id(run_id)
        # `exec` would start a VM that does not run; the machine may still stop between the two calls.
        if self.inspect(vm).state is not State.RUNNING:
            return
        try:
            self._inside(vm, ["sh", "-c", guest_scripts.END_RUN, "agsekit", run_id])
        except MultipassError as error:
            raise EngineError(
                _("Some processes of the run in VM {name} could not be ended").format(name=vm.name),
                hint=_("`agsekit stop-vm {name}` ends all of them").format(name=vm.name),
                details=error.details,
            ) from error

    def _mount_missing(
        self, vm: Vm, instance: Instance, mounts: Sequence[MountPoint], on_event: OnEvent
    ) -> MultipassError | None:
        """Mount once what is missing; return the failure if it may go away by itself."""
        for target in multipass_answers.misplaced(instance, mounts):
            self._call(vm, ["umount", f"{vm.name}:{target}"])
        for mount in multipass_answers.missing(instance, mounts):
            self.check_mount(vm, mount)
            on_event(_("Mounting {source} in VM {name}").format(source=mount.source, name=vm.name))
            try:
                self._mount(vm, mount)
            except MultipassError as error:
                if not error.says("timed out"):
                    raise
                return error
        return None

    def check_mount(self, vm: Vm, mount: MountPoint) -> None:
        """Refuse what Multipass would refuse, or say yes to and then not mount."""
        multipass_mounts.check_source(mount.source, self._runner.environment)

    def unmount(self, vm: Vm, target: PurePosixPath) -> bool:
        """Remove a mount, also the rest of one that failed, which `info` does not list."""
        try:
            self._call(vm, ["umount", f"{vm.name}:{target}"])
        except MultipassError as error:
            if not error.says("is not mounted"):
                raise
            return False
        return True

    def _mount(self, vm: Vm, mount: MountPoint) -> None:
        place = f"{vm.name}:{mount.target}"
        mounting = ["mount", str(mount.source), place]
        try:
            self._call(vm, mounting, timeout=10 * CALL_SECONDS)
        except MultipassError as error:
            if error.says("Error enabling mount support"):
                self._call(vm, ["umount", place])  # it stays registered, and would block the next attempt
            if not error.says("is already mounted"):
                raise
            # `info` does not list it, so it is the rest of a mount that failed.
            self._call(vm, ["umount", place])
            self._call(vm, mounting, timeout=10 * CALL_SECONDS)

    def _store_secrets(self, vm: Vm, run_id: str, env: Mapping[str, str]) -> str:
        """Put the environment into a private file in the memory of the guest and return its path."""
        lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in _checked(env).items())
        storing = ["sh", "-c", guest_scripts.STORE_SECRETS, "agsekit", run_id]
        done = self._inside(vm, storing, stdin=lines.encode("utf-8", "surrogateescape"))
        found = re.search(re.escape(guest_scripts.SECRETS_MARK) + r"(/\S+)\s*$", done.text)
        if not found:
            raise EngineError(
                _("VM {name} did not take the environment of the agent").format(name=vm.name),
                hint=_("Try again; restart the VM if that does not help"),
            )
        return found.group(1)


def _mount_around(folder: PurePosixPath, mounts: Sequence[MountPoint]) -> str:
    """Return the innermost mount that the folder lies in, or nothing."""
    around = [str(mount.target) for mount in mounts if mount.target in (folder, *folder.parents)]
    return max(around, key=len, default="")


def _check_run_id(run_id: str) -> None:
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError("a run id consists of letters, digits and hyphens")


def _checked(env: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in env.items():
        if not _VARIABLE_NAME.fullmatch(name) or "\0" in value:
            raise EngineError(
                _("{variable} cannot be an environment variable").format(variable=repr(name)),
                hint=_("Correct the `env` of the agent; names are letters, digits and underscores"),
            )
    return env
