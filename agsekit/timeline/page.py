"""A timeline as one page for a web browser: no server, nothing fetched, nothing in it can run but its own search.

All that comes from the project is text and escaped; a Content-Security-Policy forbids everything else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from agsekit.i18n import _, language
from agsekit.timeline.browser import Texts
from agsekit.timeline.model import Changed, Timeline, line_style, magnitude
from agsekit_storage.errors import StorageError
from agsekit_storage.model import SIGNS, Changes, Snapshot
from agsekit_storage.textdiff import FileDiff

_FOLDER = Path(__file__).parent
_MOST_FILES = 1000
_MOST_LINES = 2000
_LARGEST = 20_000_000
"""Characters; what comes after that many is listed without its lines."""
_WIDEST_BAR = 12


def write_page(timeline: Timeline, snapshots: Sequence[Snapshot], path: Path, texts: Texts) -> None:
    """Write the page of these snapshots, oldest last. A link at `path` is replaced, not followed; the mode is 0600.

    Raises:
        OSError: it cannot be written there.
    """
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            for part in _page(timeline, snapshots, texts):
                file.write(part)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _page(timeline: Timeline, snapshots: Sequence[Snapshot], texts: Texts) -> Iterator[str]:
    folder = html.escape(texts.safe(str(timeline.store.source or timeline.store.path)))
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    yield (
        f'<!doctype html>\n<html lang="{language(os.environ)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{folder}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )
    count = _("Snapshots: {count}").format(count=len(snapshots))
    label = html.escape(_("Search a path"), quote=True)
    yield f'<header><h1>{folder}</h1><p>{html.escape(count)}</p></header>\n<input id="search" type="search" '
    yield f'placeholder="{label}" aria-label="{label}">\n<main>\n'
    room = _LARGEST
    for snapshot in snapshots:
        text = "".join(_snapshot(timeline, snapshot, texts, with_lines=room > 0))
        room -= len(text)
        yield text
    yield f"</main>\n<script>{script}</script>\n</body>\n</html>\n"


def _snapshot(timeline: Timeline, snapshot: Snapshot, texts: Texts, *, with_lines: bool) -> Iterator[str]:
    changed = timeline.changed(snapshot)
    width = magnitude(snapshot, _WIDEST_BAR)
    names = [texts.kind(snapshot.kind), texts.safe(str((snapshot.run or {}).get("agent", "")))]
    names += [_("pinned")] * snapshot.pinned + [_("mass loss")] * snapshot.mass_loss
    badges = " ".join(f'<span class="badge">{html.escape(name)}</span>' for name in names if name)
    moment, counts = html.escape(texts.moment(snapshot.created)), html.escape(texts.counts(snapshot))
    yield (
        f'<details class="snapshot{" loss" if snapshot.mass_loss else ""}" id="{snapshot.id}"><summary>'
        f"<code>{snapshot.id}</code> {moment} "
        f'<span class="bar" style="width:{width}em"></span> {counts} {badges}</summary>\n'
    )
    yield from _files(timeline, snapshot, changed[:_MOST_FILES], texts, with_lines=with_lines)
    if len(changed) > _MOST_FILES:
        more = _("and {count} more paths").format(count=len(changed) - _MOST_FILES)
        yield f"<p>{html.escape(more)}</p>\n"
    yield "</details>\n"


def _files(
    timeline: Timeline, snapshot: Snapshot, changed: Sequence[Changed], texts: Texts, *, with_lines: bool
) -> Iterator[str]:
    # All of the first snapshot is new: its lines would be the whole project.
    if with_lines and timeline.snapshots[-1] != snapshot:
        found = {each.path: each for each in _diffs(timeline, snapshot, changed)}
    else:
        found = {}
    for each in changed:
        path = html.escape(texts.path(each.path), quote=True)
        diff = found.get(each.path)
        note = f" ({html.escape(texts.note(diff.note))})" if diff and diff.note else ""
        counts = f" +{diff.added} -{diff.removed}" if diff and diff.lines else ""
        yield f'<details class="file" data-path="{path}"><summary><code class="{each.how}">{SIGNS[each.how]} '
        yield f"{path}</code>{counts}{note}</summary>"
        yield f"<pre>{''.join(_lines(diff.lines, texts))}</pre>" if diff and diff.lines else ""
        yield "</details>\n"


def _diffs(timeline: Timeline, snapshot: Snapshot, changed: Sequence[Changed]) -> Iterable[FileDiff]:
    changes = Changes()
    for each in changed:
        getattr(changes, each.how).append(each.path)
    try:
        return timeline.diffs(snapshot, changes)
    except (StorageError, OSError):
        return ()


def _lines(lines: Sequence[str], texts: Texts) -> Iterator[str]:
    for number, line in enumerate(lines[:_MOST_LINES]):
        style = line_style(number, line)
        text = html.escape(texts.safe(line.expandtabs(4)))
        yield f'<span class="{style}">{text}</span>\n' if style else f"{text}\n"
    if len(lines) > _MOST_LINES:
        yield html.escape(_("and {count} more lines").format(count=len(lines) - _MOST_LINES)) + "\n"
