"""The git program, as a judge of what the library writes, untouched by any configuration of the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.org",
    "GIT_COMMITTER_NAME": "Somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.org",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
}


def git(*arguments: str, repository: Path, work_tree: bool = False, stdin: bytes = b"") -> bytes:
    """Run git on a bare repository, or in the work tree of one, and return what it prints; it has to succeed."""
    place = ["-C", str(repository)] if work_tree else [f"--git-dir={repository}"]
    done = subprocess.run(
        ["git", *place, *arguments], input=stdin, capture_output=True, env=_ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def fsck(repository: Path) -> None:
    """Have git check every object of a repository as strictly as it can; it must have nothing to say."""
    done = subprocess.run(
        ["git", f"--git-dir={repository}", "fsck", "--strict", "--full", "--no-dangling"],
        capture_output=True,
        env=_ENVIRONMENT,
        check=False,
    )
    # A repository without a snapshot gets a notice that it has no branch yet.
    complaints = [line for line in done.stderr.splitlines() if not line.startswith(b"notice: ")]
    assert (done.returncode, done.stdout, complaints) == (0, b"", [])


def run_program(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program as `agsekit_storage.maintenance.Run` wants it."""
    full = {**environment, "PATH": _ENVIRONMENT["PATH"]}
    return subprocess.run(list(argv), env=full, cwd="/", stdin=subprocess.DEVNULL, check=False).returncode
