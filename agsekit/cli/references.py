"""The snapshot that a word on the command line names, and the shortest command that leads back to one."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from agsekit.cli.context import Context
from agsekit.config.select import mount_for
from agsekit.errors import AgsekitError, NotFoundError
from agsekit.i18n import _, sentence_and_hint
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.model import Snapshot
from agsekit_storage.reference import resolve
from agsekit_storage.store import Store

_TAKE_PATHS = ("cat", "diff", "restore")


def named_snapshot(ctx: Any, store: Store, word: str) -> Snapshot:
    """Return the snapshot that a word names; where it looks like a path, the error says where paths go.

    Raises:
        SnapshotNotFound: there is none.
        NotFoundError: there is none, and a path was meant.
    """
    try:
        return resolve(store, word, now=time.time())
    except SnapshotNotFound as error:
        hint = _hint_about_path(ctx, store, word)
        if hint is None:
            raise
        raise NotFoundError(sentence_and_hint(error)[0], hint=hint) from None


def _hint_about_path(ctx: Any, store: Store, word: str) -> Optional[str]:
    if not (os.path.lexists(word) or "/" in word or "." in word):
        return None
    command: str = ctx.command_path
    if os.path.isdir(word) and not _is_inside(word, store.source):
        return _("for another folder: {command}").format(command=f"{command} --source-dir {shlex.quote(word)}")
    group, _space, name = command.rpartition(" ")
    line = f"{command} latest" if name in _TAKE_PATHS else f"{group} log"
    return _("a path goes after a snapshot: {command}").format(command=f"{line} {shlex.quote(word)}")


def _is_inside(path: str, source: Optional[Path]) -> bool:
    return source is not None and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source))


def with_folders(context: Context, words: Sequence[str], source: Optional[Path], backup: Path) -> list[str]:
    """Return a command line for a store, with no more options than are needed where the user is now.

    `words` are the words of the command, without options for folders.
    """
    line = ["agsekit", *words]
    if context.config_path:
        line += ["--config", str(context.config_path)]
    try:
        config = context.load_config()
        mount = mount_for(config, source) if source else None
        here = mount_for(config, context.working_folder())
    except AgsekitError:
        mount = here = None
    if mount and os.path.realpath(mount.backup) == os.path.realpath(backup):
        return line if here is mount else [*line, "--source-dir", str(mount.source)]
    return [*line, *(["--source-dir", str(source)] if source else []), "--dest-dir", str(backup)]
