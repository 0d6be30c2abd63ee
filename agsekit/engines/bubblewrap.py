"""The bubblewrap engine: a VM is a named sandbox of Linux namespaces with a home of its own.

There is nothing to boot. A VM is a folder `<data folder>/vms/<name>` whose `home` appears as /home/ubuntu and
lasts between runs; everything else inside is put together for each command and is gone with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from agsekit.config.model import GUEST_HOME, Vm
from agsekit.engines import sandbox_mounts, sandbox_processes, sandbox_support, sandbox_view
from agsekit.engines.base import (
    Capabilities,
    Difference,
    GuestCommand,
    HostCommand,
    Instance,
    MountPoint,
    OnEvent,
    OnOutput,
    State,
)
from agsekit.engines.sandbox_programs import check_program
from agsekit.errors import EngineError
from agsekit.i18n import _
from agsekit.process import Completed, Runner

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOTICE = "notice-shown"

# bwrap itself ends at a SIGINT, and with it everything inside, before the command could clean up. So on a
# terminal bash stands between them: it gives the command a process group of its own, and the terminal.
# When the command stops, bash stops too, which is how the host side sees that ^Z was meant. Standard error has
# to stay the terminal: it is where a bash that is not interactive looks for one. The trap lets it take the
# terminal back when a job ends that `fg` continued. No loop: a job that ^Z stops would break out of it.
_TERMINAL_SCRIPT = """
set -m
(exec -- "$@")
code=$?
trap "" TTOU
resume_until_exit() {
    test "$(jobs -sp)" || exit "$code"
    kill -STOP $$
    fg %1 >/dev/null
    code=$?
    resume_until_exit
}
resume_until_exit
"""


def check_host(runner: Runner) -> None:
    """Make an empty sandbox, whatever is known from before.

    Raises:
        EngineError: none can be made on this machine; the hint says what to do.
    """
    arguments = [*sandbox_view.isolation_arguments("agsekit"), *sandbox_view.system_arguments()]
    sandbox_support.try_out(sandbox_support.find_bwrap(runner), arguments, runner)


class BubblewrapEngine:
    """Runs commands in sandboxes of Linux namespaces, on the kernel of the host.

    Args:
        runner: finds bwrap and tries it out.
        data_folder: holds `vms/<name>/home`, one private home for each VM.
    """

    name = "bubblewrap"
    capabilities = Capabilities(own_kernel=False, ends_with_client=True)

    def __init__(self, runner: Runner, *, data_folder: Path) -> None:
        self._runner = runner
        self._data_folder = data_folder
        self._stopped: dict[int, Sequence[int]] = {}

    def _folder(self, vm: Vm) -> Path:
        if not _NAME.fullmatch(vm.name):
            raise EngineError(_("{name} cannot be the name of a VM").format(name=repr(vm.name)))
        return self._data_folder / "vms" / vm.name

    def _home(self, vm: Vm) -> Path:
        return self._folder(vm) / "home"

    def home(self, vm: Vm) -> PurePosixPath:
        """Return the home folder inside."""
        return GUEST_HOME

    def inspect(self, vm: Vm) -> Instance:
        """Return RUNNING when the sandbox has its home, else ABSENT; mounts are made for each command."""
        exists = self._home(vm).is_dir()
        return Instance(vm.name, State.RUNNING if exists else State.ABSENT, folder=self._folder(vm))

    def create(self, vm: Vm, user_data: str, *, on_event: OnEvent) -> None:
        """Create the home, once this machine is seen to be able to make sandboxes."""
        self.make_ready(vm, (), on_event=on_event)

    def start(self, vm: Vm, *, on_event: OnEvent) -> None:
        """Create the home if it is missing: there is nothing to boot."""
        self.make_ready(vm, (), on_event=on_event)

    def stop(self, vm: Vm, *, force: bool, on_event: OnEvent) -> None:
        """Do nothing: a sandbox is there only while a command runs in it."""

    def delete(self, vm: Vm) -> None:
        """Delete the home and what belongs to it.

        What an agent wrote there may be nested deeper than a function can call itself, or closed to its owner,
        and links in it lead anywhere: the system's own tools can cope with all of that.
        """
        folder = self._folder(vm)
        if not os.path.lexists(folder):
            return
        self._runner.run(["chmod", "-R", "u+rwX", "--", str(folder)], timeout=None)
        done = self._runner.run(["rm", "-rf", "--one-file-system", "--", str(folder)], timeout=None)
        if done.returncode:
            raise EngineError(
                _("The folder {folder} cannot be deleted").format(folder=folder),
                hint=_("end what still runs in the sandbox, and try again"),
                details=done.error_text,
            )

    def compare(self, vm: Vm) -> Sequence[Difference]:
        """Return nothing: a sandbox uses the processors, the memory and the disk of the host."""
        return ()

    def resize(self, vm: Vm, differences: Sequence[Difference]) -> None:
        """Do nothing: see `compare`."""

    def run_inside(
        self,
        vm: Vm,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = 60.0,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run a command in a sandbox of its own, without mounts."""
        self.make_ready(vm, (), on_event=lambda text: None)
        command = self.command(vm, (), GuestCommand(argv, run_id="inside"))
        started: dict[str, Any] = {"environment": command.env, "inherit": command.inherit}
        try:
            if on_output:
                return self._runner.watch(command.argv, stdin=stdin, timeout=timeout, on_output=on_output, **started)
            return self._runner.run(command.argv, stdin=stdin, timeout=timeout, **started)
        finally:
            for descriptor in command.inherit:
                os.close(descriptor)

    def check_mount(self, vm: Vm, mount: MountPoint) -> None:
        """Refuse a source that is missing or a link, and a target that hides a part of the system."""
        sandbox_mounts.check_mounts([mount])

    def unmount(self, vm: Vm, target: PurePosixPath) -> bool:
        """Return False: nothing stays mounted."""
        return False

    def make_ready(self, vm: Vm, mounts: Sequence[MountPoint], *, on_event: OnEvent) -> None:
        """Create the home, check the mounts, and see once that this machine can make sandboxes."""
        bwrap = sandbox_support.find_bwrap(self._runner)
        sandbox_mounts.check_mounts(mounts)
        home = self._home(vm)
        if not home.is_dir():
            on_event(_("Creating the home of the sandbox {vm}").format(vm=vm.name))
        self._create_private(vm)
        sandbox_support.check_support(
            bwrap,
            [*sandbox_view.isolation_arguments(vm.name), *sandbox_view.system_arguments()],
            self._runner,
            self._data_folder / "bubblewrap-works",
        )

    def _create_private(self, vm: Vm) -> Path:
        """Create the folder of a VM and its home, for the user alone; return the folder."""
        folder = self._folder(vm)
        try:
            self._data_folder.parent.mkdir(parents=True, exist_ok=True)
            for path in (self._data_folder, folder.parent, folder, folder / "home"):
                path.mkdir(mode=0o700, exist_ok=True)
            (folder / "home").chmod(0o700)
        except OSError as error:
            raise EngineError(
                _("The folder {folder} cannot be created: {reason}").format(folder=folder, reason=error.strerror)
            ) from None
        return folder

    def command(self, vm: Vm, mounts: Sequence[MountPoint], command: GuestCommand) -> HostCommand:
        """Return the bwrap command; the environment travels through a descriptor, never through argv."""
        bwrap = sandbox_support.find_bwrap(self._runner)
        home, own_home = self._home(vm), command.home or GUEST_HOME
        cwd = command.cwd or own_home
        sandbox_mounts.check_mounts(mounts)
        sandbox_mounts.prepare_targets(home, mounts)
        sandbox_mounts.prepare_home(home, own_home)
        sandbox_mounts.check_working_folder(cwd, home, mounts)
        inside = sandbox_view.environment(self._runner.environment, vm=vm.name, run_id=command.run_id, cwd=cwd)
        inside["HOME"] = str(own_home)
        search = command.env.get("PATH", inside["PATH"])
        check_program(command.program or command.argv[0], search, cwd=cwd, home=home, mounts=mounts, vm=vm.name)
        settings = _environment_arguments({**inside, **command.env})
        passwd, group = sandbox_view.accounts()
        system = [*sandbox_view.isolation_arguments(vm.name), *sandbox_view.system_arguments()]
        shown = _mount_arguments([MountPoint(home, GUEST_HOME), *sandbox_mounts.in_mount_order(mounts)])
        started = _on_terminal(command.argv) if command.tty else list(command.argv)
        inherit = [_readable(content) for content in (settings, passwd, group)]
        argv = [bwrap, *system]
        argv += ["--ro-bind-data", str(inherit[1]), "/etc/passwd"]
        argv += ["--ro-bind-data", str(inherit[2]), "/etc/group"]
        argv += [*shown, "--remount-ro", "/", "--chdir", str(cwd), "--args", str(inherit[0])]
        argv += ["--", *started] if command.tty else ["--new-session", "--", *started]
        # Empty: everything inside would see what bwrap is given here (older ones do not know --clearenv).
        return HostCommand(argv, env={}, inherit=inherit, private_terminal=command.tty)

    def terminate(self, vm: Vm, run_id: str) -> None:
        """Do nothing: a sandbox ends with its client."""

    def pause(self, vm: Vm, process: int) -> None:
        """Stop every process of the sandbox that the command has made."""
        self._stopped[process] = sandbox_processes.stop_all_below(process)

    def resume(self, vm: Vm, process: int) -> None:
        """Let the stopped processes go on."""
        sandbox_processes.let_go_on(self._stopped.pop(process, ()))

    def notice(self, vm: Vm) -> str | None:
        """Return the caveat of a shared kernel the first time it is asked for this VM, then None."""
        try:
            os.close(
                os.open(
                    self._create_private(vm) / _NOTICE,
                    os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                    0o600,
                )
            )
        except OSError:
            return None
        return _(
            "The sandbox '{vm}' shares the kernel and the network of this machine: it keeps an agent away from "
            "your files, but is weaker than a virtual machine (`engine: multipass`)"
        ).format(vm=vm.name)


def _mount_arguments(mounts: Iterable[MountPoint]) -> list[str]:
    arguments: list[str] = []
    for mount in mounts:
        arguments += ["--bind", str(mount.source), str(mount.target)]
    return arguments


def _on_terminal(argv: Sequence[str]) -> list[str]:
    bash = sandbox_view.find_bash()
    return [bash, "-p", "-c", _TERMINAL_SCRIPT, "agsekit", *argv] if bash else list(argv)


def _environment_arguments(variables: Mapping[str, str]) -> bytes:
    """Return what `bwrap --args` reads: a NUL in a value would let the value add arguments of its own."""
    arguments: list[str] = []
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise EngineError(
                _("The environment variable {name} has a name or a value that no program can be given").format(
                    name=repr(name)
                )
            )
        arguments += ["--setenv", name, value]
    return b"".join(os.fsencode(argument) + b"\0" for argument in arguments)


def _readable(content: bytes) -> int:
    """Return a descriptor that reads `content` from memory; a pipe would block beyond its capacity."""
    descriptor = os.memfd_create("agsekit", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
