"""From the text of one value to a folder, of the host or inside a VM. See `fields` for the rules."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from agsekit.config.fields import InvalidValueError, is_one_line
from agsekit.config.model import GUEST_HOME
from agsekit.config.problems import quoted
from agsekit.i18n import _

_OWNED_BY_THE_GUEST = tuple(PurePosixPath(folder) for folder in ("/dev", "/proc", "/sys"))
_REFUSED_TARGETS = (PurePosixPath("/"), GUEST_HOME.parent, GUEST_HOME)


def parse_host_folder(text: str, *, home: Path) -> Path:
    """Return an absolute path of the host; a leading `~` is `home`, links are not resolved."""
    _refuse_odd_path(text)
    if text == "~" or text.startswith("~/"):
        return home / text[2:].lstrip("/")
    if not text.startswith("/"):
        raise InvalidValueError(
            _("must be an absolute path, or one that starts with ~/, not {value}").format(value=quoted(text))
        )
    return Path("/" + text.lstrip("/"))


def parse_source(text: str, *, home: Path) -> Path:
    """Return a project folder, which must not be the home folder or one that holds it."""
    source = parse_host_folder(text, home=home)
    if source == home or source in home.parents or source == Path("/"):
        raise InvalidValueError(
            _("must be a project folder: {folder} would hand your whole home folder to an agent").format(
                folder=quoted(str(source))
            )
        )
    return source


def parse_target(text: str) -> PurePosixPath:
    """Return an absolute folder inside a VM, one that multipass accepts as a mount point."""
    _refuse_odd_path(text)
    if not text.startswith("/"):
        raise InvalidValueError(
            _("must be an absolute path, such as {example}, not {value}").format(
                example=GUEST_HOME / "project", value=quoted(text)
            )
        )
    target = PurePosixPath("/" + text.lstrip("/"))
    taken = any(folder == target or folder in target.parents for folder in _OWNED_BY_THE_GUEST)
    if taken or target in _REFUSED_TARGETS:
        raise InvalidValueError(
            _("must not hide a folder that the VM itself needs; use one such as {example}, not {value}").format(
                example=GUEST_HOME / "project", value=quoted(text)
            )
        )
    return target


def _refuse_odd_path(text: str) -> None:
    if not is_one_line(text):
        raise InvalidValueError(_("must be a path without control characters"))
    if ".." in text.split("/"):
        raise InvalidValueError(_("must not contain '..'; write the path out"))
