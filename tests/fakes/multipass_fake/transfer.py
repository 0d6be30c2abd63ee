"""Command transfer."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import guest
from .client import FAILED, Arguments, CommandError, failed, parse, stamp
from .lifecycle import existing, require_daemon
from .state import Daemon, Instance


def _trouble(message: str) -> CommandError:
    return CommandError(FAILED, f"{stamp()} [error] [sftp] {message}\n")


def transfer(daemon: Daemon, argv: Sequence[str]) -> None:
    """`multipass transfer SOURCE... TARGET`: does not start the machine."""
    arguments = parse(argv, flags="r/recursive p/parents")
    require_daemon(daemon, "transfer")
    *sources, target = arguments.positional
    for source in sources:
        inside = _instance_of(daemon, source), _instance_of(daemon, target)
        if inside[1] is not None:
            _upload(daemon, arguments, inside[1], source, target.partition(":")[2])
        elif inside[0] is not None:
            _download(daemon, inside[0], source.partition(":")[2], target)


def _instance_of(daemon: Daemon, word: str) -> Instance | None:
    name, colon, _ = word.partition(":")
    if not colon or "/" in name:
        return None
    instance = existing(daemon, "transfer", [name])[0]
    if not instance.running:
        raise failed("transfer", f'instance "{name}" is not running')
    return instance


def _upload(daemon: Daemon, arguments: Arguments, instance: Instance, source: str, target: str) -> None:
    if source != "-" and not Path(source).exists():
        raise _trouble(f"cannot access {source}: No such file or directory")
    if source != "-" and Path(source).is_dir() and not arguments.has("recursive"):
        raise _trouble(f"omitting local directory {source}: recursive mode not specified")
    place = guest.locate(daemon, instance, target)
    if target.startswith("/root/"):
        raise _trouble(f"cannot open remote file {target}: SFTP server: Permission denied")
    if arguments.has("parents"):
        place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        place = place / Path(source).name
    if not place.parent.is_dir():
        raise _trouble("remote target does not exist")
    if source == "-":
        place.write_bytes(sys.stdin.buffer.read())
    elif Path(source).is_dir():
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, place)


def _download(daemon: Daemon, instance: Instance, source: str, target: str) -> None:
    place = guest.locate(daemon, instance, source)
    if not place.exists():
        raise _trouble(f"cannot open remote file {source}: SFTP server: No such file")
    if target == "-":
        sys.stdout.buffer.write(place.read_bytes())
        return
    local = Path(target)
    shutil.copyfile(place, local / os.path.basename(source) if local.is_dir() else local)
