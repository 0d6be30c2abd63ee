"""Snapshots as commits of a bare git repository that lies beside the records, out of the project's reach.

No program is started and no configuration is read, neither of the project nor of the user: a file is stored as it
is, whatever its name and whatever `.gitattributes` says. One snapshot is one pack and one ref.

What only reading and deleting need is imported when it is needed: a snapshot is taken every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from agsekit_storage import naming
from agsekit_storage.backends.base import Capabilities, Work
from agsekit_storage.backends.git_content import blob_id
from agsekit_storage.backends.git_pack import COMMIT, PackWriter
from agsekit_storage.backends.git_refs import Refs
from agsekit_storage.backends.git_repository import WORTH_REPACKING, Repository
from agsekit_storage.backends.git_writer import GitWriter
from agsekit_storage.content_reader import Digest
from agsekit_storage.errors import StoreDamaged
from agsekit_storage.model import Problem
from agsekit_storage.tree import Tree

if TYPE_CHECKING:
    from agsekit_storage.backends.git_objects import ObjectReader
    from agsekit_storage.backends.git_reader import GitReader

_AUTHOR = b"agsekit <agsekit@localhost>"
_RELINKED = "relinked"


class GitShadowBackend:
    """Keeps the snapshots in `<store>/shadow.git`."""

    name = "git"
    capabilities = Capabilities(hard_links=True, extended_attributes=True, browsable=False)

    def __init__(self, store: Path) -> None:
        self._repository = Repository(store)
        self._refs = Refs(self._repository.path)
        self._written: dict[str, str] = {}
        self.digest: Digest = blob_id

    def check_folder(self) -> None:
        """See `Backend.check_folder`: any file system will do."""

    def present(self) -> Sequence[str]:
        """See `Backend.present`: one ref is one snapshot."""
        return [name for name in self._refs.read() if naming.is_id(name)]

    def recover(self) -> None:
        """See `Backend.recover`: whatever no ref leads to is not there."""
        self._repository.recover(self.present())

    def write(self, snapshot_id: str, work: Work) -> Sequence[Problem]:
        """See `Backend.write`: into one pack, under a name that git does not look at."""
        self._repository.create()
        refs = self._refs.read()
        parent = refs[max(refs)] if refs else None
        pack = self._repository.start_pack(snapshot_id)
        try:
            tree, problems = GitWriter(pack, work, self._repository.spool).run()
            seconds = int(naming.created_by_name(snapshot_id))
            commit = pack.add(COMMIT, _commit(tree.hex().encode(), parent, seconds, work.message))
            self._repository.finish_pack(snapshot_id, pack)
        finally:
            pack.close()
        self._written[snapshot_id] = commit.hex()
        return problems

    def publish(self, snapshot_id: str) -> None:
        """See `Backend.publish`: a ref."""
        self._repository.show_pack(snapshot_id)
        self._refs.write({**self._refs.read(), snapshot_id: self._written.pop(snapshot_id)})
        self._repository.forget_pack(snapshot_id)

    def reader(self, snapshot_id: str) -> GitReader:
        """See `Backend.reader`."""
        from agsekit_storage.backends.git_reader import GitReader

        try:
            commit = self._refs.read()[snapshot_id]
        except KeyError:
            raise StoreDamaged(
                "the snapshot {snapshot_id} is not in the shadow repository", snapshot_id=snapshot_id
            ) from None
        return GitReader(self._repository.path, commit)

    def checker(self, *, data: bool) -> Callable[[str, Tree], Iterator[Problem]]:
        """See `Backend.checker`."""
        from agsekit_storage.backends.git_check import GitCheck

        check = GitCheck(self._repository.path, data=data)
        return lambda snapshot_id, tree: check.run(self._refs.read().get(snapshot_id), tree)

    def reclaimable(self) -> int:
        """See `Backend.reclaimable`; what is too little for a repacking does not count, so that more may go."""
        size = self._repository.deleted_size()
        return size if size >= WORTH_REPACKING else 0

    def delete(self, snapshot_ids: Sequence[str], *, size: int = 0) -> None:
        """See `Backend.delete`: one replacement of all refs.

        The commits after a deleted one are written again without it; nothing but the history that `git log` shows
        depends on their parents. `maintain` frees the space.
        """
        from agsekit_storage.backends.git_objects import ObjectReader

        kept = {name: commit for name, commit in self._refs.read().items() if name not in snapshot_ids}
        pack = self._repository.start_pack(_RELINKED)
        objects = ObjectReader(self._repository.path)
        try:
            parent: Optional[str] = None
            for name in sorted(kept):
                parent = kept[name] = _with_parent(objects, pack, kept[name], parent)
            if len(pack):
                self._repository.finish_pack(_RELINKED, pack)
                self._repository.show_pack(_RELINKED)
            if size:
                self._repository.note_deleted(self._repository.deleted_size() + size)
            self._refs.write(kept)
        finally:
            objects.close()
            pack.close()
        self._repository.forget_pack(_RELINKED)

    def clear(self, snapshot_ids: Sequence[str]) -> None:
        """See `Backend.clear`: a repository is removed as a whole, once nothing else is in it."""
        if set(self.present()) <= set(snapshot_ids):
            self._repository.remove()
        else:
            self.delete([each for each in self.present() if each in snapshot_ids])


def _commit(tree: bytes, parent: Optional[str], seconds: int, message: str) -> bytes:
    lines = [b"tree " + tree]
    if parent:
        lines.append(b"parent " + parent.encode())
    stamp = b"%s %d +0000" % (_AUTHOR, max(seconds, 0))
    lines += [b"author " + stamp, b"committer " + stamp]
    return b"\n".join(lines) + b"\n\n" + message.encode() + b"\n"


def _with_parent(objects: ObjectReader, pack: PackWriter, commit: str, parent: Optional[str]) -> str:
    """Return a commit that says the same about another parent; the same one where nothing changes."""
    try:
        content = objects.read(bytes.fromhex(commit), COMMIT)
    except StoreDamaged:
        return commit
    head, _, message = content.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(b"parent ")]
    if parent:
        lines.insert(1, b"parent " + parent.encode())
    changed = b"\n".join(lines) + b"\n\n" + message
    return commit if changed == content else pack.add(COMMIT, changed).hex()
