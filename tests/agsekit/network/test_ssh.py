"""The key pair, the known hosts, and the arguments of ssh."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agsekit.errors import AgsekitError
from agsekit.network.ssh import (
    ensure_key_pair,
    forget_host_key,
    host_key,
    knows_host,
    remember_host_key,
    ssh_arguments,
    tunnel_arguments,
)
from agsekit.process import Runner
from tests.support.world import SCRIPT

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtxXGVZ8CAuxpnQfXTHDHe1wGvSWCmJcXkUUlQXU2Mq"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICI4rAcOA8WDiQ6XoEHDjQ2wGvbKLWUIaZ05y3i+xpmo"


@pytest.fixture
def runner() -> Runner:
    return Runner({"PATH": os.environ["PATH"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'odd 100%h "folder"' / "ssh"


def keygen(path: Path, *options: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *options], check=True)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_key_is_an_ed25519_for_the_user_alone(folder: Path, runner: Runner) -> None:
    keys = ensure_key_pair(folder, runner)

    assert keys.private == folder / "id_ed25519"
    assert keys.public.startswith("ssh-ed25519 ")
    assert (folder / "id_ed25519.pub").read_text().strip() == keys.public
    assert (mode(folder), mode(keys.private)) == (0o700, 0o600)
    assert sorted(os.listdir(folder)) == ["id_ed25519", "id_ed25519.pub"]


def test_a_key_that_exists_stays(folder: Path, runner: Runner) -> None:
    first = ensure_key_pair(folder, runner)

    assert ensure_key_pair(folder, runner) == first


def test_an_rsa_key_of_earlier_days_is_used(folder: Path, runner: Runner) -> None:
    keygen(folder / "id_rsa", "-t", "rsa", "-b", "2048", "-N", "", "-C", "old")

    keys = ensure_key_pair(folder, runner)

    assert keys.private == folder / "id_rsa"
    assert keys.public.startswith("ssh-rsa ")
    assert not (folder / "id_ed25519").exists()


def test_modes_that_are_too_wide_are_repaired_and_told(folder: Path, runner: Runner) -> None:
    private = ensure_key_pair(folder, runner).private
    private.chmod(0o644)
    folder.chmod(0o755)
    said: list[str] = []

    ensure_key_pair(folder, runner, on_event=said.append)

    assert (mode(folder), mode(private)) == (0o700, 0o600)
    assert [str(folder) in said[0], str(private) in said[1]] == [True, True]


@pytest.mark.parametrize("content", [None, "", "ssh-ed25519 nonsense\n"])
def test_a_public_part_that_is_lost_is_made_again(folder: Path, runner: Runner, content: str | None) -> None:
    before = ensure_key_pair(folder, runner)
    public = folder / "id_ed25519.pub"
    public.unlink()
    if content is not None:
        public.write_text(content)

    after = ensure_key_pair(folder, runner)

    assert after.public.split()[:2] == before.public.split()[:2]
    assert public.read_text().strip() == after.public


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(folder: Path, runner: Runner) -> None:
    keygen(folder / "id_ed25519", "-t", "ed25519", "-N", "secret")
    (folder / "id_ed25519.pub").unlink()

    with pytest.raises(AgsekitError, match="could not make or read") as caught:
        ensure_key_pair(folder, runner)

    assert caught.value.hint
    assert "passphrase" in caught.value.hint


def test_without_ssh_keygen_the_user_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AgsekitError, match="ssh-keygen is not installed") as caught:
        ensure_key_pair(folder, Runner({"PATH": str(tmp_path)}))

    assert caught.value.hint == "install it with `agsekit prepare`"


def test_several_at_once_get_the_same_key(folder: Path, runner: Runner) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(ensure_key_pair(folder, runner).public)) for _number in range(6)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len({key.split()[1] for key in found}) == 1
    assert sorted(os.listdir(folder)) == ["id_ed25519", "id_ed25519.pub"]


# Host keys


def test_the_keys_of_a_host_replace_those_it_had_and_leave_the_others(folder: Path) -> None:
    remember_host_key(folder, "agsekit-one", [ED25519])
    remember_host_key(folder, "agsekit-two", [ED25519])

    remember_host_key(folder, "agsekit-one", ["ssh-dss AAAA root@box\n", OTHER + " root@box\n", "\n"])

    assert (folder / "known_hosts").read_text() == f"agsekit-two {ED25519}\nagsekit-one {OTHER}\n"
    assert mode(folder / "known_hosts") == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 nonsense",
        "ssh-rsa " + ED25519.split()[1],
        ED25519 + "\n* " + OTHER,
        "@cert-authority * " + OTHER,
        ED25519 + " \x1b[2J",
        ED25519.replace("ssh-", "SSH-"),
    ],
)
def test_what_is_no_host_key_is_refused_and_changes_nothing(folder: Path, line: str) -> None:
    remember_host_key(folder, "agsekit-box", [OTHER])

    with pytest.raises(AgsekitError):
        remember_host_key(folder, "agsekit-box", [line])

    assert (folder / "known_hosts").read_text() == f"agsekit-box {OTHER}\n"


def test_a_comment_is_no_part_of_a_host_key() -> None:
    assert host_key(f"{ED25519} root@box * and more") == ED25519


@pytest.mark.parametrize("alias", ["", "*", "a,b", "a b", "!a", "a\nb", "[a]:22", "|1|a"])
def test_an_alias_that_would_match_other_hosts_is_a_mistake(folder: Path, alias: str) -> None:
    with pytest.raises(ValueError, match="alias"):
        remember_host_key(folder, alias, [ED25519])


def test_lines_of_an_odd_form_are_not_kept(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "known_hosts").write_text(f"* {OTHER}\n@cert-authority * {OTHER}\nagsekit-one {OTHER}\n")

    remember_host_key(folder, "agsekit-two", [ED25519])

    assert (folder / "known_hosts").read_text() == f"agsekit-one {OTHER}\nagsekit-two {ED25519}\n"


def test_a_host_can_be_forgotten(folder: Path) -> None:
    forget_host_key(folder, "agsekit-box")
    remember_host_key(folder, "agsekit-box", [ED25519])
    known = knows_host(folder, "agsekit-box")

    forget_host_key(folder, "agsekit-box")

    assert known
    assert not knows_host(folder, "agsekit-box")


def test_several_processes_at_once_lose_no_host(folder: Path) -> None:
    code = (
        "import sys, pathlib; from agsekit.network.ssh import remember_host_key as r; r(pathlib.Path(sys.argv[1]), "
    )
    code += "sys.argv[2], [sys.argv[3]])"
    python = SCRIPT.parent / Path(sys.executable).name
    started = [
        subprocess.Popen([str(python), "-c", code, str(folder), f"agsekit-{number}", ED25519], cwd="/")
        for number in range(5)
    ]

    codes = [process.wait() for process in started]

    assert codes == [0] * 5
    assert sum(knows_host(folder, f"agsekit-{number}") for number in range(5)) == 5


# The command


def test_ssh_uses_the_key_and_the_hosts_of_agsekit_and_nothing_else(folder: Path, runner: Runner) -> None:
    ensure_key_pair(folder, runner)

    argv = ssh_arguments(folder, "agsekit-box", "ubuntu", "10.1.2.3", ["-L", "1:h:2", "--", "ls", "-l"])
    shown = runner.run([argv[0], "-G", *argv[1:]]).text.splitlines()

    assert argv[:3] == ["ssh", "-F", "none"]
    assert argv[-6:] == ["ubuntu@10.1.2.3", "-L", "1:h:2", "--", "ls", "-l"]
    assert {
        "user ubuntu",
        "hostname 10.1.2.3",
        "port 22",
        "identitiesonly yes",
        "identityagent none",
        "hostkeyalias agsekit-box",
        "stricthostkeychecking true",
        "updatehostkeys false",
        "passwordauthentication no",
        "forwardagent no",
        "controlmaster false",
        f"userknownhostsfile {folder}/known_hosts",
        "globalknownhostsfile none",
    } <= set(shown)


def test_a_tunnel_ends_when_its_rule_cannot_be_had(folder: Path, runner: Runner) -> None:
    ensure_key_pair(folder, runner)

    argv = tunnel_arguments(folder, "agsekit-box", "ubuntu", "10.1.2.3", ["-R", "127.0.0.1:1080"])
    shown = runner.run([argv[0], "-G", *argv[1:]]).text.splitlines()

    assert "exitonforwardfailure yes" in shown
    assert "batchmode yes" in shown
    assert argv[-3:-1] == ["-R", "127.0.0.1:1080"]


def test_without_a_key_there_is_no_command(folder: Path) -> None:
    with pytest.raises(AgsekitError) as caught:
        ssh_arguments(folder, "agsekit-box", "ubuntu", "10.1.2.3")

    assert caught.value.hint == "make one with `agsekit prepare`"
