"""Folders to take snapshots of: made from a seed, so that every machine measures the same ones."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CHANGED = 10
_MODULES_FROM = 50_000
_SUBFOLDERS = (
    "", "lib", "lib/core", "lib/core/internal", "dist", "dist/esm", "dist/esm/helpers", "types",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a tree looks like: `project` (4 KiB files, links, a real .git) or `modules` (deep, small files)."""

    kind: str
    files: int

    @classmethod
    def of_size(cls, files: int) -> Shape:
        """Return the shape that is measured at a size."""
        return cls("modules" if files >= _MODULES_FROM else "project", files)

    @property
    def title(self) -> str:
        """The name of the tree in a report."""
        return f"{self.files:,} files ({self.kind})"

    def folders(self) -> list[str]:
        """Return the folders that hold files, parents first."""
        return self._module_folders() if self.kind == "modules" else self._project_folders()

    def _project_folders(self) -> list[str]:
        count = max(2, self.files // 50)
        return [f"src/part{number // 20:02d}/unit{number % 20:02d}" for number in range(count)]

    def _module_folders(self) -> list[str]:
        folders: list[str] = []
        owner = ""
        for package in range(max(2, self.files // 12 // len(_SUBFOLDERS))):
            # Every fourth package brings one of its own along, as package managers do on a conflict.
            nested = f"{owner}/node_modules/dep-{package}" if package % 4 == 3 else ""
            owner = nested or f"node_modules/package-{package:04d}"
            folders += [f"{owner}/{below}".rstrip("/") for below in _SUBFOLDERS]
        return folders

    def path(self, folders: list[str], number: int) -> str:
        """Return the path of one file."""
        suffix = "js" if self.kind == "modules" else "txt"
        return f"{folders[number % len(folders)]}/file-{number // len(folders):03d}.{suffix}"


def make(shape: Shape, root: Path, environment: Mapping[str, str]) -> None:
    """Write a tree into a folder that does not exist yet."""
    folders = shape.folders()
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    generator = random.Random(shape.files)
    text = generator.randbytes(1 << 20).hex()
    for number in range(shape.files):
        size = 4096 if shape.kind == "project" else generator.randrange(200, 4800)
        start = generator.randrange(len(text) - size)
        content = f"{number}\n{text[start : start + size]}"[:size]
        (root / shape.path(folders, number)).write_text(content)
    if shape.kind == "project":
        for number in range(80):
            os.symlink(f"../../../{shape.path(folders, number)}", root / folders[0] / f"link-{number}")
        _make_repository(root, folders, environment)


def _make_repository(root: Path, folders: list[str], environment: Mapping[str, str]) -> None:
    """Give the tree a .git with a pack and with loose objects."""
    half = max(1, len(folders) // 4)
    for step, part in enumerate((folders[:half], folders[half : half + half // 8 + 1])):
        for command in (["init", "-q"], ["add", "-f", "--", *part], ["commit", "-q", "-m", f"step {step}"]):
            run_git(root, command, environment)
        if step == 0:
            run_git(root, ["gc", "-q"], environment)


def run_git(root: Path, words: list[str], environment: Mapping[str, str]) -> None:
    """Run git in a folder, undisturbed by the configuration of the user."""
    subprocess.run(["git", *words], cwd=root, env=dict(environment), check=True, capture_output=True)


def change_some(shape: Shape, root: Path, moment: int) -> list[str]:
    """Write new content into ten files, and return which; that follows from `moment` alone."""
    folders = shape.folders()
    generator = random.Random(moment)
    paths = [
        shape.path(folders, number) for number in generator.sample(range(shape.files), min(_CHANGED, shape.files))
    ]
    for path in paths:
        with (root / path).open("a") as file:
            file.write(f"changed at {moment}: {generator.random()}\n")
    return paths


def a_file(shape: Shape) -> str:
    """Return the path of the file that is restored alone."""
    return shape.path(shape.folders(), shape.files // 2)


def set_aside(path: Path) -> None:
    """Move a folder out of the way, within its parent; deleting it can take minutes, and happens at the end."""
    if path.exists():
        aside = path.parent / "aside"
        aside.mkdir(exist_ok=True)
        path.rename(aside / f"{len(os.listdir(aside))}")


def allocated_bytes(folder: Path) -> int:
    """Return what a folder takes on the disk, each inode counted once."""
    seen: set[int] = set()
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return total
