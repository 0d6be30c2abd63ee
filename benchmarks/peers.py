"""The programs that are compared: ours with each backend, and what people use instead."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from benchmarks.measure import Command
from benchmarks.trees import set_aside


class Contender:
    """A way to keep snapshots. What returns None is something it has no command for."""

    name = ""
    program = ""
    slow = False
    """Takes so long that it is run three times at most."""

    def __init__(self, source: Path, store: Path, environment: Mapping[str, str]) -> None:
        self.source = source
        self.store = store
        self.env = dict(environment)
        self.taken = 0

    def prepare(self) -> None:
        """Make a new, empty store; not measured."""
        self.store.mkdir(parents=True)

    def remove(self) -> None:
        """Be done with the store, if there is one."""
        set_aside(self.store)
        self.taken = 0

    def snapshot(self) -> Optional[Command]:
        """Return the command that takes the next snapshot."""
        return None

    def unchanged(self) -> Optional[Command]:
        """Return the command that finds that nothing changed."""
        return self.snapshot()

    def restore_one(self, path: str, to: Path) -> Optional[Command]:
        """Return the command that restores one file into a folder."""
        return None

    def restore_all(self, to: Path) -> Optional[Command]:
        """Return the command that restores everything into a folder."""
        return None

    def versions(self) -> str:
        """Return the version of the program in one line."""
        return _first_line([self.program, "--version"])


class Agsekit(Contender):
    """Our own command, as it is installed beside the running interpreter."""

    program = str(Path(sys.executable).parent / "agsekit")
    backend = ""

    def snapshot(self) -> Command:
        """See `Contender`."""
        return self._command("backup-once", "--backend", self.backend)

    def restore_one(self, path: str, to: Path) -> Command:
        """See `Contender`."""
        return self._command("snapshots", "restore", "latest", path, "--to", str(to), "-y")

    def restore_all(self, to: Path) -> Command:
        """See `Contender`."""
        return self._command("snapshots", "restore", "latest", "--to", str(to), "-y")

    def _command(self, *words: str) -> Command:
        folders = ["--source-dir", str(self.source), "--dest-dir", str(self.store)]
        return Command([self.program, *words, *folders], self.env)


class AgsekitRsync(Agsekit):
    """Our backend with hard links."""

    name, backend = "agsekit, rsync backend", "rsync"


class AgsekitGit(Agsekit):
    """Our backend with a shadow repository."""

    name, backend = "agsekit, git backend", "git"


class RsyncCopy(Contender):
    """A plain copy; it has no history."""

    name, program = "rsync -a", "rsync"

    def snapshot(self) -> Optional[Command]:
        """See `Contender`: the first one only."""
        if self.taken:
            return None
        self.taken = 1
        return self._command("-a", f"{self.source}/", f"{self.store}/copy/")

    def restore_one(self, path: str, to: Path) -> Command:
        """See `Contender`."""
        return self._command("-a", f"{self.store}/copy/{path}", f"{to}/")

    def restore_all(self, to: Path) -> Command:
        """See `Contender`."""
        return self._command("-a", f"{self.store}/copy/", f"{to}/")

    def _command(self, *words: str) -> Command:
        return Command([self.program, *words], self.env)


class RsyncLinkDest(Contender):
    """Snapshots as hard-linked folders, the usual recipe."""

    name, program = "rsync -a --link-dest", "rsync"

    def snapshot(self) -> Command:
        """See `Contender`."""
        self.taken += 1
        base = [f"--link-dest=../{self.taken - 1}"] if self.taken > 1 else []
        return Command([self.program, "-a", *base, f"{self.source}/", f"{self.store}/{self.taken}/"], self.env)

    def unchanged(self) -> None:
        """Leave that to the dry run."""


class RsyncDryRun(Contender):
    """The comparison alone, with the newest folder of `RsyncLinkDest`."""

    name, program = "rsync -a --dry-run", "rsync"

    def prepare(self) -> None:
        """Use the store of the other."""

    def remove(self) -> None:
        """Leave the store to the other."""

    def unchanged(self) -> Command:
        """See `Contender`."""
        newest = max((int(path.name) for path in self.store.iterdir()), default=1)
        words = ["-a", "--dry-run", "--itemize-changes", "--delete", f"{self.source}/", f"{self.store}/{newest}/"]
        return Command([self.program, *words], self.env)


class GitCommit(Contender):
    """`git add -A && git commit` into a git dir beside the project. It leaves the project's own .git out."""

    name, program = "git add + commit", "git"

    def prepare(self) -> None:
        """See `Contender`."""
        super().prepare()
        subprocess.run([self.program, "init", "-q", "--bare", str(self.store / "git")], env=self.env, check=True)

    def snapshot(self) -> Command:
        """See `Contender`: a shell does both, as a user's would."""
        git = f'git --git-dir="{self.store}/git" --work-tree="{self.source}"'
        return Command(
            ["/bin/sh", "-c", f"{git} add -A && {git} commit -q -m snapshot"], self.env, cwd=self.source, codes=(0, 1)
        )

    def restore_one(self, path: str, to: Path) -> Command:
        """See `Contender`."""
        return self._checkout(path, to)

    def restore_all(self, to: Path) -> Command:
        """See `Contender`."""
        return self._checkout(".", to)

    def _checkout(self, path: str, to: Path) -> Command:
        index = {"GIT_INDEX_FILE": str(to.parent / f"{to.name}.index")}
        words = [f"--git-dir={self.store}/git", f"--work-tree={to}", "checkout", "-q", "HEAD", "--", path]
        return Command([self.program, *words], {**self.env, **index}, cwd=to)


class Restic(Contender):
    """restic with its encryption, which it cannot do without, and a local cache."""

    name, program, slow = "restic", "restic", True

    def __init__(self, source: Path, store: Path, environment: Mapping[str, str]) -> None:
        super().__init__(source, store, environment)
        self.env.update({"RESTIC_PASSWORD": "benchmark", "RESTIC_REPOSITORY": str(store / "repository")})

    def prepare(self) -> None:
        """See `Contender`."""
        super().prepare()
        subprocess.run([self.program, "init", "-q"], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def snapshot(self) -> Command:
        """See `Contender`."""
        return Command([self.program, "backup", "-q", str(self.source)], self.env)

    def restore_one(self, path: str, to: Path) -> Command:
        """See `Contender`."""
        words = ["restore", "latest", "-q", "--target", str(to), "--include", str(self.source / path)]
        return Command([self.program, *words], self.env)

    def restore_all(self, to: Path) -> Command:
        """See `Contender`."""
        return Command([self.program, "restore", "latest", "-q", "--target", str(to)], self.env)

    def versions(self) -> str:
        """See `Contender`."""
        return " ".join(_first_line([self.program, "version"]).split()[:2])


class Borg(Contender):
    """borg without encryption."""

    name, program, slow = "borg", "borg", True

    def __init__(self, source: Path, store: Path, environment: Mapping[str, str]) -> None:
        super().__init__(source, store, environment)
        self.env.update(
            BORG_REPO=str(store / "repository"),
            BORG_BASE_DIR=environment["HOME"],
            BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
        )

    def prepare(self) -> None:
        """See `Contender`."""
        super().prepare()
        subprocess.run([self.program, "init", "--encryption=none"], env=self.env, check=True)

    def snapshot(self) -> Command:
        """See `Contender`."""
        self.taken += 1
        return Command([self.program, "create", f"::{self.taken}", "."], self.env, cwd=self.source)

    def restore_one(self, path: str, to: Path) -> Command:
        """See `Contender`."""
        return Command([self.program, "extract", f"::{self.taken}", path], self.env, cwd=to)

    def restore_all(self, to: Path) -> Command:
        """See `Contender`."""
        return Command([self.program, "extract", f"::{self.taken}"], self.env, cwd=to)


PEERS: tuple[type[Contender], ...] = (RsyncCopy, RsyncLinkDest, RsyncDryRun, GitCommit, Restic, Borg)
OURS: Mapping[str, type[Contender]] = {"rsync": AgsekitRsync, "git": AgsekitGit}


def is_installed(contender: type[Contender]) -> bool:
    """Tell whether the program of a contender can be started."""
    return shutil.which(contender.program) is not None


def _first_line(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    first = (done.stdout.strip().splitlines() or ["unknown"])[0]
    return " ".join(first.split()).partition(" protocol ")[0]
