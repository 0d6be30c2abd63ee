"""Machines as the configuration describes them: looked at first, then made, prepared, resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agsekit.config.model import Vm
from agsekit.engines.base import Difference, Engine, OnEvent, State
from agsekit.errors import AgsekitError, EngineError
from agsekit.i18n import _
from agsekit.machines import guest
from agsekit.machines.cloud_init import apt_proxy, user_data
from agsekit.network.ssh import KeyPair, ensure_key_pair, host_alias, knows_host, remember_host_key
from agsekit.process import Runner

_INSTALL_SECONDS = 1800.0
_UNDER_WAY = (State.STARTING, State.UNKNOWN)


@dataclass(frozen=True)
class Access:
    """agsekit's own key, and the folder that holds it and the host keys it knows."""

    folder: Path
    key: KeyPair


def open_access(folder: Path, runner: Runner, *, on_event: OnEvent) -> Access:
    """Return agsekit's key, made at its first use.

    Raises:
        AgsekitError: ssh-keygen is missing, or the key cannot be used.
    """
    return Access(folder, ensure_key_pair(folder, runner, on_event=on_event))


@dataclass(frozen=True)
class Finding:
    """A VM as it is now: its state, and what of it is not as configured."""

    vm: Vm
    state: State
    differences: Sequence[Difference] = ()

    @property
    def exists(self) -> bool:
        """Whether there is such a VM."""
        return self.state is not State.ABSENT

    @property
    def applicable(self) -> Sequence[Difference]:
        """The differences that a resize can remove: a disk only grows."""
        return [each for each in self.differences if each.key != "disk" or each.configured > each.actual]


@dataclass(frozen=True)
class Outcome:
    """What was done for a VM.

    `result` is `created`, `resized`, `prepared` (something was missing inside), `different` (its sizes are not
    as configured, and were left), or `unchanged`. `prepared` names what was added inside, `lacking` what could
    not be, and `remaining` are the differences that are left. `checked` is False for a VM that does not run,
    which could not be looked into.
    """

    vm: Vm
    result: str
    state: State
    prepared: Sequence[str] = ()
    lacking: Sequence[str] = ()
    remaining: Sequence[Difference] = ()
    checked: bool = True


def look(vm: Vm, engine: Engine) -> Finding:
    """Compare a VM with the configuration, without changing anything.

    Raises:
        EngineError: the engine cannot be asked, or the name is taken by a deleted VM.
    """
    state = engine.inspect(vm).state
    if state is State.DELETED:
        raise EngineError(
            _("VM {name} is deleted, but its name is still taken").format(name=vm.name),
            hint=_(
                "Remove it for good with `agsekit destroy-vm {name}`, "
                "or bring it back with `multipass recover {name}`"
            ).format(name=vm.name),
        )
    return Finding(vm, state, () if state is State.ABSENT else engine.compare(vm))


def bring_about(
    finding: Finding, engine: Engine, access: Access | None, *, resize: bool, start: bool, on_event: OnEvent
) -> Outcome:
    """Make the VM if there is none, and see to what is missing inside it.

    An existing VM keeps its sizes, unless `resize`; and one that is stopped stays so, unless `start`. What a
    command before this one began and did not finish is finished. Only an engine without `own_system` needs no
    access.
    """
    vm, state, resized = finding.vm, finding.state, False
    if not finding.exists:
        engine.create(vm, user_data(vm, access.key.public) if access else "", on_event=on_event)
        state = State.RUNNING
    elif resize and finding.applicable:
        _resize(finding, engine, on_event)
        resized = True
    if engine.capabilities.boots and (state in _UNDER_WAY or (start and state is not State.RUNNING)):
        engine.start(vm, on_event=on_event)
        state = State.RUNNING
    prepared, lacking = _prepare(vm, engine, access, on_event) if access and state is State.RUNNING else ((), ())
    remaining = [each for each in finding.differences if not resized or each not in finding.applicable]
    result = "created" if not finding.exists else "resized" if resized else "prepared" if prepared else ""
    result = result or ("different" if remaining else "unchanged")
    return Outcome(vm, result, state, prepared, lacking, remaining, state is State.RUNNING)


def _resize(finding: Finding, engine: Engine, on_event: OnEvent) -> None:
    """Stop, set and start again; a VM that was not running stays so."""
    vm = finding.vm
    was_stopped = finding.state is State.STOPPED
    if not was_stopped:
        engine.stop(vm, force=False, on_event=on_event)
    try:
        engine.resize(vm, finding.applicable)
    finally:
        if not was_stopped:
            engine.start(vm, on_event=on_event)


def _prepare(vm: Vm, engine: Engine, access: Access, on_event: OnEvent) -> tuple[Sequence[str], Sequence[str]]:
    """See to the key, the packages and the host key; return what was added and what could not be."""
    if not engine.capabilities.own_system:
        return (), ()
    on_event(_("Looking into VM {name}").format(name=vm.name))
    preparing = ["sh", "-c", guest.PREPARE, "agsekit", access.key.public, apt_proxy(vm), *guest.PACKAGES]
    done = engine.run_inside(vm, preparing, timeout=_INSTALL_SECONDS)
    if done.returncode:
        raise EngineError(
            _("VM {name} could not be prepared").format(name=vm.name),
            hint=_("Look into it with `agsekit shell {name}`").format(name=vm.name),
            details=done.error_text,
        )
    lines = [line.split() for line in done.text.splitlines()]
    added = [words[1] for words in lines if len(words) == 2 and words[0] == "did"]
    lacking = [words[1] for words in lines if len(words) == 2 and words[0] == "failed"]
    alias = host_alias(vm.name)
    known = knows_host(access.folder, alias)
    _remember(vm, engine, access)
    return [*added, *([] if known else ["host-key"])], lacking


def _remember(vm: Vm, engine: Engine, access: Access) -> None:
    """Read the host keys over the engine's own channel, which is trusted, so that ssh need not trust a network."""
    done = engine.run_inside(vm, ["sh", "-c", guest.HOST_KEYS])
    try:
        remember_host_key(access.folder, host_alias(vm.name), done.text.splitlines())
    except AgsekitError as error:
        raise EngineError(
            _("VM {name} did not tell its host keys: {reason}").format(name=vm.name, reason=error.message),
            hint=_("See whether an SSH server is installed in it"),
            details=done.error_text or None,
        ) from None
