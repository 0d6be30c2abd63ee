"""The refs of the shadow repository, kept in one file so that any number of them change in one atomic step.

`packed-refs` is the truth; what other tools of git leave beside it in `refs/` is read too, and wins, as in git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from agsekit_storage.durable import write_file
from agsekit_storage.errors import StoreDamaged

SNAPSHOTS = "refs/snapshots/"
NEWEST = "refs/heads/main"

_HEADER = "# pack-refs with: peeled fully-peeled sorted \n"
_LINE = re.compile(r"([0-9a-f]{40}) (\S+)\Z", re.ASCII)


class Refs:
    """Which commit each snapshot is; ids of commits are 40 hexadecimal digits."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._packed = repository / "packed-refs"

    def read(self) -> dict[str, str]:
        """Return the commit of every snapshot by the id of the snapshot.

        Raises:
            StoreDamaged: the refs cannot be read.
        """
        found = {}
        for name, commit in self._read_all().items():
            if name.startswith(SNAPSHOTS):
                found[name[len(SNAPSHOTS) :]] = commit
        return found

    def write(self, snapshots: Mapping[str, str]) -> None:
        """Make these the snapshots, all at once; the branch `main` follows the newest."""
        refs = {name: commit for name, commit in self._read_all().items() if not name.startswith(SNAPSHOTS)}
        refs.pop(NEWEST, None)
        refs.update({SNAPSHOTS + snapshot: commit for snapshot, commit in snapshots.items()})
        if snapshots:
            refs[NEWEST] = snapshots[max(snapshots)]
        lines = [f"{commit} {name}\n" for name, commit in sorted(refs.items())]
        loose = [self._repository / name for name in self._read_loose()]
        write_file(self._packed, (_HEADER + "".join(lines)).encode())
        for path in loose:
            path.unlink(missing_ok=True)

    def _read_all(self) -> dict[str, str]:
        return {**self._read_packed(), **self._read_loose()}

    def _read_packed(self) -> dict[str, str]:
        try:
            text = self._packed.read_text()
        except FileNotFoundError:
            return {}
        except ValueError:
            raise StoreDamaged("{path} cannot be read", path=self._packed) from None
        refs = {}
        for line in text.splitlines():
            if line.startswith(("#", "^")):
                continue
            match = _LINE.match(line)
            if match is None:
                raise StoreDamaged("{path} cannot be read", path=self._packed)
            refs[match[2]] = match[1]
        return refs

    def _read_loose(self) -> dict[str, str]:
        refs = {}
        for folder in (SNAPSHOTS, "refs/heads/"):
            try:
                names = os.listdir(self._repository / folder)
            except FileNotFoundError:
                continue
            for name in names:
                path = self._repository / folder / name
                # A branch of the user's may be called `mine/of-today`, which makes a folder.
                if not name.startswith(".") and not name.endswith(".lock") and path.is_file():
                    match = _LINE.match(f"{path.read_text().strip()} {name}")
                    if match:
                        refs[folder + name] = match[1]
        return refs
