"""The scripts that install agents, run by a real bash without a network, with programs of a test on PATH."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from agsekit.resources import agent_scripts

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap to be without a network")

NODE = """#!/bin/sh
case $1 in
  --version) echo v22.1.0 ;;
  *) shift; echo "agent 1.2.3 on {where} $*" ;;
esac
"""
# Installs a program for Node that the package of the test has; fails as often, and as, the test says.
NPM = r"""#!/bin/bash
echo "$*" >> "$RECORD"
if [ "$1" = view ]; then cat "$FOLDER/newest"; exit; fi
if [ -s "$FOLDER/failures" ]; then
  sed -n 1p "$FOLDER/failures" >&2
  sed -i 1d "$FOLDER/failures"
  exit 1
fi
while [ $# -gt 0 ]; do [ "$1" != --prefix ] || prefix=$2; shift; done
mkdir "$FOLDER/busy" || echo "two at once" >> "$RECORD"
[ ! -e "$FOLDER/slow" ] || sleep 0.3
mkdir -p "$prefix/bin" "$prefix/lib"
printf '#!/usr/bin/env node\n' > "$prefix/lib/cli.js"
ln -s ../lib/cli.js "$prefix/bin/qwen"
cp "$FOLDER/program" "$prefix/bin/claude" 2>/dev/null
rmdir "$FOLDER/busy"
"""
BINARY = "#!/bin/sh\necho '2.0.0 (Some Agent)'\n"


class Guest:
    """A home inside a VM, whose node and npm are those of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.tools = folder / "tools"
        self.record = folder / "record"
        for path in (self.home, self.tools):
            path.mkdir()
        self.record.touch()
        self.put("node", NODE.replace("{where}", "system"))
        self.put("npm", NPM)
        (folder / "program").write_text(BINARY)
        (folder / "program").chmod(0o755)

    def put(self, name: str, text: str) -> None:
        """Give the VM a program."""
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def start(
        self, kind: str = "qwen", version: str = "1.2.3", binary: str = "", **more: str
    ) -> subprocess.Popen[str]:
        """Start the script of a type."""
        environment = {
            "HOME": str(self.home),
            "PATH": f"{self.tools}:/usr/bin:/bin",
            "RECORD": str(self.record),
            "FOLDER": str(self.folder),
            "AGSEKIT_TYPE": kind,
            "AGSEKIT_BINARY": binary or kind,
            "AGSEKIT_VERSION": version,
            "AGSEKIT_NODE": "22",
            "AGSEKIT_RETRY_SECONDS": "0",
            **more,
        }
        script = agent_scripts() / f"{kind}.sh"
        isolated = [
            str(shutil.which("bwrap")),
            "--dev-bind",
            "/",
            "/",
            "--unshare-net",
            "--die-with-parent",
            str(shutil.which("bash")),
            str(script),
        ]
        return subprocess.Popen(
            isolated, env=environment, text=True, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def install(
        self, kind: str = "qwen", version: str = "1.2.3", binary: str = "", **more: str
    ) -> tuple[int, str, str]:
        """Run the script of a type; return exit code, last line of the output, and what was said."""
        process = self.start(kind, version, binary, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, (out.splitlines() or [""])[-1], err

    def calls(self) -> Sequence[str]:
        """Return how npm was called, and what it noticed."""
        return self.record.read_text().splitlines()

    def run(self, name: str, *arguments: str) -> str:
        """Start an installed agent without anything of the test on PATH."""
        program = self.home / ".local/bin" / name
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def folders(self, kind: str = "qwen") -> Sequence[Path]:
        """Return the installations of a type that are there."""
        return [path for path in (self.home / f".local/share/agsekit/agents/{kind}").iterdir() if path.is_dir()]


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_an_agent_for_node_is_installed_and_runs_on_the_node_of_the_system(guest: Guest) -> None:
    code, last, _err = guest.install()

    assert (code, last) == (0, f"agsekit-installed qwen 1.2.3 {guest.home}/.local/bin/qwen")
    assert guest.run("qwen", "--flag", "a b") == "agent 1.2.3 on system --flag a b"
    [call] = guest.calls()
    assert call.startswith("install --global --prefix ")
    assert call.endswith(" @qwen-code/qwen-code@1.2.3")


def test_a_binary_from_npm_is_started_as_it_is(guest: Guest) -> None:
    code, last, _err = guest.install("claude-code", "2.0.0", "claude")

    assert (code, last) == (0, f"agsekit-installed claude-code 2.0.0 {guest.home}/.local/bin/claude")
    assert guest.run("claude") == "2.0.0 (Some Agent)"


def test_a_version_that_is_there_is_not_installed_again(guest: Guest) -> None:
    first = guest.install()

    again = guest.install()

    assert again[:2] == first[:2]
    assert "is installed already" in again[2]
    assert len(guest.calls()) == 1


def test_the_latest_version_is_not_installed_again_either(guest: Guest) -> None:
    (guest.folder / "newest").write_text("1.2.3\n")
    guest.install()

    code, last, _err = guest.install(version="latest")

    assert (code, last.split()[2]) == (0, "1.2.3")
    assert [call.split()[0] for call in guest.calls()] == ["install", "view"]


def test_a_program_that_somebody_removed_is_installed_again(guest: Guest) -> None:
    guest.install()
    (guest.home / ".local/bin/qwen").unlink()

    guest.install()

    assert guest.run("qwen").startswith("agent 1.2.3")


def test_a_network_failure_is_tried_again(guest: Guest) -> None:
    (guest.folder / "failures").write_text("npm error network ECONNRESET\nnpm error code ENOTFOUND\n")

    code, _last, err = guest.install()

    assert code == 0
    assert len(guest.calls()) == 3
    assert "trying again in 0 s" in err


def test_a_version_that_does_not_exist_is_not_tried_again_and_leaves_nothing(guest: Guest) -> None:
    guest.install()
    (guest.folder / "failures").write_text("npm error code ETARGET\n" * 5)

    code, last, err = guest.install(version="9.9.9")

    assert (code, last) == (1, "")
    assert err.splitlines()[-1] == "error: @qwen-code/qwen-code 9.9.9 could not be installed with npm"
    assert len(guest.calls()) == 2
    assert len(guest.folders()) == 1
    assert guest.run("qwen").startswith("agent 1.2.3")


def test_a_program_that_does_not_run_here_does_not_take_the_place_of_one_that_does(guest: Guest) -> None:
    guest.install("claude-code", "2.0.0", "claude")
    (guest.folder / "program").write_text("#!/bin/sh\nkill -ILL $$\n")

    code, _last, err = guest.install("claude-code", "2.1.0", "claude")

    assert code == 1
    assert "This processor lacks instructions" in err
    assert "does not run here" in err.splitlines()[-1]
    assert guest.run("claude") == "2.0.0 (Some Agent)"


def test_the_version_from_before_stays_for_agents_that_run_it_and_older_ones_go(guest: Guest) -> None:
    for version in ("2.0.0", "2.0.1", "2.0.2"):
        (guest.folder / "program").write_text(BINARY.replace("2.0.0", version))
        guest.install("claude-code", version, "claude")

    names = sorted(path.name.rpartition(".")[0] for path in guest.folders("claude-code"))
    assert names == ["2.0.1", "2.0.2"]


def test_two_installations_wait_for_each_other(guest: Guest) -> None:
    (guest.folder / "slow").touch()

    processes = [guest.start("qwen"), guest.start("claude-code", "2.0.0", "claude")]
    said = [process.communicate(timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], said
    assert len(guest.calls()) == 2, "one of them did not wait"
    assert sum("Another installation is running" in text for text in said) == 1


# Node


def serve_node(guest: Guest, *, checksum: str = "") -> None:
    """Have curl find a release of Node, whatever machine this is, and the system's own Node be too old."""
    guest.put("node", "#!/bin/sh\necho v18.0.0\n")
    version = (agent_scripts() / "common.sh").read_text().partition("node_version=")[2].split()[0]
    machine = {"x86_64": "x64", "aarch64": "arm64"}[os.uname().machine]
    name = f"node-v{version}-linux-{machine}"
    archive = guest.folder / "node.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        text = NODE.replace("v22.1.0", f"v{version}").replace("{where}", "shared")
        for path, content in ((f"{name}/bin/node", text), (f"{name}/bin/npm", NPM)):
            member = tarfile.TarInfo(path)
            member.mode, member.size = 0o755, len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    checksum = checksum or hashlib.sha256(archive.read_bytes()).hexdigest()
    (guest.folder / "SHASUMS256.txt").write_text(f"{'0' * 64}  other.tar.gz\n{checksum}  {name}.tar.gz\n")
    guest.put(
        "curl",
        f"""#!/bin/bash
echo "curl ${{@: -1}}" >> "$RECORD"
while [ $# -gt 1 ]; do [ "$1" != --output ] || file=$2; shift; done
case $1 in
  https://nodejs.org/dist/v{version}/{name}.tar.gz) cp "$FOLDER/node.tar.gz" "$file" ;;
  https://nodejs.org/dist/v{version}/SHASUMS256.txt) cp "$FOLDER/SHASUMS256.txt" "$file" ;;
  *) printf 404; exit ;;
esac
printf 200
""",
    )


def test_one_node_is_downloaded_for_all_agents_when_that_of_the_system_is_too_old(guest: Guest) -> None:
    serve_node(guest)

    codes = [guest.install("qwen")[0], guest.install("claude-code", "2.0.0", "claude")[0]]

    assert codes == [0, 0]
    assert guest.run("qwen", "x") == "agent 1.2.3 on shared x"
    assert len([call for call in guest.calls() if call.startswith("curl ")]) == 2


def test_a_download_with_a_wrong_checksum_is_refused(guest: Guest) -> None:
    serve_node(guest, checksum="1" * 64)

    code, last, err = guest.install()

    assert (code, last) == (1, "")
    assert err.splitlines()[-1] == "error: the checksum of node.tar.gz is wrong"
    assert not (guest.home / ".local/bin/qwen").exists()
    assert [path.name for path in (guest.home / ".local/share/agsekit").glob("node*")] == []


def test_without_any_way_to_node_the_reason_is_said(guest: Guest) -> None:
    (guest.tools / "node").unlink()
    (guest.tools / "npm").unlink()
    guest.put("curl", "#!/bin/sh\necho 'curl: (6) Could not resolve host' >&2\nexit 6\n")
    for name in (
        "dirname",
        "mkdir",
        "mktemp",
        "flock",
        "rm",
        "tee",
        "grep",
        "sed",
        "sleep",
        "uname",
        "bash",
        "readlink",
        "cat",
    ):
        (guest.tools / name).symlink_to(str(shutil.which(name)))

    code, _last, err = guest.install(PATH=str(guest.tools))

    assert code == 1
    assert err.count("Could not resolve host") == 4
    assert "could not be downloaded, and there is no npm" in err.splitlines()[-1]


# Others


def test_goose_is_checked_against_the_sum_that_its_release_names(guest: Guest) -> None:
    archive = guest.folder / "goose.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        content = b"#!/bin/sh\necho ' 1.50.1'\n"
        member = tarfile.TarInfo("./goose")
        member.mode, member.size = 0o755, len(content)
        tar.addfile(member, io.BytesIO(content))
    name = f"goose-{os.uname().machine}-unknown-linux-gnu.tar.gz"
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    guest.put(
        "curl",
        """#!/bin/bash
while [ $# -gt 1 ]; do [ "$1" != --output ] || file=$2; shift; done
case $1 in
  https://api.*) cp "$FOLDER/release.json" "$file" ;;
  *) cp "$FOLDER/goose.tar.gz" "$file" ;;
esac
printf 200
""",
    )
    results = []
    for digest in ("2" * 64, right):
        (guest.folder / "release.json").write_text(
            '{\n  "assets": [\n    {\n      "name": "other",\n      "digest": "sha256:' + "3" * 64 + '"\n    },\n'
            f'    {{\n      "name": "{name}",\n      "digest": "sha256:{digest}"\n    }}\n  ]\n}}\n'
        )
        results.append(guest.install("goose", "1.50.1"))

    assert results[0][0] == 1
    assert f"the checksum of {name} is wrong" in results[0][2]
    assert results[1][:2] == (0, f"agsekit-installed goose 1.50.1 {guest.home}/.local/bin/goose")
