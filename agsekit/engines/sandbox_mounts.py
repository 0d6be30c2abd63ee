"""Where host folders appear in a sandbox, checked against what an agent may have done to them.

Everything inside a mounted folder and inside the private home is written by agents. bubblewrap follows
links while it sets a sandbox up, so every folder it is told to mount on is first looked at without
following any.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from agsekit.config.model import GUEST_HOME
from agsekit.engines.base import MountPoint
from agsekit.errors import EngineError
from agsekit.i18n import _

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SYSTEM = tuple(
    PurePosixPath(path)
    for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
)
_KERNEL = tuple(PurePosixPath(path) for path in ("/proc", "/sys", "/dev"))
_KEPT = tuple(
    PurePosixPath(path)
    for path in ("/", "/home", "/etc", "/run", "/tmp", "/var", "/var/tmp", "/nix", "/gnu")  # noqa: S108
)


def is_within(path: PurePosixPath, folder: PurePosixPath) -> bool:
    """Say whether `path` is `folder` or lies below it, by its spelling alone."""
    return path == folder or folder in path.parents


def in_mount_order(mounts: Sequence[MountPoint]) -> list[MountPoint]:
    """Return the mounts with every outer target before the targets inside it."""
    return sorted(mounts, key=lambda mount: (len(mount.target.parts), str(mount.target)))


def check_mounts(mounts: Sequence[MountPoint]) -> None:
    """Refuse mounts that cannot be made, or would show something else than they say.

    Raises:
        EngineError: a source is missing, is no folder, or is or lies behind a link that an agent could have
            made; or a target hides a part of the system.
    """
    seen: set[PurePosixPath] = set()
    for mount in mounts:
        _check_target(mount.target)
        if mount.target in seen:
            raise EngineError(_("Two mounts have the target {target}").format(target=mount.target))
        seen.add(mount.target)
        _check_source(mount.source, mounts)


def _check_target(target: PurePosixPath) -> None:
    hint = _("choose a target below {home}").format(home=GUEST_HOME)
    if not target.is_absolute() or ".." in target.parts or "\0" in str(target):
        raise EngineError(_("The mount target {target} is not an absolute path").format(target=target), hint=hint)
    if target in _KEPT or any(is_within(target, folder) for folder in (*_SYSTEM, *_KERNEL)):
        raise EngineError(
            _("The mount target {target} would hide a part of the system inside").format(target=target),
            hint=hint,
        )


def _check_source(source: Path, mounts: Sequence[MountPoint]) -> None:
    try:
        mode = os.lstat(source).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EngineError(
            _("The mounted folder {source} cannot be used: {reason}").format(source=source, reason=reason),
            hint=_("create it again, or remove the mount from the configuration"),
        ) from None
    if stat.S_ISLNK(mode):
        raise _link_error(source)
    if not stat.S_ISDIR(mode):
        raise EngineError(_("The mounted path {source} is not a folder").format(source=source))
    for outer in mounts:
        if outer.source in source.parents and not _is_plain(outer.source, source.relative_to(outer.source).parts):
            raise _link_error(source)


def _link_error(source: Path) -> EngineError:
    return EngineError(
        _("The mounted folder {source} is a link, or lies behind one in another mounted folder").format(
            source=source
        ),
        hint=_("name the folder that the link leads to in the configuration"),
    )


def _is_plain(base: Path, parts: Iterable[str]) -> bool:
    """Say whether only real folders lead from `base` through `parts`."""
    path = base
    for part in parts:
        path = path / part
        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return False
        except OSError:
            return False
    return True


def prepare_targets(home: Path, mounts: Sequence[MountPoint]) -> None:
    """Create the folders to mount on, where they lie in the private home or in another mount.

    Raises:
        EngineError: a link or a file is in the way.
    """
    above = [MountPoint(home, GUEST_HOME)]
    for mount in in_mount_order(mounts):
        outer = _innermost(mount.target, above)
        if outer is not None and outer.target != mount.target:
            _make_folders(outer.source, mount.target.relative_to(outer.target).parts, mount.target)
        above.append(mount)


def prepare_home(home: Path, inside: PurePosixPath) -> None:
    """Create a home folder below the private home, for its user alone.

    Raises:
        EngineError: a link or a file is in the way.
    """
    _make_folders(home, inside.relative_to(GUEST_HOME).parts, inside, mode=0o700)


def _innermost(path: PurePosixPath, mounts: Iterable[MountPoint]) -> MountPoint | None:
    containing = [mount for mount in mounts if is_within(path, mount.target)]
    return max(containing, key=lambda mount: len(mount.target.parts), default=None)


def _make_folders(base: Path, parts: Sequence[str], target: PurePosixPath, *, mode: int = 0o755) -> None:
    descriptor = os.open(base, _DIRECTORY)
    try:
        for part in parts:
            try:
                os.mkdir(part, mode, dir_fd=descriptor)
            except FileExistsError:
                pass
            deeper = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
    except OSError as error:
        raise EngineError(
            _("The folder {target} cannot be made or used inside: {reason}").format(
                target=target, reason=error.strerror
            ),
            hint=_("look at {path} and move away what is there").format(path=base.joinpath(*parts)),
        ) from None
    finally:
        os.close(descriptor)


def check_working_folder(cwd: PurePosixPath, home: Path, mounts: Sequence[MountPoint]) -> None:
    """Refuse a working folder that does not exist inside; one behind a link is left to the kernel inside.

    Raises:
        EngineError: there is no such folder.
    """
    outer = _innermost(cwd, [MountPoint(home, GUEST_HOME), *mounts])
    if outer is not None and ".." not in cwd.parts:
        exists = _may_exist(outer.source, cwd.relative_to(outer.target).parts)
    else:
        exists = cwd.is_absolute() and (cwd in _KEPT or any(is_within(cwd, folder) for folder in _SYSTEM))
    if not exists or "\0" in str(cwd):
        raise EngineError(
            _("The folder {folder} does not exist inside").format(folder=cwd),
            hint=_("run in a folder that the configuration mounts"),
        )


def _may_exist(base: Path, parts: Iterable[str]) -> bool:
    path = base
    for part in parts:
        path = path / part
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            return False
        if stat.S_ISLNK(mode):
            return True
        if not stat.S_ISDIR(mode):
            return False
    return True
