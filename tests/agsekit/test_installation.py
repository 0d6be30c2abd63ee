from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import agsekit
import agsekit_storage
from agsekit.errors import AgsekitError
from agsekit.installation import Installation, upgrade_commands

PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")


@pytest.mark.parametrize(
    ("installation", "expected"),
    [
        (Installation("1", "index", None, "pip"), [(*PIP, "--upgrade", "agsekit")]),
        (Installation("1", "index", None, "pipx"), [("pipx", "upgrade", "agsekit")]),
        (Installation("1", "index", None, "uv tool"), [("uv", "tool", "upgrade", "agsekit")]),
        (
            Installation("1", "vcs", "https://git.example/a", "pip", "agsekit @ git+https://git.example/a@main"),
            [(*PIP, "--upgrade", "agsekit @ git+https://git.example/a@main")],
        ),
    ],
)
def test_an_upgrade_comes_from_where_the_installation_came_from(
    installation: Installation, expected: list[tuple[str, ...]]
) -> None:
    assert list(upgrade_commands(installation)) == expected


def test_a_checkout_is_pulled_and_installed_again(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".git").mkdir()

    commands = upgrade_commands(Installation("1", "checkout", str(tmp_path), "pip", "--editable"))

    pull = ("git", "-C", str(tmp_path), "pull", "--ff-only")
    assert list(commands) == [pull, (*PIP, "--editable", str(tmp_path))]


@pytest.mark.parametrize(
    "installation",
    [
        Installation("1", "archive", "file:///a.whl", "pip"),
        Installation("1", "unknown", None, ""),
        Installation("1", "index", None, "system"),
        Installation("1", "index", None, ""),
        Installation("1", "checkout", "/does/not/exist", "pip"),
        Installation("1", "vcs", "https://git.example/a", "pip", "agsekit @ git+https://git.example/a@c0ffee", True),
    ],
)
def test_what_cannot_be_upgraded_from_its_origin_is_refused_with_a_way_out(installation: Installation) -> None:
    with pytest.raises(AgsekitError) as raised:
        upgrade_commands(installation)

    assert raised.value.hint


class Index:
    """A package index on loopback that offers the wheels in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "simple/agsekit"
        self.folder.mkdir(parents=True)
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/simple"

    def offer(self, version: str, packages: Mapping[str, Path | str]) -> None:
        """Add a wheel: each package is a folder with its modules, or the text of its only one."""
        files: dict[str, bytes] = {}
        for name, content in packages.items():
            if isinstance(content, str):
                files[f"{name}/__init__.py"] = content.encode()
            else:
                found = (path for path in content.rglob("*") if path.is_file() and path.suffix != ".pyc")
                files.update({f"{name}/{path.relative_to(content)}": path.read_bytes() for path in found})
        about = f"agsekit-{version}.dist-info"
        files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\nName: agsekit\nVersion: {version}\n".encode()
        files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
        files[f"{about}/RECORD"] = "\n".join([*lines, f"{about}/RECORD,,"]).encode()
        with zipfile.ZipFile(self.folder / f"agsekit-{version}-py3-none-any.whl", "w") as wheel:
            for name, data in files.items():
                wheel.writestr(name, data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index")
    yield index
    index.close()


def test_an_installation_from_an_index_is_upgraded_but_never_to_another_program(tmp_path: Path, index: Index) -> None:
    packages = {
        "agsekit": Path(agsekit.__file__).parent,
        "agsekit_storage": Path(agsekit_storage.__file__).parent,
    }
    index.offer("0.1.0", packages)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_INDEX_URL": index.url,
        "PIP_NO_CACHE_DIR": "1",
        "AGSEKIT_LANG": "en",
    }

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *argv], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert run("-m", "pip", "install", "agsekit").returncode == 0
    libraries = next(path for path in sys.path if (Path(path) / "typer").is_dir())
    next((tmp_path / "venv/lib").glob("python3*/site-packages")).joinpath("libraries.pth").write_text(libraries)

    index.offer("6.6.6", {"agsekit": "somebody_elses = True"})
    refused = run("-m", "agsekit", "pip-upgrade")
    assert (refused.returncode, "another program that is called agsekit" in refused.stderr) == (1, True)
    assert run("-m", "agsekit", "--version").stdout == "agsekit 0.1.0\n"

    index.offer("7.0.0", packages)
    upgraded = run("-m", "agsekit", "pip-upgrade")
    assert (upgraded.returncode, "agsekit 0.1.0 was upgraded to 7.0.0." in upgraded.stderr) == (0, True)
    again = run("-m", "agsekit", "pip-upgrade")
    assert (again.returncode, "agsekit 7.0.0 is the newest there." in again.stderr) == (0, True)
