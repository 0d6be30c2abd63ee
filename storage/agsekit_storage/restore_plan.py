"""What a restore would do: the difference between a snapshot and a folder, turned into steps."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from agsekit_storage.changes import Comparison
from agsekit_storage.errors import SnapshotNotFound
from agsekit_storage.model import Problem
from agsekit_storage.overview import missing_of
from agsekit_storage.tree import INODE, MODE, NLINK, WIDTH, Entry, Tree, folders_below, in_walk_order, join, split

TEMPORARY = b".agsekit-restore-"
"""How the names of files begin that a restore is writing; a crash may leave one."""


@dataclass
class Plan:
    """The steps of a restore, each a list of paths relative to the folder, in tree order.

    `create` and `replace` bring back files, links and folders; `adjust` sets mode, owner, attributes and times only;
    `delete` removes what the snapshot does not have; `clear` is what must go first because something of another
    kind stands in its place. `problems` are paths that cannot be brought back and are left as they are.

    `scope` tells which paths the restore is about, and `changed` holds all that differ from the snapshot, in the
    scope or not.
    """

    create: list[bytes] = field(default_factory=list)
    replace: list[bytes] = field(default_factory=list)
    adjust: list[bytes] = field(default_factory=list)
    delete: list[bytes] = field(default_factory=list)
    clear: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    scope: Callable[[bytes], bool] = field(default=lambda path: True, repr=False, compare=False)
    changed: frozenset[bytes] = field(default=frozenset(), repr=False, compare=False)

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
    plan = Plan(scope=chosen, changed=_all_changed(comparison))
    unsaved = _Unsaved(wanted, current, changes.added)
    hidden = _Hidden(current)
    for path in filter(chosen, [*changes.modified, *changes.metadata, *changes.touched]):
        if not unsaved.report(path, plan):
            _plan_existing(path, wanted, current, plan)
    plan.create += [
        path
        for path in filter(chosen, changes.removed)
        if not hidden.report(path, plan) and not unsaved.report(path, plan)
    ]
    cleared = frozenset(plan.clear)
    for path in changes.added:
        if split(path)[1].startswith(TEMPORARY):
            plan.delete.append(path)
        elif not chosen(path) or unsaved.keep(path, plan):
            continue
        elif is_below(path, cleared):
            plan.clear.append(path)
        elif not keep_new and not protected(path):
            plan.delete.append(path)
    return plan


def plan_everything(wanted: Tree, *, paths: Sequence[bytes] = ()) -> Plan:
    """Return the steps that make a snapshot, or a part of it, in an empty folder."""
    chosen = _selector(paths, wanted, None)
    plan = Plan(scope=chosen)
    unsaved = _Unsaved(wanted, None, ())
    if not paths:
        plan.adjust.append(b".")
    for path in _paths_at_or_below(wanted, paths):
        if not unsaved.report(path, plan):
            plan.create.append(path)
    # No name of a file is there yet that another could be linked to.
    plan.changed = frozenset(path for group in hard_link_groups(wanted, plan.create).values() for path in group)
    return plan


def _paths_at_or_below(tree: Tree, paths: Sequence[bytes]) -> Iterator[bytes]:
    """Yield some paths of a tree and all that is below them, each once and in tree order; everything for no paths."""
    if not paths:
        yield from (join(path, name) for path, folder in tree.folders.items() for name in folder.names)
        return
    whole = {below for path in paths for below in folders_below(tree.folders, path)}
    named: dict[bytes, set[bytes]] = {}
    for path in paths:
        named.setdefault(split(path)[0], set()).add(split(path)[1])
    for path in sorted(whole | named.keys(), key=in_walk_order):
        folder = tree.folders.get(path)
        for name in folder.names if folder is not None else ():
            if path in whole or name in named[path]:
                yield join(path, name)


def find(tree: Tree, path: bytes) -> Entry:
    """Return one entry of a tree.

    Raises:
        KeyError: there is none.
    """
    folder_path, name = split(path)
    folder = tree.folders[folder_path]
    position = folder.position(name)
    return Entry(path, folder.row(position), folder.digest(position), folder.links.get(name), folder.xattrs.get(name))


def hard_link_groups(tree: Tree, paths: Iterable[bytes]) -> dict[int, list[bytes]]:
    """Return all names in a tree of those files that have several, and one of them among `paths`, by inode."""
    wanted = set()
    for path in paths:
        row = tree.row(path)
        if row[NLINK] > 1 and stat.S_ISREG(row[MODE]):
            wanted.add(row[INODE])
    groups: dict[int, list[bytes]] = {}
    if not wanted:
        return groups
    for path, folder in tree.folders.items():
        counts = folder.stats[NLINK::WIDTH]
        if not counts or max(counts) < 2:
            continue
        for position, name in enumerate(folder.names):
            row = folder.row(position)
            if row[INODE] in wanted and row[NLINK] > 1 and stat.S_ISREG(row[MODE]):
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
    # What has several names is replaced: the others need not be ours to change.
    return target.digest == present.digest and target.row[NLINK] == present.row[NLINK] == 1


def _all_changed(comparison: Comparison) -> frozenset[bytes]:
    changes = comparison.changes
    return frozenset([*changes.modified, *changes.metadata, *changes.touched, *changes.removed, *comparison.unsaved])


class _Unsaved:
    """Knows what the snapshot lists but does not hold, and what the safety snapshot cannot hold."""

    def __init__(self, wanted: Tree, current: Tree | None, added: Sequence[bytes]) -> None:
        self._missing = frozenset(missing_of(wanted))
        self._wanted = wanted
        # What could not be read now is not in the safety snapshot either, so it must not be overwritten.
        self._unread = frozenset(missing_of(current) if current else ())
        special = [path for path in added if current and not _can_be_saved(current.row(path)[MODE])]
        self._special = frozenset(special)
        self._above_kept = frozenset(parent for path in (*self._unread, *special) for parent in parents(path))

    def keep(self, path: bytes, plan: Plan) -> bool:
        """Tell whether a path that the snapshot does not list must stay, and add a problem where that is news."""
        if path in self._unread or path in self._special:
            plan.problems.append(Problem(path, "special" if path in self._special else "unreadable"))
            return True
        # Below a folder that the snapshot could not list, not being listed means nothing.
        return path in self._above_kept or is_below(path, self._missing)

    def report(self, path: bytes, plan: Plan) -> bool:
        """Add a problem for a path that cannot be brought back, and tell whether there is one."""
        if path in self._unread:
            plan.problems.append(Problem(path, "unreadable"))
            return True
        if path in self._above_kept and not stat.S_ISDIR(find(self._wanted, path).row[MODE]):
            plan.problems.append(Problem(path, "in-the-way"))
            return True
        if path == b".":
            return False
        mode = find(self._wanted, path).row[MODE]
        if path in self._missing:
            plan.problems.append(Problem(path, "not-in-snapshot"))
            return not stat.S_ISDIR(mode)
        if not _can_be_saved(mode):
            plan.problems.append(Problem(path, "special"))
            return True
        return False


class _Hidden:
    """Knows what is there now but left out by the excludes of now, so that no safety snapshot holds it."""

    def __init__(self, current: Tree) -> None:
        self._folders = current.folders
        self._ignored: dict[bytes, frozenset[bytes]] = {}
        self._reported: set[bytes] = set()

    def report(self, path: bytes, plan: Plan) -> bool:
        """Tell whether a path, or a folder above it, is left out, and add a problem for the topmost of these."""
        top = next((each for each in (*reversed([*parents(path)]), path) if self._is_ignored(*split(each))), None)
        if top is not None and top not in self._reported:
            self._reported.add(top)
            plan.problems.append(Problem(top, "hidden"))
        return top is not None

    def _is_ignored(self, folder: bytes, name: bytes) -> bool:
        if folder not in self._ignored:
            found = self._folders.get(folder)
            self._ignored[folder] = frozenset(found.ignored if found else ())
        return name in self._ignored[folder]


def _can_be_saved(mode: int) -> bool:
    return stat.S_IFMT(mode) in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)


def parents(path: bytes) -> Iterator[bytes]:
    """Yield the folders above a path, the nearest first, without the source itself."""
    while True:
        path = split(path)[0]
        if not path:
            return
        yield path


def _selector(paths: Sequence[bytes], wanted: Tree, current: Tree | None) -> Callable[[bytes], bool]:
    for path in paths:
        if not (_holds(wanted, path) or (current is not None and _holds(current, path))):
            raise SnapshotNotFound(
                "{file} is neither in the snapshot nor in the folder",
                hint="paths are relative to the source folder",
                file=path.decode("utf-8", "backslashreplace"),
            )
    return selected(paths)


def selected(paths: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Return what tells whether a path is one of `paths` or below one of them; everything is for no paths."""
    chosen = frozenset(paths)
    return lambda path: not chosen or path in chosen or is_below(path, chosen)


def _holds(tree: Tree, path: bytes) -> bool:
    try:
        find(tree, path)
    except KeyError:
        return False
    return True


def is_below(path: bytes, folders: frozenset[bytes]) -> bool:
    """Tell whether one of the path's parents is among `folders`."""
    return bool(folders) and any(parent in folders for parent in parents(path))
