"""Commands that start, stop and remove machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from . import guest
from .client import TIMEOUT, CommandError, complain, end_spin, errors_occurred, failed, parse, spin
from .state import Daemon, Instance


def require_daemon(daemon: Daemon, command: str) -> None:
    """Fail the way a client does that cannot reach the daemon."""
    if daemon.situation("daemon", "up") != "up":
        raise failed(command, "cannot connect to the multipass socket")


@contextlib.contextmanager
def spinner(message: str) -> Iterator[None]:
    """Show a spinner around a request."""
    spin(message, frames=1)
    try:
        yield
    finally:
        end_spin()


def seen_state(instance: Instance) -> str:
    """Return the state a request meets now, without moving the boot on."""
    return instance.pending[0] if instance.pending else instance.state


def existing(daemon: Daemon, command: str, names: Sequence[str], *, deleted: bool = False) -> list[Instance]:
    """Return the machines of these names; all or nothing."""
    found, problems = [], []
    for name in names:
        instance = daemon.find(name)
        if instance is None:
            problems.append(f'instance "{name}" does not exist')
        elif instance.state == "Deleted" and not deleted:
            problems.append(f'instance "{name}" is deleted')
        else:
            found.append(instance)
    if problems:
        raise errors_occurred(command, *problems)
    return found


def start(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass start`."""
    arguments = parse(argv, flags="all", values="timeout")
    with spinner(f"Starting {', '.join(arguments.positional)}"):
        boot(daemon, arguments.positional)


def boot(daemon: Daemon, names: Sequence[str]) -> None:
    """Start machines, as `start` does and `exec` for one that does not run."""
    require_daemon(daemon, "start")
    missing = []
    for name in names:
        instance = daemon.find(name)
        if instance is None:
            missing.append(f"Instance '{name}' does not exist.")
        elif instance.state == "Deleted":
            hint = "Use 'recover' to recover it or 'purge' to permanently delete it."
            missing.append(f"Instance '{name}' is deleted. {hint}")
    if missing:
        raise failed("start", "instance(s) missing", *missing, "")
    for name in names:
        _boot_one(daemon, daemon.instances[name])


def _boot_one(daemon: Daemon, instance: Instance) -> None:
    state = seen_state(instance)
    if state == "Running":
        return
    if state == "Unknown":
        reason = f"Instance '{instance.name}' is already running, but in an unknown state."
        raise errors_occurred("start", reason, "Try to stop it first.")
    if instance.doomed:
        _never_answers(instance)
    if state in ("Stopped", "Suspended"):
        problem = daemon.take("start_failures")
        if problem == "timeout":
            instance.pending = list(daemon.situation("boot_states", []))
            instance.state, instance.doomed = ("Running", False) if instance.pending else ("Starting", True)
            raise CommandError(TIMEOUT, "Timed out waiting for instance to start.\n")
        if problem == "response":
            _never_answers(instance)
        instance.pending = list(daemon.situation("boot_states", []))
        for target in list(instance.mounts):
            if daemon.take("mount_failures"):
                del instance.mounts[target]
                complain(f"Removing mount \"{target}\" from '{instance.name}'\n")
    else:
        instance.pending = []
    instance.state = "Running"


def _never_answers(instance: Instance) -> None:
    instance.state, instance.doomed, instance.pending = "Unknown", False, []
    raise errors_occurred("start", f"{instance.name}: timed out waiting for response")


def stop(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass stop`."""
    arguments = parse(argv, flags="all force c/cancel", values="t/time")
    with spinner(f"Stopping {', '.join(arguments.positional)}"):
        require_daemon(daemon, "stop")
        for instance in existing(daemon, "stop", arguments.positional):
            if not arguments.has("force"):
                _refuse_stop(instance)
            power_off(daemon, instance)


def _refuse_stop(instance: Instance) -> None:
    state = seen_state(instance)
    if state == "Suspended":
        reason = f"Cannot shut down suspended instance {instance.name}."
    elif state == "Starting":
        reason = f"Cannot shut down instance {instance.name} while starting."
    else:
        return
    raise failed("stop", reason, "Use --force to power it off.")


def power_off(daemon: Daemon, instance: Instance) -> None:
    """End everything inside, and the machine."""
    guest.end_all(instance)
    instance.state, instance.pending, instance.doomed = "Stopped", [], False


def restart(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass restart`."""
    arguments = parse(argv, flags="all", values="timeout")
    with spinner(f"Restarting {', '.join(arguments.positional)}"):
        require_daemon(daemon, "restart")
        for instance in existing(daemon, "restart", arguments.positional):
            if seen_state(instance) == "Unknown":
                reason = f"Instance '{instance.name}' is already running, but in an unknown state."
                raise failed("restart", reason, "Try to stop and start it instead.")
            power_off(daemon, instance)
            _boot_one(daemon, instance)


def suspend(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass suspend`: says yes to an Unknown machine and does nothing."""
    arguments = parse(argv, flags="all")
    with spinner(f"Suspending {', '.join(arguments.positional)}"):
        require_daemon(daemon, "suspend")
        for instance in existing(daemon, "suspend", arguments.positional):
            if seen_state(instance) == "Running":
                guest.end_all(instance)
                instance.state = "Suspended"


def delete(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass delete` of machines and of snapshots."""
    from .snapshots import delete_snapshot

    arguments = parse(argv, flags="all p/purge")
    purging = arguments.has("purge")
    require_daemon(daemon, "delete")
    names = [word for word in arguments.positional if "." not in word]
    doomed = existing(daemon, "delete", names, deleted=True)
    for instance in doomed:
        if seen_state(instance) == "Starting" and not purging:
            reason = f"Cannot shut down instance {instance.name} while starting."
            raise failed("delete", reason, "Use --purge to forcefully delete it.")
    for word in arguments.positional:
        if "." in word:
            delete_snapshot(daemon, word, purging=purging)
    for instance in doomed:
        power_off(daemon, instance)
        instance.state = "Deleted"
        if purging:
            _erase(daemon, instance)


def _erase(daemon: Daemon, instance: Instance) -> None:
    del daemon.instances[instance.name]
    guest.erase(daemon.home_of(instance.name))


def recover(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass recover`."""
    arguments = parse(argv, flags="all")
    require_daemon(daemon, "recover")
    for instance in existing(daemon, "recover", arguments.positional, deleted=True):
        if instance.state == "Deleted":
            instance.state = "Stopped"


def purge(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass purge`: of all deleted machines."""
    parse(argv)
    require_daemon(daemon, "purge")
    for instance in list(daemon.instances.values()):
        if instance.state == "Deleted":
            _erase(daemon, instance)
