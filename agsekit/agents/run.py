"""Running an agent: in its VM, in its folder, under protection, on the user's terminal."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Optional

from agsekit.agents.arguments import merge_arguments
from agsekit.agents.environment import resolve_environment
from agsekit.agents.guarding import LossGuard, LossHooks
from agsekit.agents.programs import program_of
from agsekit.agents.told import without_secrets
from agsekit.config.allowed import refuse_forbidden
from agsekit.config.model import GUEST_HOME, Agent, Config, Mount, Vm
from agsekit.config.select import agent_named, hint_for_unmounted, mount_for, vm_for_run
from agsekit.engines.base import Engine, GuestCommand, MountPoint, ProgramNotInside
from agsekit.engines.guest_scripts import FIND_PROGRAMS
from agsekit.errors import AgsekitError, ExitCode, NotFoundError
from agsekit.i18n import _
from agsekit.network.proxychains import choose_proxy, through_proxy
from agsekit.process import Runner
from agsekit.protection.session import ProtectedRun, Summary
from agsekit.protection.target import refuse_mounted_store, target_of
from agsekit.terminal import run_foreground
from agsekit_storage.events import OnEvent
from agsekit_storage.run_log import Run
from agsekit_storage.snapshots import Result


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for. `folder` is None when none was named; `working_folder` is where the user is.

    `proxy` is `scheme://host:port`, empty for none, or None for what the configuration says.
    """

    agent: str
    folder: Optional[Path]
    working_folder: Path
    vm: Optional[str] = None
    arguments: Sequence[str] = ()
    skip_default_args: bool = False
    backups: bool = True
    tty: bool = False
    proxy: Optional[str] = None


@dataclass(frozen=True)
class RunPlan:
    """What a request comes to: everything that is known before anything is started.

    `told_arguments` are those of the agent without secrets, for the history.
    """

    run_id: str
    agent: Agent
    vm: Vm
    mount: Optional[Mount]
    guest_folder: Optional[PurePosixPath]
    command: GuestCommand
    told_arguments: Sequence[str] = ()


@dataclass(frozen=True)
class RunHooks:
    """How a run reports.

    `on_status` gets a sentence when something that takes long begins, `on_started` the host command of the agent.
    `on_ready` is called with the mounts once the VM runs and has them, before anything relies on that. `losses` is
    how it is told that the run destroys much; without, it is only in the summary.
    """

    on_status: Callable[[str], None]
    on_snapshot: OnEvent
    on_protected: Callable[[Result], None]
    on_started: Callable[[Sequence[str]], None]
    on_ready: Callable[[Sequence[MountPoint]], None] = lambda mounts: None
    losses: Optional[LossHooks] = None


def plan_run(
    config: Config, request: RunRequest, runner: Runner, *, on_warning: Callable[[str], None] = lambda text: None
) -> RunPlan:
    """Find agent, mount, VM and command; look up the values of the environment that come from the host.

    Raises:
        NotFoundError: one of them is not in the configuration, or the folder is in no mount.
        UsageError: the proxy is none.
        AgsekitError: the agent is not allowed there, or a value of its environment cannot be had.
    """
    agent = agent_named(config, request.agent)
    mount = mount_for(config, request.folder or request.working_folder, vm=request.vm)
    if request.folder is not None and mount is None:
        raise NotFoundError(
            _("{folder} does not belong to a mount of the configuration").format(folder=request.folder),
            hint=hint_for_unmounted(config, request.folder),
        )
    vm = vm_for_run(config, requested=request.vm, mount=mount, agent=agent)
    if mount and mount.vm != vm.name:
        raise NotFoundError(
            _("{folder} is not mounted in the VM '{vm}', but in '{other}'").format(
                folder=mount.source, vm=vm.name, other=mount.vm
            ),
            hint=_("leave out --vm, or add a mount for this VM to {path}").format(path=config.path),
        )
    refuse_forbidden(config, agent, vm, mount)
    if mount and request.backups:
        refuse_mounted_store(mount.backup, config)
    guest_folder = _guest_folder(mount, request.folder or request.working_folder) if mount else None
    run_id = new_run_id()
    proxy = choose_proxy(request.proxy, agent, vm)
    program, arguments = program_of(agent), _arguments(agent, request)
    env = resolve_environment(agent.env, runner, on_warning=on_warning)
    proxied = through_proxy([*program, *arguments], env, proxy)
    command = GuestCommand(proxied.argv, run_id, proxied.env, guest_folder, request.tty, own_home(agent), program[0])
    return RunPlan(run_id, agent, vm, mount, guest_folder, command, without_secrets(arguments, env.values()))


def new_run_id() -> str:
    """Return the name of a run, which no other has."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


def own_home(agent: Agent) -> Optional[PurePosixPath]:
    """Return the home of a profile that shares none, inside the VM."""
    return GUEST_HOME / ".agsekit/homes" / agent.name if agent.own_home else None


def _arguments(agent: Agent, request: RunRequest) -> Sequence[str]:
    return merge_arguments(() if request.skip_default_args else agent.default_args, request.arguments)


def _guest_folder(mount: Mount, folder: Path) -> PurePosixPath:
    inside = Path(os.path.realpath(folder)).relative_to(os.path.realpath(mount.source))
    return mount.target / PurePosixPath(inside.as_posix())


def execute_run(
    plan: RunPlan, engine: Engine, *, backups: bool, home: Path, hooks: RunHooks
) -> tuple[int, Optional[Summary]]:
    """Run the agent and return its exit code, and what it did to the folder when that is protected.

    Raises:
        ProgramNotInside: the agent is not installed in the VM.
        AgsekitError, StorageError: something failed before the agent started; nothing runs.
    """
    mounts = [MountPoint(plan.mount.source, plan.mount.target)] if plan.mount else []
    protection = _protection(plan, plan.mount, home) if plan.mount and backups else None
    engine.make_ready(plan.vm, mounts, on_event=hooks.on_status)
    hooks.on_ready(mounts)

    def end_inside() -> None:
        if not engine.capabilities.ends_with_client:
            engine.terminate(plan.vm, plan.run_id)

    if protection:
        hooks.on_protected(protection.begin(on_orphaned=end_inside, on_event=hooks.on_snapshot))
    summary = None
    code: Optional[int] = None
    try:
        command = engine.command(plan.vm, mounts, plan.command)
        hooks.on_started(command.argv)
        guard = _guard(plan, engine, protection, hooks)
        code = run_foreground(command, watcher=guard)
        if guard and guard.ended:
            code = ExitCode.LOSS
        if code == NOT_FOUND:
            refuse_missing_program(plan.vm, engine, plan.command)
    finally:
        try:
            end_inside()
        except AgsekitError as error:
            # The agent has ended; that its VM cannot be asked must not cost the last snapshot.
            hooks.on_status(error.message)
        finally:
            if protection:
                summary = protection.end(on_event=hooks.on_snapshot, exit_code=code)
    return code, summary


NOT_FOUND = 127
"""What a shell ends with that cannot find a program."""


def refuse_missing_program(vm: Vm, engine: Engine, command: GuestCommand) -> None:
    """Say why a command ended with 127, if it was because its program is not installed inside.

    Raises:
        ProgramNotInside: it was.
    """
    program = command.program or command.argv[0]
    if "/" in program or "PATH" in command.env:
        return
    looking = ["bash", "-lc", FIND_PROGRAMS + 'command -v -- "$1" >/dev/null', "agsekit", program]
    try:
        found = engine.run_inside(vm, looking).returncode == 0
    except AgsekitError:
        return
    if not found:
        raise ProgramNotInside(
            _("there is no program {name} in VM '{vm}'").format(name=repr(program), vm=vm.name),
            hint=_("install it there with `agsekit shell {vm}`").format(vm=vm.name),
        )


def _guard(plan: RunPlan, engine: Engine, protection: Optional[ProtectedRun], hooks: RunHooks) -> Optional[LossGuard]:
    if protection is None or plan.mount is None or hooks.losses is None or plan.mount.guard.loss == "off":
        return None
    return LossGuard(protection, engine, plan.vm, hooks.losses, pause=plan.mount.guard.loss == "pause")


def _protection(plan: RunPlan, mount: Mount, home: Path) -> ProtectedRun:
    target = target_of(mount)
    run = Run(plan.run_id, plan.agent.name, plan.vm.name, plan.told_arguments, started=time.time())
    details: Mapping[str, Any] = run.details()
    return ProtectedRun(target.create_store(home=home), target, details)
