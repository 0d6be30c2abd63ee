"""What the host would execute of what a run changed, without the user asking for that very file.

Git, editors, shells and package managers obey files of the project they are used in. Whoever can write those can run
programs outside the isolation. Paths and contents are hostile: contents are looked at up to a size, and what cannot
be understood counts as changed.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from agsekit.protection import git_config
from agsekit_storage.model import Changes
from agsekit_storage.restore_plan import find, parents
from agsekit_storage.textdiff import ReadContent
from agsekit_storage.tree import MODE, Entry, Tree, join, split

_LARGEST = 1024 * 1024
"""Bytes of a content that is looked into; nobody writes such a file that long by hand."""
_MOST_READ = 500
"""Files whose contents are compared; if a run changed more of them, the rest counts as changed."""

GIT_HOOK, GIT_CONFIG, GIT_ATTRIBUTES = "git-hook", "git-config", "git-attributes"
NPM_SCRIPTS, EXECUTABLE, LINK_OUT, PACKAGES = "npm-scripts", "executable", "link-out", "packages"

_PATHS: Sequence[tuple[str, str]] = (
    (GIT_HOOK, r"\.husky/.+|\.githooks/.+"),
    (GIT_ATTRIBUTES, r"\.gitattributes"),
    ("shell", r"\.envrc|\.?mise(?:\.[^/]+)?\.toml|\.mise/config\.toml|\.autoenv(?:\.zsh)?"),
    (
        "editor",
        r"\.vscode/(?:tasks|settings|launch|mcp)\.json|[^/]+\.code-workspace|[^/]+\.sublime-project"
        r"|\.idea/(?:runconfigurations/.+|tools/.+|(?:workspace|watchertasks|externaltools)\.xml)|[^/]+\.run\.xml"
        r"|\.zed/(?:tasks|settings|debug)\.json|\.fleet/run\.json"
        r"|\.nvim\.lua|\.nvimrc|\.exrc|\.vimrc|\.dir-locals\.el|\.devcontainer/.+|\.devcontainer\.json",
    ),
    ("git-checks", r"\.pre-commit-config\.ya?ml|\.?lefthook(?:-local)?\.(?:ya?ml|toml|json)|\.overcommit\.yml"),
    (NPM_SCRIPTS, r"package\.json"),
    (
        "package-manager",
        r"\.npmrc|\.yarnrc(?:\.yml)?|\.yarn/(?:plugins|releases)/.+|\.pnpmfile\.c?js|bunfig\.toml"
        r"|\.cargo/config(?:\.toml)?|\.pnp\.(?:c?js|loader\.mjs)|binding\.gyp",
    ),
    ("python-start", r"(?:site|user)customize\.py|[^/]+\.pth"),
    (
        "agent",
        r"\.claude/(?:settings(?:\.local)?\.json|hooks/.+)|\.mcp\.json|\.cursor/(?:mcp|hooks)\.json"
        r"|\.(?:gemini|qwen|amp)/settings\.json|\.codex/(?:config\.toml|hooks.*)|\.?opencode\.jsonc?"
        r"|\.opencode/(?:plugins?|tools?)/.+|\.aider\.conf\.yml|\.?crush\.json",
    ),
    (
        "ci",
        r"\.github/(?:workflows|actions)/.+|\.(?:forgejo|gitea)/workflows/.+|\.gitlab-ci\.ya?ml|\.gitlab/ci/.+"
        r"|\.circleci/.+|jenkinsfile|azure-pipelines\.ya?ml|\.?appveyor\.ya?ml|\.travis\.ya?ml"
        r"|bitbucket-pipelines\.ya?ml|\.drone\.ya?ml|\.woodpecker(?:\.ya?ml|/.+)|\.buildkite/.+",
    ),
)
KINDS = (GIT_CONFIG, *(kind for kind, _pattern in _PATHS), PACKAGES, EXECUTABLE, LINK_OUT)
"""All kinds, what runs soonest first."""

# One search a path. Some file systems do not tell A from a, and neither do the tools on them.
_ANY = re.compile(
    b"(?:^|/)(?:" + b"|".join(f"(?P<k{n}>{p})".encode() for n, (_k, p) in enumerate(_PATHS)) + rb")\Z",
    re.IGNORECASE | re.DOTALL,
)
_IN_SUCH_FOLDERS = (
    b"attributes", b"any", b"hooks/any", b"config", b"config.toml", b"settings.json", b"mcp.json",
    b"runConfigurations/any", b"tasks.json", b"run.json", b"workflows/any", b"ci/any", b"plugins/any",
)  # fmt: skip
"""Names, one of which is risky in every folder that has risky files."""
_IN_PACKAGES = frozenset({NPM_SCRIPTS, "package-manager", "python-start", EXECUTABLE, LINK_OUT})
"""Inside of installed packages these are many and say nothing; the packages as a whole are named instead."""
_ATTRIBUTE = re.compile(rb"(?i)(?<![\w-])(?:filter|diff|merge)=")
_HOOKS_PATH = re.compile(rb"(?im)^[ \t]*hookspath[ \t]*=[ \t]*\"?([^\"\r\n]+)")


@dataclass(frozen=True)
class Risk:
    """A path that the host would execute or obey: `kind` is one of `KINDS`, `status` is new or changed."""

    path: bytes
    kind: str
    status: str


def find_risky(
    changes: Changes, before: Optional[Tree], after: Tree, old: ReadContent, new: ReadContent
) -> list[Risk]:
    """Return what is risky among some changes, the kinds that run soonest first.

    `old` and `new` read the contents of files before and after.
    """
    return _Finder(changes, before, after, old, new).find()


class _Finder:
    def __init__(
        self, changes: Changes, before: Optional[Tree], after: Tree, old: ReadContent, new: ReadContent
    ) -> None:
        self._changes = changes
        self._before = before
        self._after = after
        self._old = old
        self._new = new
        self._reads = 0
        self._hooks = self._hooks_folder()
        self._packages = frozenset(
            path
            for tree in (before, after)
            for path, folder in (tree.folders.items() if tree else ())
            if split(path)[1].lower() == b"node_modules" or b"pyvenv.cfg" in folder.names
        )

    def find(self) -> list[Risk]:
        added = frozenset(self._changes.added)
        found: dict[bytes, Risk] = {}
        for path in (*self._changes.added, *self._changes.modified, *self._changes.metadata):
            status = "new" if path in added else "changed"
            kind = self._kind(path, status) if path != b"." else None
            package = self._package_around(path)
            if package is not None and (kind is None or kind in _IN_PACKAGES):
                fresh = self._before is None or package not in self._before.folders
                found[package] = Risk(package or b".", PACKAGES, "new" if fresh else "changed")
            elif kind:
                found[path] = Risk(path, kind, status)
        return sorted(found.values(), key=lambda risk: (KINDS.index(risk.kind), risk.path))

    def _package_around(self, path: bytes) -> Optional[bytes]:
        """Return the outermost folder of installed packages that a path is in."""
        outside_first = (*reversed((path, *parents(path))),)
        if b"" in self._packages:
            return b""
        return next((each for each in outside_first if each in self._packages), None)

    def _kind(self, path: bytes, status: str) -> Optional[str]:
        entry = _entry(self._after, path)
        if entry is None or stat.S_ISDIR(entry.row[MODE]):
            return None
        kind = self._kind_by_path(path)
        check = _CHECKS.get(kind or "")
        if check and not self._differs(path, status, check):
            kind = None
        if kind:
            return kind
        if stat.S_ISLNK(entry.row[MODE]):
            # A link in the place of a whole folder of such files: they have other names where they are.
            below = next(filter(None, (self._kind_by_path(join(path, name)) for name in _IN_SUCH_FOLDERS)), None)
            if below:
                return below
            return LINK_OUT if _leads_out(path, entry.link or b"") else None
        return EXECUTABLE if self._became_executable(path, entry) else None

    def _kind_by_path(self, path: bytes) -> Optional[str]:
        if self._hooks and path.startswith(self._hooks):
            return GIT_HOOK
        parts = path.lower().split(b"/")
        if b".git" in parts:
            return _kind_in_git_folder(parts[parts.index(b".git") + 1 :])
        match = _ANY.search(path)
        if match:
            return _PATHS[int((match.lastgroup or "k0")[1:])][0]
        folder, name = split(path)
        if name == b"config" and self._is_repository(folder):
            return GIT_CONFIG
        if split(folder)[1] == b"hooks" and self._is_repository(split(folder)[0]) and not name.endswith(b".sample"):
            return GIT_HOOK
        return None

    def _is_repository(self, path: bytes) -> bool:
        """Tell whether git takes a folder for a bare repository as soon as somebody is in it."""
        folder = self._after.folders.get(path)
        if folder is None:
            return False
        # With a file `commondir`, what is a repository may be in two folders.
        return b"commondir" in folder.names or (
            b"objects" in folder.names and (b"HEAD" in folder.names or b"refs" in folder.names)
        )

    def _hooks_folder(self) -> bytes:
        """Return where the project itself keeps its hooks according to git's configuration, with a slash behind."""
        if _entry(self._after, b".git/config") is None:
            return b""
        match = _HOOKS_PATH.search(self._read(self._new, b".git/config") or b"")
        folder = match[1].strip().strip(b"/") if match else b""
        return folder.removeprefix(b"./") + b"/" if folder and not match[1].startswith(b"/") else b""  # type: ignore[index]

    def _became_executable(self, path: bytes, entry: Entry) -> bool:
        if not stat.S_ISREG(entry.row[MODE]) or not entry.row[MODE] & 0o111 or path.endswith(b".sample"):
            return False
        earlier = _entry(self._before, path)
        return earlier is None or not stat.S_ISREG(earlier.row[MODE]) or not earlier.row[MODE] & 0o111

    def _differs(self, path: bytes, status: str, check: Callable[[bytes, bytes], bool]) -> bool:
        """Tell whether the part of a file that matters differs, and say yes where that cannot be told."""
        entry = _entry(self._after, path)
        if entry is None or not stat.S_ISREG(entry.row[MODE]):
            return True
        earlier = _entry(self._before, path) if status == "changed" else None
        old: Optional[bytes] = b""
        if earlier is not None and stat.S_ISREG(earlier.row[MODE]):
            old = self._read(self._old, path)
        new = self._read(self._new, path)
        return old is None or new is None or check(old, new)

    def _read(self, read: ReadContent, path: bytes) -> Optional[bytes]:
        self._reads += 1
        if self._reads > _MOST_READ:
            return None
        content = read(path)
        return content if content is not None and len(content) <= _LARGEST else None


def _kind_in_git_folder(parts: Sequence[bytes]) -> Optional[str]:
    """Return the kind of what is in a folder .git; `parts` are those of the path below it, none for itself."""
    if not parts:
        return GIT_CONFIG  # a file or a link leads git to a folder of another name
    *above, name = parts
    if above[-1:] == [b"hooks"]:
        return None if name.endswith(b".sample") else GIT_HOOK
    if above[-1:] == [b"info"] and name == b"attributes":
        return GIT_ATTRIBUTES
    data = above[:1] in ([b"objects"], [b"refs"], [b"logs"])  # a branch may have any name
    return GIT_CONFIG if name in (b"config", b"config.worktree", b"commondir") and not data else None


def _entry(tree: Optional[Tree], path: bytes) -> Optional[Entry]:
    if tree is None:
        return None
    try:
        return find(tree, path)
    except KeyError:
        return None


def _leads_out(path: bytes, target: bytes) -> bool:
    """Tell whether a link leads out of the project: through it, programs of the host reach the host's files."""
    if target.startswith(b"/"):
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
        if depth < 0:
            return True
    return False


def _scripts_differ(old: bytes, new: bytes) -> bool:
    scripts = _scripts(new)
    return bool(scripts) and scripts != _scripts(old)


def _scripts(content: bytes) -> object:
    """Return what a package.json has under `scripts`, or what cannot be equal to anything."""
    if not content.strip():
        return {}
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return object()
    return document.get("scripts", {}) if isinstance(document, Mapping) else object()


def _attributes_differ(old: bytes, new: bytes) -> bool:
    return not frozenset(_filters(new)) <= frozenset(_filters(old))


def _filters(content: bytes) -> Iterator[bytes]:
    for line in content.split(b"\n"):
        if _ATTRIBUTE.search(line) and not line.lstrip().startswith(b"#"):
            yield line.strip()


_CHECKS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    GIT_CONFIG: git_config.differs,
    GIT_ATTRIBUTES: _attributes_differ,
    NPM_SCRIPTS: _scripts_differ,
}
"""Kinds of files of which only a part matters."""
