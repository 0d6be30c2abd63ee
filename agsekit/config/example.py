"""The example configuration, for a user to start from."""

from __future__ import annotations

import os
from pathlib import Path

from agsekit.config.schema import modeline
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.resources import config_example


def write_example(path: Path) -> bool:
    """Write the example configuration to `path`, readable by the user alone; folders are made as needed.

    Return False, and change nothing, when something of that name exists, a dangling link included.
    A file appears at `path` complete or not at all.

    Raises:
        AgsekitError: it cannot be written there.
    """
    if os.path.lexists(path):
        return False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return create(path, example())
    except OSError as error:
        raise AgsekitError(
            _("The example cannot be written to {path}: {reason}").format(path=path, reason=error.strerror),
            hint=_("give another path: agsekit config-example PATH"),
        ) from None


def example() -> bytes:
    """Return the example; its first line leads editors to the schema that comes with this installation."""
    _checkout_only, _newline, rest = config_example().read_bytes().partition(b"\n")
    return os.fsencode(modeline()) + b"\n" + rest


def create(path: Path, content: bytes) -> bool:
    """Make a file that its owner alone can read, complete or not at all; return False when the name is taken."""
    import tempfile

    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces what another process has put there meanwhile; a rename would.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    return True
