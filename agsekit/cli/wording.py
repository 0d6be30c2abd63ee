"""What people read in the place of words that programs know: kinds of snapshots, of changes, notes of differences."""

from __future__ import annotations

import re

from agsekit.cli.render import safe
from agsekit.i18n import _

_MODES = re.compile(r"mode ([0-7]+) to ([0-7]+)\Z")


def kind(code: str) -> str:
    """Return the kind of a snapshot."""
    words = {
        "manual": _("manual"),
        "interval": _("interval"),
        "pre-run": _("pre-run"),
        "post-run": _("post-run"),
        "watch": _("watch"),
        "safety": _("safety"),
        "foreign": _("foreign"),
        "damaged": _("damaged"),
    }
    return words.get(code, safe(code))


def change(code: str) -> str:
    """Return how a path changed."""
    words = {
        "added": _("added"),
        "modified": _("modified"),
        "metadata": _("metadata"),
        "removed": _("removed"),
    }
    return words.get(code, safe(code))


def note(text: str) -> str:
    """Return why there are no lines in a difference; see `agsekit_storage.textdiff.FileDiff`."""
    modes = _MODES.match(text)
    if modes:
        return _("mode {old} to {new}").format(old=modes[1], new=modes[2])
    words = {
        "folder": _("folder"),
        "special file": _("special file"),
        "binary": _("binary"),
        "cannot be read": _("cannot be read"),
        "too large to compare line by line": _("too large to compare line by line"),
        "owner, attributes or hard links": _("owner, attributes or hard links"),
    }
    return words.get(text, safe(text))
