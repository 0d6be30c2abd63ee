"""What a restore would do: the difference between a snapshot and a folder, turned into steps."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from agsekit_storage.changes import Comparison
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.model import INODE, MODE, NLINK, Entry, Folder, Problem, Tree, join, split


@dataclass
class Plan:
    """The steps of a restore, each a list of paths relative to the folder, in tree order.

    `create` and `replace` bring back files, links and folders; `adjust` sets mode, owner, attributes and times only;
    `delete` removes what the snapshot does not have; `clear` is what must go first because something of another
    kind stands in its place. `problems` are paths that cannot be brought back and are left as they are.
    """

    create: list[bytes] = field(default_factory=list)
    replace: list[bytes] = field(default_factory=list)
    adjust: list[bytes] = field(default_factory=list)
    delete: list[bytes] = field(default_factory=list)
    clear: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.create or self.replace or self.adjust or self.delete or self.clear)


def plan_restore(
    wanted: Tree,
    current: Tree,
    comparison: Comparison,
    *,
    paths: Sequence[bytes] = (),
    keep_new: bool = False,
    protected: Callable[[bytes], bool] = lambda path: False,
) -> Plan:
    """Turn the changes from `wanted` to `current` into the steps that undo them.

    Args:
        paths: restrict it to these and what is below them; all when empty.
        keep_new: leave alone what the snapshot does not have.
        protected: tells which of those must be left alone in any case.

    Raises:
        SnapshotNotFound: one of `paths` is neither in the snapshot nor in the folder.
    """
    chosen = _selector(paths, wanted, current)
    changes = comparison.changes
    plan = Plan()
    unsaved = _Unsaved(wanted, current)
    for path in filter(chosen, [*changes.modified, *changes.metadata, *changes.touched]):
        if not unsaved.report(path, plan):
            _plan_existing(path, wanted, current, plan)
    plan.create += [path for path in filter(chosen, changes.removed) if not unsaved.report(path, plan)]
    cleared = frozenset(plan.clear)
    for path in filter(chosen, changes.added):
        if _is_below(path, cleared):
            plan.clear.append(path)
        elif not keep_new and not protected(path):
            plan.delete.append(path)
    return plan


def plan_everything(wanted: Tree, *, paths: Sequence[bytes] = ()) -> Plan:
    """Return the steps that make a snapshot, or a part of it, in an empty folder."""
    chosen = _selector(paths, wanted, None)
    plan = Plan()
    unsaved = _Unsaved(wanted, None)
    for entry in wanted.entries():
        if chosen(entry.path) and not unsaved.report(entry.path, plan):
            plan.create.append(entry.path)
    return plan


def find(tree: Tree, path: bytes) -> Entry:
    """Return one entry of a tree.

    Raises:
        KeyError: there is none.
    """
    folder_path, name = split(path)
    folder = tree.folders[folder_path]
    position = _position(folder, name)
    return Entry(path, folder.row(position), folder.digest(position), folder.links.get(name), folder.xattrs.get(name))


def hard_link_groups(tree: Tree) -> dict[int, list[bytes]]:
    """Return the files that have several names in a tree, by inode."""
    groups: dict[int, list[bytes]] = {}
    for path, folder in tree.folders.items():
        for position, name in enumerate(folder.names):
            row = folder.row(position)
            if row[NLINK] > 1 and stat.S_ISREG(row[MODE]):
                groups.setdefault(row[INODE], []).append(join(path, name))
    return {inode: paths for inode, paths in groups.items() if len(paths) > 1}


def _plan_existing(path: bytes, wanted: Tree, current: Tree, plan: Plan) -> None:
    """Plan for a path that both have: new content, or only its metadata, or another kind of thing."""
    if path == b".":
        plan.adjust.append(path)
        return
    target, present = find(wanted, path), find(current, path)
    kind = stat.S_IFMT(target.row[MODE])
    if kind != stat.S_IFMT(present.row[MODE]):
        plan.clear.append(path)
        plan.create.append(path)
    elif kind == stat.S_IFDIR or (kind == stat.S_IFREG and _only_metadata_differs(target, present)):
        plan.adjust.append(path)
    elif kind in (stat.S_IFREG, stat.S_IFLNK):
        plan.replace.append(path)


def _only_metadata_differs(target: Entry, present: Entry) -> bool:
    return target.digest == present.digest and target.row[NLINK] == 1


class _Unsaved:
    """Knows what the snapshot lists but does not hold."""

    def __init__(self, wanted: Tree, current: Tree | None) -> None:
        self._missing = frozenset(
            join(path, name) for path, folder in wanted.folders.items() for name in folder.missing
        )
        self._wanted = wanted
        # What could not be read now is not in the safety snapshot either, so it must not be overwritten.
        self._unread = frozenset(
            join(path, name)
            for path, folder in (current.folders.items() if current else ())
            for name in folder.missing
        )

    def report(self, path: bytes, plan: Plan) -> bool:
        """Add a problem for a path that cannot be brought back, and tell whether there is one."""
        if path in self._unread:
            plan.problems.append(Problem(path, "unreadable"))
            return True
        if path == b".":
            return False
        mode = find(self._wanted, path).row[MODE]
        if path in self._missing and not stat.S_ISDIR(mode):
            plan.problems.append(Problem(path, "not-in-snapshot"))
            return True
        if stat.S_IFMT(mode) not in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
            plan.problems.append(Problem(path, "special"))
            return True
        return False


def _selector(paths: Sequence[bytes], wanted: Tree, current: Tree | None) -> Callable[[bytes], bool]:
    if not paths:
        return lambda path: True
    for path in paths:
        if not (_holds(wanted, path) or (current is not None and _holds(current, path))):
            raise SnapshotNotFound(
                f"{path.decode('utf-8', 'backslashreplace')} is neither in the snapshot nor in the folder",
                hint="paths are relative to the source folder",
            )
    chosen = frozenset(paths)
    return lambda path: path in chosen or _is_below(path, chosen)


def _holds(tree: Tree, path: bytes) -> bool:
    try:
        find(tree, path)
    except (KeyError, ValueError):
        return False
    return True


def _position(folder: Folder, name: bytes) -> int:
    try:
        return folder.names.index(name)
    except ValueError:
        raise KeyError(name) from None


def _is_below(path: bytes, folders: Iterable[bytes]) -> bool:
    """Tell whether one of the path's parents is among `folders`."""
    if not folders:
        return False
    while True:
        path = split(path)[0]
        if not path:
            return False
        if path in folders:
            return True
