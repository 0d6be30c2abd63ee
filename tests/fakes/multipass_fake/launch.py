"""Command launch."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from . import guest
from .client import (
    COMMAND_LINE,
    TIMEOUT,
    Arguments,
    CommandError,
    clear,
    complain,
    end_spin,
    errors_occurred,
    failed,
    parse,
    say,
    spin,
    unhandled,
)
from .lifecycle import require_daemon
from .mounts import register
from .state import GIB, MIB, Daemon, Instance, parse_size

_VALUES = "n/name c/cpus m/memory mem d/disk cloud-init timeout network mount"
_MEM_WARNING = (
    'Warning: the "--mem" long option is deprecated in favour of "--memory". Please update any scripts, etc.\n'
)


def launch(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass launch`: a machine from an image file or, with a network, from a name."""
    arguments = parse(argv, flags="bridged", values=_VALUES)
    if arguments.has("mem"):
        complain(_MEM_WARNING)
    cloud_init = _check_on_the_client(arguments)
    clear()
    require_daemon(daemon, "launch")
    name = arguments.value("name") or f"keen-{len(daemon.instances) + 1}"
    _check_in_the_daemon(daemon, name, arguments)
    image = (arguments.positional or [""])[0]
    if not image.startswith("file://") and not daemon.situation("network", True):
        raise failed("launch", 'Remote "" is unknown or unreachable.')
    spin(f"Creating {name}")
    try:
        instance = _create(daemon, name, image, arguments, cloud_init)
    finally:
        end_spin()
    for word in arguments.options.get("mount", []):
        source, _, target = word.partition(":")
        register(instance, str(Path(source).absolute()), target or f"/home/ubuntu/{Path(source).name}")
    say(f"Launched: {name}\n")
    clear()


def _check_on_the_client(arguments: Arguments) -> str:
    if len(arguments.positional) > 1:
        raise CommandError(COMMAND_LINE, "Too many arguments supplied\n")
    cpus = arguments.value("cpus", "1")
    if not cpus.isdigit() or int(cpus) < 1:
        raise CommandError(COMMAND_LINE, f"Error: invalid CPU count '{cpus}', need a positive integer value.\n")
    timeout = arguments.value("timeout", "300")
    if not timeout.isdigit() or int(timeout) < 1:
        raise CommandError(COMMAND_LINE, "error: --timeout value has to be a positive integer\n")
    for option in ("mem", "memory", "disk"):
        text = arguments.value(option, "1G")
        if parse_size(text) is None:
            raise unhandled(
                f"{text} is not a valid memory size - need a non-negative integer (in base 10) "
                "or a decimal followed by K, M, or G (e.g. 1234B, 42MiB, 0.5G)"
            )
    for word in arguments.options.get("mount", []):
        source = word.partition(":")[0]
        if not Path(source).exists():
            raise CommandError(COMMAND_LINE, f'Mount source path "{source}" does not exist\n')
    return _read_cloud_init(arguments.value("cloud-init"))


def _read_cloud_init(file: str) -> str:
    if not file:
        return ""
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text()
    except OSError:
        raise CommandError(
            COMMAND_LINE,
            f"Could not load cloud-init configuration: bad file: {file}\nPlease ensure that Multipass can read it.\n",
        ) from None


def _check_in_the_daemon(daemon: Daemon, name: str, arguments: Arguments) -> None:
    problems = []
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?", name):
        problems.append(f"Invalid instance name supplied: {name}")
    memory = arguments.value("memory") or arguments.value("mem") or "1G"
    if (parse_size(memory) or 0) < 128 * MIB:
        problems.append(f"Invalid memory size value supplied: {memory}.")
    disk = arguments.value("disk", "5G")
    if (parse_size(disk) or 0) < 512 * MIB:
        problems.append(f"Invalid disk size value supplied: {disk}.")
    if problems:
        raise failed("launch", "Invalid arguments supplied", *problems)
    if name in daemon.instances:
        reason = "is being prepared" if daemon.instances[name].hidden_calls else "already exists"
        raise failed("launch", f'instance "{name}" {reason}')


def _create(daemon: Daemon, name: str, image: str, arguments: Arguments, cloud_init: str) -> Instance:
    problem = daemon.take("launch_failures") or ""
    file = Path(image[len("file://") :])
    if problem == "copy":
        copy = daemon.folder / "data/vault/instances" / name / file.name
        raise failed("launch", f"Failed to copy {file} to {copy}")
    if image.startswith("file://") and not file.exists():
        raise failed("launch", f"Custom image `{file}` does not exist.")
    end_spin()
    spin(f"Preparing image for {name}")
    if problem == "daemon-dies":
        daemon.situations["daemon"] = "down"
        raise failed("launch", "cannot connect to the multipass socket")
    instance = Instance(
        name,
        cpus=int(arguments.value("cpus", "1")),
        memory=parse_size(arguments.value("memory") or arguments.value("mem") or "1G") or GIB,
        disk=parse_size(arguments.value("disk", "5G")) or 5 * GIB,
        image=str(file) if image.startswith("file://") else "",
        release="Not Available" if image.startswith("file://") else "Ubuntu 24.04 LTS",
        cloud_init=cloud_init,
        pending=list(daemon.situation("boot_states", [])),
    )
    daemon.instances[name] = instance
    guest.first_start(daemon, instance)
    if problem == "response":
        instance.state, instance.pending = "Unknown", []
        raise errors_occurred("launch", f"{name}: timed out waiting for response")
    if problem.startswith("timeout"):
        instance.state = "Running" if instance.pending else "Starting"
        instance.hidden_calls = int(problem.partition(":")[2] or 0) + 1
        raise CommandError(TIMEOUT, "Timed out waiting for instance launch.\n")
    return instance
