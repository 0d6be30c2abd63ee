"""One watch for every folder of a source that the rules do not leave out, and the paths that may have changed."""

from __future__ import annotations

import errno
import os
from collections.abc import Set as AbstractSet
from typing import Optional

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.watching import inotify
from agsekit.watching.inotify import Event, Inotify
from agsekit_storage.cursor import EXHAUSTED, FolderCursor
from agsekit_storage.ignore import FolderRules, IgnoreRules, Verdict
from agsekit_storage.tree import join, split

MOST_WATCHES = 250_000
"""A source with more folders is not watched: each needs about a kilobyte of the kernel's memory."""
MOST_PATHS = 20_000
"""With more changed paths than that a look at everything is as cheap."""

_MOST_LEVELS = 2000
_LONGEST_PATH = 16 * 1024
_ONLY_ROOT = inotify.DELETE_SELF | inotify.MOVE_SELF


class CannotWatch(AgsekitError):
    """A source cannot be watched; its edits are found by walks at an interval."""


class _Watched:
    """One folder with a watch. `below` are its subfolders by name."""

    __slots__ = ("below", "number", "path", "rules")

    def __init__(self, number: int, path: bytes, rules: FolderRules) -> None:
        self.number = number
        self.path = path
        self.rules = rules
        self.below: dict[bytes, _Watched] = {}


class Watcher:
    """Collects the paths of one source that may have changed since they were last taken; everything at first.

    A folder is watched before it is looked into: whatever is done in it is either found there or told of. Where
    events and looks overlap, the last event about a name decides what is watched there, as it did on the disk.
    Nothing below the source is followed if it is a link.

    Attributes:
        lost: what is known is not enough to go on; another watcher has to begin anew.
        gone: the source was moved, deleted or unmounted.

    Raises:
        CannotWatch: there is no inotify, or it has not enough watches for this source.
        OSError: the source cannot be opened.
    """

    def __init__(self, source: bytes, rules: IgnoreRules, *, most: int = MOST_WATCHES) -> None:
        self.lost = self.gone = False
        self._source = source
        self._most = most
        self._everything = True
        self._paths: set[bytes] = set()
        self._numbers: dict[int, _Watched] = {}
        self._cursor: Optional[FolderCursor] = None
        self._identity: Optional[tuple[int, int]] = None
        self._inotify = _open_inotify()
        try:
            cursor = self._cursor = FolderCursor(source)
            self._identity = (cursor.status.st_dev, cursor.status.st_ino)
            self._root = self._watch(cursor.fd, b"", rules.root(), inotify.CHANGES | _ONLY_ROOT)
            self._watch_below([(self._root, name) for name in self._look_into(cursor.fd, self._root)])
        except BaseException:
            self.close()
            raise
        finally:
            self._leave()

    @property
    def descriptor(self) -> int:
        """Readable when there is something to collect."""
        return self._inotify.descriptor

    def close(self) -> None:
        """End all watches."""
        self._inotify.close()

    def collect(self) -> tuple[int, bool]:
        """Take note of what has happened; return the number of events, and whether any of them counts.

        Raises:
            CannotWatch: there are too many new folders.
        """
        events = self._inotify.read()
        counts = False
        try:
            for event in events:
                counts |= self._note(event)
        finally:
            self._leave()
        return len(events), counts

    def take(self) -> Optional[AbstractSet[bytes]]:
        """Return the paths that may have changed since the last call, None for everything."""
        taken = None if self._everything else self._paths
        self._everything, self._paths = self.lost or self.gone, set()
        return taken

    def put_back(self, paths: Optional[AbstractSet[bytes]]) -> None:
        """Return what was taken, and could not be saved."""
        if paths is None or len(paths) + len(self._paths) > MOST_PATHS:
            self._everything, self._paths = True, set()
        elif not self._everything:
            self._paths |= paths

    def is_in_place(self) -> bool:
        """Tell whether the folder at the path of the source is still the one that is watched."""
        try:
            status = os.stat(self._source)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def _note(self, event: Event) -> bool:
        if event.mask & inotify.OVERFLOW:
            self._lose()
            return True
        watched = self._numbers.get(event.watch)
        if watched is None:
            return False  # of a folder that was moved, and looked at again since
        if event.mask & (inotify.IGNORED | _ONLY_ROOT | inotify.UNMOUNT):
            if watched is self._root:
                self._lose()
                self.gone = True
            elif event.mask & inotify.IGNORED:
                self._drop(watched)
            return True
        if not event.name:
            self._mark(watched)
            return True
        is_folder = bool(event.mask & inotify.IS_FOLDER)
        if watched.rules.judge(event.name, is_folder) is Verdict.IGNORE:
            return False
        self._mark(watched, event.name)
        if is_folder:
            self._follow(watched, event.name, event.mask)
        return True

    def _follow(self, above: _Watched, name: bytes, mask: int) -> None:
        """Keep up with a folder that came, went, or may have become readable."""
        known = above.below.get(name)
        if mask & inotify.ATTRIB and known is not None:
            return
        if known is not None:
            self._drop(known)
        if mask & (inotify.CREATE | inotify.MOVED_TO | inotify.ATTRIB):
            self._watch_below([(above, name)])

    def _watch_below(self, waiting: list[tuple[_Watched, bytes]]) -> None:
        """Watch folders and all folders below them, and mark what is in them: it may be newer than the watch."""
        while waiting and not self.lost:
            above, name = waiting.pop()
            path = join(above.path, name)
            if path.count(b"/") >= _MOST_LEVELS or len(path) > _LONGEST_PATH:
                continue
            cursor = self._enter(path)
            if cursor is None or self._identity is None or cursor.status.st_dev != self._identity[0]:
                continue
            watched = above.below[name] = self._watch(cursor.fd, path, above.rules.enter(name))
            waiting += [(watched, below) for below in self._look_into(cursor.fd, watched)]

    def _enter(self, path: bytes) -> Optional[FolderCursor]:
        """Go to a folder; None when it is not there any more (an event says so), or may not be read."""
        try:
            if self._cursor is None:
                self._cursor = FolderCursor(self._source)
                if (self._cursor.status.st_dev, self._cursor.status.st_ino) != self._identity:
                    self._lose()
                    return None
            self._cursor.seek(path)
        except OSError as error:
            self._leave()
            if error.errno in EXHAUSTED:
                raise _out_of(error) from error
            return None
        return self._cursor

    def _leave(self) -> None:
        """Keep nothing open, so that a disk can be unmounted."""
        if self._cursor is not None:
            self._cursor.abandon()
            self._cursor = None

    def _watch(self, fd: int, path: bytes, rules: FolderRules, mask: int = inotify.CHANGES) -> _Watched:
        if len(self._numbers) >= self._most:
            raise _too_many(self._most)
        try:
            number = self._inotify.add(fd, mask)
            known = self._numbers.get(number)
            if known is not None:
                # It was moved here, which its old place will hear of later.
                self._drop(known)
                number = self._inotify.add(fd, mask)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise _too_many(len(self._numbers)) from error
            raise _out_of(error) from error
        watched = self._numbers[number] = _Watched(number, path, rules)
        return watched

    def _look_into(self, fd: int, watched: _Watched) -> list[bytes]:
        """Mark what is in a folder, and return the names of the subfolders to be watched."""
        folders = []
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if self._everything and not is_folder:
                        continue
                    name = os.fsencode(entry.name)
                    if watched.rules.judge(name, is_folder) is not Verdict.IGNORE:
                        self._mark(watched, name)
                        if is_folder:
                            folders.append(name)
        except OSError:
            self._mark(watched)
        return folders

    def _mark(self, watched: _Watched, name: bytes = b"") -> None:
        if self._everything:
            return
        path = watched.path
        self._paths.add(join(path, name) if name else path)
        if watched.rules.excluded:
            # An ignored folder is in a tree only while something in it is brought back: it may be new there.
            while path:
                self._paths.add(path)
                path = split(path)[0]
        if len(self._paths) > MOST_PATHS:
            self._everything, self._paths = True, set()

    def _drop(self, top: _Watched) -> None:
        """End the watches of a folder and of all that was known below it."""
        above = self._find(split(top.path)[0]) if top.path else None
        name = split(top.path)[1]
        if above is not None and above.below.get(name) is top:
            del above.below[name]
        dropping = [top]
        while dropping:
            watched = dropping.pop()
            if self._numbers.pop(watched.number, None) is not None:
                self._inotify.remove(watched.number)
            dropping += watched.below.values()

    def _find(self, path: bytes) -> Optional[_Watched]:
        found: Optional[_Watched] = self._root
        for name in path.split(b"/") if path else ():
            found = found.below.get(name) if found else None
        return found

    def _lose(self) -> None:
        self.lost = self._everything = True
        self._paths = set()


def _open_inotify() -> Inotify:
    try:
        return Inotify()
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise CannotWatch(_("this system does not tell of edits (it has no inotify)")) from error
        if error.errno == errno.EMFILE:
            raise CannotWatch(
                _("too many programs watch files already"),
                hint=_("raise the limit with `sudo sysctl fs.inotify.max_user_instances=1024`"),
            ) from error
        raise _out_of(error) from error


def _too_many(watches: int) -> CannotWatch:
    return CannotWatch(
        _("there are more folders to watch than the system allows (it refused after {count})").format(count=watches),
        hint=_(
            "raise the limit with `sudo sysctl fs.inotify.max_user_watches=1048576`, or leave folders out with"
            " `exclude:` in the configuration"
        ),
    )


def _out_of(error: OSError) -> CannotWatch:
    return CannotWatch(_("the folder cannot be watched: {reason}").format(reason=error.strerror or error))
