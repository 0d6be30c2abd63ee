from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_agents import RealAgents, open_real_agents
from tests.support.world import World, write_files


@pytest.fixture(scope="session")
def real_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAgents]:
    """One sandbox for the whole session, where agents are installed from the package registries."""
    made = open_real_agents(tmp_path_factory.mktemp("real-agents"))
    yield made
    made.world.close()
    shutil.rmtree(made.world.folder, ignore_errors=True)  # gigabytes, which pytest would keep


@pytest.fixture
def full_project(world: World) -> World:
    """A world whose project has everything that a real one has, and odder things."""
    root = world.project
    write_files(
        root,
        {
            "README.md": "read me\n",
            "src/main.py": "print('committed')\n",
            "build/out.bin": "made\n",
            ".gitignore": "build/\n",
            "tab\tand 'quote'.txt": "odd\n",
        },
    )
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(root)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(world.home), "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], env=environment, check=True, cwd="/", capture_output=True)
    write_files(root, {"src/main.py": "print('not committed')\n", "untracked.txt": "untracked\n"})
    (root / "src/main.py").chmod(0o755)
    (root / "private").mkdir(mode=0o700)
    (root / "link").symlink_to("src/main.py")
    (root / "dangling").symlink_to("/nonexistent")
    os.link(root / "README.md", root / "twin")
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9.txt")).write_text("bytes\n")
    return world


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 256 KiB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
