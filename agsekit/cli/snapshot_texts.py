"""What is to be said of a snapshot or a restore: what it changed, what it lacks, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from agsekit.cli.render import safe, safe_path
from agsekit.cli.value_texts import names_of, size
from agsekit.i18n import _
from agsekit_storage.events import CapUnmet
from agsekit_storage.model import SIGNS, Problem, Snapshot


def hidden(paths: Sequence[bytes], sentence: str) -> str:
    """Return a sentence about paths that ignore rules leave out; its placeholders are count and names."""
    return sentence.format(count=len(paths), names=names_of(paths))


def mass_loss(snapshot: Snapshot) -> str:
    """Return the sentence about a snapshot that lost most of what was there."""
    return _(
        "most of the files are gone or empty since the snapshot before {id}, which is now kept from pruning; "
        "to see what is missing: agsekit snapshots show {id}"
    ).format(id=snapshot.id)


def describe_problem(problem: Problem) -> str:
    """Return a sentence about a path that a snapshot or a restore could not treat as it should."""
    sentences = {
        "unreadable": _("{path} could not be read, so it is not saved"),
        "vanished": _("{path} vanished while it was being saved"),
        "unstable": _("{path} kept changing while it was read; what was read is saved"),
        "special": _("{path} is a device, socket or FIFO: noted, not saved"),
        "other-filesystem": _("{path} is on another file system: not saved"),
        "rules-unusable": _("{path} has rules that cannot be used"),
        "huge": _("{path} is huge; if it can be made again, leave it out with the line /{path} in .backupignore"),
        "not-in-snapshot": _("{path} is not in the snapshot, because it could not be read then"),
        "damaged": _("{path} is damaged in the store; the file was left as it is"),
        "edited-meanwhile": _("{path} was edited while the restore began, so it was left as it is"),
        "not-restored": _("{path} could not be restored"),
        "not-deleted": _("{path} could not be deleted"),
        "rebuilt": _("the record of this snapshot cannot be read; its folder in the store is what is restored"),
        "hidden": _("{path} is left out by `exclude:` now, so it stays as it is; it is restored when you name it"),
        "in-the-way": _("{path} stands in the way and was left as it is"),
    }
    sentence = sentences.get(problem.reason, "{path}: " + problem.reason).format(path=safe_path(problem.path))
    return f"{sentence} ({safe(problem.detail)})" if problem.detail else sentence


def describe_unmet_cap(event: CapUnmet) -> str:
    """Return a sentence about a cap that no deletion could meet, and what to do about it."""
    if event.cap == "max-size":
        sentence = _(
            "what must stay is {size} more than max_size, so nothing was deleted for it: "
            "raise max_size, exclude what can be made again, or unpin snapshots"
        )
    else:
        sentence = _(
            "even without all that may go the disk would have {size} less free than min_free, "
            "so nothing was deleted for it: free some space there, or lower min_free"
        )
    return sentence.format(size=size(event.missing))


def change_counts(snapshot: Snapshot) -> str:
    """Return the changes of a snapshot in short: `+3 ~2 -1`, with `=` for metadata only."""
    counts = ((sign, getattr(snapshot, way)) for way, sign in SIGNS.items())
    return " ".join(f"{sign}{count}" for sign, count in counts if count)
