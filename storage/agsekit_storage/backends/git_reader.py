"""Reading the files of one snapshot out of the shadow repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agsekit_storage.backends.git_content import restore_content
from agsekit_storage.backends.git_names import escape
from agsekit_storage.backends.git_objects import ObjectReader, read_tree, tree_of
from agsekit_storage.backends.git_trees import FOLDER
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.tree import split

_REMEMBERED_FOLDERS = 256


class GitReader:
    """Reads the files of one commit."""

    def __init__(self, repository: Path, commit: str) -> None:
        self._objects = ObjectReader(repository)
        self._commit = commit
        self._folders: dict[bytes, dict[bytes, tuple[bytes, bytes]]] = {}

    def copy_file(self, path: bytes, destination: int) -> bytes:
        """See `Reader.copy_file`."""
        folder, name = split(path)
        mode, identifier = self._folder(folder).get(escape(name), (b"", b""))
        if not mode.startswith(b"100"):
            raise StoreDamaged("the snapshot has lost {file}", file=path.decode(errors="backslashreplace"))
        return restore_content(destination, *self._objects.open_blob(identifier))

    def close(self) -> None:
        """See `Reader.close`."""
        self._objects.close()

    def _folder(self, path: bytes) -> dict[bytes, tuple[bytes, bytes]]:
        """Return what is in a folder; the last ones are remembered, because files are asked for in tree order."""
        if path in self._folders:
            return self._folders[path]
        if len(self._folders) > _REMEMBERED_FOLDERS:
            self._folders.clear()
        if b"" not in self._folders:
            self._folders[b""] = read_tree(self._objects, tree_of(self._objects, self._commit))
        entries = self._folders[b""]
        for end in [*_slashes(path), len(path)] if path else []:
            here = path[:end]
            if here not in self._folders:
                mode, identifier = entries.get(escape(split(here)[1]), (b"", b""))
                if mode != FOLDER:
                    raise StoreDamaged(
                        "the snapshot has lost the folder {folder}", folder=here.decode(errors="backslashreplace")
                    )
                self._folders[here] = read_tree(self._objects, identifier)
            entries = self._folders[here]
        return entries


def _slashes(path: bytes) -> Iterator[int]:
    position = path.find(b"/")
    while position >= 0:
        yield position
        position = path.find(b"/", position + 1)
