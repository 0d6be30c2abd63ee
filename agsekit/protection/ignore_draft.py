"""A first `.backupignore` for a project: what is in it and can be made again.

The project is hostile: nothing is followed, nothing in it is read, and an existing file is never written to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit_storage.cursor import FOLDER_FLAGS, FolderCursor

NAME = ".backupignore"

_MOST_ENTRIES = 20_000
_DEEPEST = 4

_ANYWHERE = frozenset(
    (
        *("node_modules", "bower_components", ".next", ".nuxt", ".svelte-kit", ".parcel-cache", ".turbo"),
        *("__pycache__", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"),
        *(".gradle", ".terraform", ".dart_tool", ".stack-work", "_build", ".zig-cache", ".cache"),
    )
)
"""Folders whose name says enough, wherever they are."""

_WITH: dict[str, Sequence[str]] = {
    "target": ("Cargo.toml", "pom.xml", "build.sbt"),
    "build": ("build.gradle", "build.gradle.kts", "CMakeLists.txt", "pyproject.toml", "setup.py", "package.json"),
    "dist": ("pyproject.toml", "setup.py", "package.json"),
    "out": ("package.json", "build.gradle", "build.gradle.kts"),
    "bin": (".csproj",),
    "obj": (".csproj",),
    "coverage": ("package.json",),
    "deps": ("mix.exs",),
    "vendor": ("composer.json", "Gemfile"),
}
"""Folders that are made anew only beside one of these files."""


def draft(source: Path) -> list[str]:
    """Return the lines of a `.backupignore` that fits what is in a folder; none when nothing is to be left out.

    None either when there is a `.backupignore` already, of whatever kind.
    """
    if os.path.lexists(source / NAME):
        return []
    return sorted(set(_lines(source)))


def write_draft(source: Path, lines: Sequence[str]) -> bool:
    """Write a `.backupignore`; return False, and leave everything as it is, when there is one.

    Raises:
        AgsekitError: it cannot be written.
    """
    folder = os.open(source, FOLDER_FLAGS & ~os.O_NOFOLLOW)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(NAME, flags, 0o644, dir_fd=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
    except FileExistsError:
        return False
    except OSError as error:
        raise AgsekitError(
            _("{path} cannot be written: {reason}").format(path=source / NAME, reason=error.strerror),
            hint=_("write it yourself, or leave it out: it only makes snapshots smaller"),
        ) from None
    finally:
        os.close(folder)
    return True


def _lines(source: Path) -> Iterator[str]:
    waiting = [("", 0)]
    left = _MOST_ENTRIES
    with FolderCursor(os.fsencode(source)) as cursor:
        while waiting and left > 0:
            place, depth = waiting.pop(0)
            try:
                folders, files = _names(cursor.seek(os.fsencode(place)))
            except OSError:
                continue
            left -= len(folders) + len(files)
            for name in folders:
                below = f"{place}/{name}".lstrip("/")
                if name in _ANYWHERE:
                    yield f"{name}/"
                elif _is_environment(name, cursor.fd):
                    yield f"{_escaped(name)}/"
                elif _is_made_here(name, files):
                    yield f"/{_escaped(below)}/"
                elif depth < _DEEPEST and name != ".git":
                    waiting.append((below, depth + 1))


def _names(folder: int) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the other things in a folder that make one line of text each."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if entry.name.isprintable()]
    return sorted(name for name, is_folder in found if is_folder), [
        name for name, is_folder in found if not is_folder
    ]


def _is_environment(name: str, folder: int) -> bool:
    """Tell whether this is a virtual environment of Python, whatever its name."""
    try:
        os.stat(f"{name}/pyvenv.cfg", dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_made_here(name: str, files: Sequence[str]) -> bool:
    makers = _WITH.get(name, ())
    return any(
        file == maker or (maker.startswith(".") and file.endswith(maker)) for maker in makers for file in files
    )


def _escaped(path: str) -> str:
    """Return a path as a gitignore pattern that matches nothing else."""
    special = "".join(f"\\{character}" if character in "\\*?[" else character for character in path)
    return f"\\{special}" if special[:1] in ("#", "!") else special
