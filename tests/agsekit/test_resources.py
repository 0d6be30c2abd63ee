from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import agsekit
from agsekit import resources


def test_the_files_are_found_in_the_checkout() -> None:
    assert resources.config_example().is_file()
    assert resources.agent_scripts().is_dir()


def test_the_files_are_found_in_an_installed_package(tmp_path: Path) -> None:
    source = Path(agsekit.__file__).parent
    package = tmp_path / "site/agsekit"
    package.mkdir(parents=True)
    for module in ("__init__.py", "resources.py"):
        shutil.copy(source / module, package)
    data = package / "_data"
    (data / "agent_scripts").mkdir(parents=True)
    (data / "config-example.yaml").write_text("vms:")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from agsekit import resources;"
        "print(resources.config_example()); print(resources.agent_scripts())"
    )

    # -I and -S keep the checkout's own package out of the way.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )

    assert done.stdout.splitlines() == [str(data / "config-example.yaml"), str(data / "agent_scripts")]
