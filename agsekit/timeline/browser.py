"""What the browser of a timeline shows and how it moves, without a terminal: three lists, one inside the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agsekit.i18n import _
from agsekit.timeline.model import Changed, Timeline, bar, line_style
from agsekit_storage.errors import StorageError
from agsekit_storage.model import SIGNS, Snapshot

SNAPSHOTS, FILES, DIFF = "snapshots", "files", "diff"
_BAR, _COUNTS = 10, 14
_WITH_BAR, _WITH_KIND = 64, 72
"""Columns of a terminal from which on these are shown."""

Line = tuple[str, str]
"""A style (`selected`, `heading`, `added`, `removed`, `hunk`, or none) and a text without control characters."""


@dataclass(frozen=True)
class Texts:
    """How values become texts: `safe` makes untrusted text printable, the others are for people."""

    safe: Callable[[str], str]
    path: Callable[[bytes], str]
    moment: Callable[[float], str]
    age: Callable[[float], str]
    size: Callable[[int], str]
    counts: Callable[[Snapshot], str]
    kind: Callable[[str], str]
    note: Callable[[str], str]


@dataclass(frozen=True)
class Wish:
    """What the user wants restored: a whole snapshot, or one path of it."""

    snapshot: Snapshot
    path: bytes | None


@dataclass
class _Place:
    """Where a list is: the line that is selected, and the first that is shown."""

    selected: int = 0
    top: int = 0

    def move(self, by: int, length: int) -> None:
        self.selected = max(0, min(length - 1, self.selected + by))

    def scroll_to_selection(self, height: int) -> None:
        self.top = max(min(self.top, self.selected), self.selected - height + 1, 0)


@dataclass
class Browser:
    """The state of the browser. `view` is which of the three lists is shown; `now` is seconds since 1970."""

    timeline: Timeline
    texts: Texts
    now: Callable[[], float] = time.time
    view: str = SNAPSHOTS
    search: str = ""
    message: str = ""
    _places: dict[str, _Place] = field(default_factory=lambda: {view: _Place() for view in (SNAPSHOTS, FILES, DIFF)})
    _diff: Sequence[Line] = ()

    def __post_init__(self) -> None:
        self._shown = self.timeline.snapshots
        self._files: list[Changed] = []

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that is selected."""
        place = self._places[SNAPSHOTS]
        return self._shown[place.selected] if place.selected < len(self._shown) else None

    @property
    def file(self) -> Changed | None:
        """The path that is selected, where a list of paths or a difference is shown."""
        place = self._places[FILES]
        return self._files[place.selected] if self.view != SNAPSHOTS and place.selected < len(self._files) else None

    def move(self, by: int) -> None:
        """Go down, or up with a negative number."""
        self.message = ""
        self._places[self.view].move(by, self._length())

    def _length(self) -> int:
        return {SNAPSHOTS: len(self._shown), FILES: len(self._files), DIFF: len(self._diff)}[self.view]

    def enter(self) -> None:
        """Look at what is selected more closely."""
        self.message = ""
        if self.view == SNAPSHOTS and self.snapshot:
            self._files = self._matching(self.timeline.changed(self.snapshot))
            self._places[FILES] = _Place()
            self.view = FILES
        elif self.view == FILES and self.file and self.snapshot:
            self._diff = self._difference(self.snapshot, self.file)
            self._places[DIFF] = _Place()
            self.view = DIFF

    def _matching(self, files: list[Changed]) -> list[Changed]:
        wanted = self.search.encode("utf-8", "surrogateescape").lower()
        return [each for each in files if wanted in each.path.lower()] or files

    def leave(self) -> bool:
        """Go back to the list around; return False when there is none."""
        self.message = ""
        if self.view == SNAPSHOTS and self.search:
            self.find("")
            return True
        before = self.view
        self.view = FILES if self.view == DIFF else SNAPSHOTS
        return before != SNAPSHOTS

    def find(self, text: str) -> None:
        """Show only snapshots that changed a path with this text in it; nothing is left out for an empty one."""
        found = self.timeline.touching(text) if text else self.timeline.snapshots
        self.view = SNAPSHOTS
        if not found:
            self.message = _("no snapshot changed a path with {text} in it").format(text=self.texts.safe(text))
            return
        self.search, self._shown, self._places[SNAPSHOTS] = text, found, _Place()
        self.message = ""

    def wish(self) -> Wish | None:
        """Return what a restore would be about: the path that is selected, else the snapshot."""
        if self.snapshot is None:
            return None
        return Wish(self.snapshot, self.file.path if self.file else None)

    # What is shown

    def title(self) -> str:
        """Return the line above the list."""
        snapshot = self.snapshot
        if self.view == SNAPSHOTS or snapshot is None:
            folder = self.texts.safe(str(self.timeline.store.source or self.timeline.store.path))
            if self.search:
                return _("Snapshots that changed {text}: {count}, in {folder}").format(
                    text=self.texts.safe(self.search), count=len(self._shown), folder=folder
                )
            return _("Snapshots: {count}, of {folder}").format(count=len(self._shown), folder=folder)
        name = f"{snapshot.id}  {self.texts.moment(snapshot.created)}  {self.texts.kind(snapshot.kind)}"
        return name if self.view == FILES or self.file is None else f"{name}  {self.texts.path(self.file.path)}"

    def help(self) -> str:
        """Return the line below the list: the keys, or what there is to say."""
        if self.message:
            return self.message
        if self.view == SNAPSHOTS:
            return _("Enter: look   r: restore   /: search   q: quit")
        if self.view == FILES:
            return _("Enter: difference   r: restore this   R: restore all   q: back")
        return _("r: restore this   R: restore all   q: back")

    def lines(self, height: int, width: int) -> list[Line]:
        """Return what fits of the list, the selected line among it."""
        place = self._places[self.view]
        place.scroll_to_selection(height)
        if self.view == DIFF:
            place.top = min(place.selected, max(0, len(self._diff) - height))
            shown = self._diff[place.top : place.top + height]
            return [(style, _fitted(text, width)) for style, text in shown]
        items = self._shown if self.view == SNAPSHOTS else self._files
        visible = self._shown[place.top : place.top + height] if self.view == SNAPSHOTS else []
        # Of one width for good where there is room, so that the column does not move while one scrolls.
        counts = max(
            [len(self.texts.counts(each)) for each in visible] + [_COUNTS] * (width >= _WITH_KIND), default=0
        )
        rows = []
        for number in range(place.top, min(len(items), place.top + height)):
            if self.view == SNAPSHOTS:
                row = self._snapshot_row(self._shown[number], width, counts)
            else:
                row = self._file_row(number)
            mark = ">" if number == place.selected else " "
            rows.append(("selected" if mark == ">" else "", _fitted(f"{mark} {row}", width)))
        return rows or [("", _fitted("  " + _("nothing changed"), width))]

    def _snapshot_row(self, snapshot: Snapshot, width: int, counts: int) -> str:
        """Return a row for so many columns of the terminal, the counts of changes in a column of `counts`."""
        agent = self.texts.safe(str((snapshot.run or {}).get("agent", "")))
        row = self.texts.moment(snapshot.created)
        # Where it is narrow, the agent is worth more than a picture of what the counts say.
        if width >= _WITH_BAR:
            row = f"{row} {bar(snapshot, _BAR):{_BAR}}"
        row = f"{row} {self.texts.counts(snapshot):{counts}}"
        if width >= _WITH_KIND:
            row = f"{row} {self.texts.kind(snapshot.kind):9}"
        flags = [_("pinned")] * snapshot.pinned + [_("mass loss")] * snapshot.mass_loss
        return " ".join([row, agent, *flags]).rstrip()

    def _file_row(self, number: int) -> str:
        return f"{SIGNS[self._files[number].how]} {self.texts.path(self._files[number].path)}"

    def _difference(self, snapshot: Snapshot, file: Changed) -> Sequence[Line]:
        try:
            found = self.timeline.diff(snapshot, file)
        except (StorageError, OSError) as error:
            return [("", self.texts.safe(str(error)))]
        if not found.lines:
            return [("", self.texts.note(found.note) or _("nothing to show"))]
        return [
            (line_style(number, line), self.texts.safe(line.expandtabs(4))) for number, line in enumerate(found.lines)
        ]


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
