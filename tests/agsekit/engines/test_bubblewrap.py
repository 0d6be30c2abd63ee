from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from agsekit.config.model import Vm
from agsekit.engines import sandbox_mounts, sandbox_support
from agsekit.engines.base import Engine, GuestCommand, HostCommand, MountPoint, State
from agsekit.engines.bubblewrap import BubblewrapEngine
from agsekit.errors import EngineError
from agsekit.process import Runner

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")

VM = Vm("box", engine="bubblewrap")
INSIDE = PurePosixPath("/home/ubuntu/project")


class Sandbox:
    """The engine under test with one project, started the way `run` starts it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.project = folder / "project"
        self.project.mkdir()
        self.mounts = [MountPoint(self.project, INSIDE)]
        self.programs: list[list[str]] = []
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", "HOST_ONLY": "1"}
        self.runner = Runner(environment, trace=lambda line: self.programs.append(line.split()))
        self.engine = BubblewrapEngine(self.runner, data_folder=self.data)

    def ready(self) -> None:
        self.engine.make_ready(VM, self.mounts, on_event=lambda _text: None)

    def command(self, *argv: str, **options: Any) -> HostCommand:
        self.ready()
        return self.engine.command(VM, self.mounts, GuestCommand(argv, run_id="run-1", **options))

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        return start(self.command(*argv, **options))

    def run(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        with self.start(*argv, **options) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(argv, process.returncode, output, errors)

    def shell(self, script: str, *arguments: str, **options: Any) -> str:
        """Run a script inside, expect it to succeed, and return what it printed."""
        done = self.run("sh", "-c", script, "sh", *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8", "surrogateescape")


def start(command: HostCommand) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        list(command.argv),
        env=dict(command.env),
        pass_fds=command.inherit,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for descriptor in command.inherit:
        os.close(descriptor)
    return process


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def command_lines() -> list[bytes]:
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                lines.append((folder / "cmdline").read_bytes())
            except OSError:
                pass
    return lines


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_the_engine_meets_the_protocol(sandbox: Sandbox) -> None:
    engine: Engine = sandbox.engine

    assert engine.capabilities.ends_with_client
    assert not engine.capabilities.own_kernel


def test_files_made_inside_belong_to_the_caller_and_are_in_the_project(sandbox: Sandbox) -> None:
    sandbox.shell("echo made > made; mkdir folder", cwd=INSIDE)

    made = sandbox.project / "made"
    assert made.read_text() == "made\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())
    assert (sandbox.project / "folder").is_dir()


def test_the_user_inside_is_ubuntu_and_never_root(sandbox: Sandbox) -> None:
    assert sandbox.shell("id -un; id -u; echo ~; hostname || cat /proc/sys/kernel/hostname").split() == [
        "ubuntu",
        str(os.getuid() or 1000),
        "/home/ubuntu",
        "box",
    ]


def test_the_home_is_private_and_lasts_between_runs(sandbox: Sandbox) -> None:
    sandbox.shell("echo login > ~/.login")

    assert sandbox.shell("cat ~/.login") == "login\n"
    home = sandbox.data / "vms" / "box" / "home"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(sandbox.data.stat().st_mode) == 0o700


def test_nothing_of_the_host_is_visible_but_its_programs(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "secret").touch()
    hidden = [tmp_path, tmp_path / "store", sandbox.data, Path.home(), Path("/root"), Path("/etc/shadow")]

    seen = sandbox.shell('for path; do test -e "$path" && echo "$path"; done; true', *map(str, hidden))

    assert seen == ""
    assert set(sandbox.shell("ls -A /").split()) <= {
        "bin", "dev", "etc", "gnu", "home", "lib", "lib32", "lib64", "libx32", "nix", "proc", "run", "sbin",
        "tmp", "usr", "var",
    }  # fmt: skip
    assert sandbox.shell("ls -A /home /home/ubuntu /run /tmp /var/tmp").split() == [
        "/home:", "ubuntu", "/home/ubuntu:", "project", "/run:", "/tmp:", "/var/tmp:",
    ]  # fmt: skip


def test_private_keys_of_the_system_are_not_visible(sandbox: Sandbox) -> None:
    assert sandbox.shell("ls -A /etc/ssl /etc/pki/tls 2>&1 | grep -c private || true") == "0\n"


def test_processes_of_the_host_are_not_visible(sandbox: Sandbox) -> None:
    seen = sandbox.shell("for name in /proc/[0-9]*; do cat $name/comm; done")

    assert set(seen.split()) <= {"bwrap", "sh", "cat"}


def test_only_the_home_and_the_mounts_and_memory_can_be_written(sandbox: Sandbox) -> None:
    script = """
    for folder in / /usr /usr/bin /bin /etc /home /var /proc /proc/sys/kernel; do
        (echo x > "$folder/x") 2>/dev/null && echo "$folder"
    done
    for file in /etc/passwd /etc/hosts; do
        (: >> "$file") 2>/dev/null && echo "$file"
    done
    touch ~/x /home/ubuntu/project/x /tmp/x /var/tmp/x /run/x
    """

    assert sandbox.shell(script) == ""


def test_no_setting_of_the_kernel_can_be_opened_for_writing(sandbox: Sandbox) -> None:
    # Only opened: where this fails, writing would change the machine that runs the tests.
    script = """
    find /proc -not -path '/proc/[0-9]*' -not -path '/proc/*self*' -type f -perm /222 2>/dev/null |
    while read -r file; do (: >> "$file") 2>/dev/null && echo "$file"; done; true
    """

    opened = set(sandbox.shell(script).split())

    own = {"auto_msgmni", "msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "pid_max",
           "shm_rmid_forced", "msg_next_id", "sem_next_id", "shm_next_id", "ns_last_pid"}  # fmt: skip
    harmless = {"/proc/mtrr"} | {f"/proc/pressure/{name}" for name in ("cpu", "io", "memory", "irq")}
    ours = {path for path in opened if path.startswith("/proc/sys/fs/mqueue/") or Path(path).name in own}
    assert opened - ours - harmless == set()


def test_nothing_can_be_mounted_or_remounted_also_in_a_nested_user_namespace(sandbox: Sandbox) -> None:
    script = """
    mount -o remount,rw / && echo root
    mount -o remount,bind,rw /usr && echo usr
    mount -t tmpfs none /usr && echo tmpfs
    unshare -Ur mount -o remount,bind,rw /usr && echo nested
    unshare -Urm sh -c 'mount -o remount,bind,rw /usr || umount /usr || umount /proc/sys' && echo nested mount
    unshare -Urmpf sh -c 'mount -t proc none /tmp && : >> /tmp/sys/kernel/core_pattern' && echo proc
    true
    """

    assert sandbox.shell(f"exec 2>/dev/null\n{script}") == ""


def test_no_privileges_are_held_or_can_be_gained(sandbox: Sandbox) -> None:
    status = dict(line.split(":\t") for line in sandbox.shell("cat /proc/self/status").splitlines())

    assert int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_links_in_the_project_lead_to_what_is_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (sandbox.project / "to-file").symlink_to(tmp_path / "outside")
    (sandbox.project / "to-shadow").symlink_to("/etc/shadow")
    (sandbox.project / "to-host").symlink_to("../outside")
    (sandbox.project / "to-users").symlink_to("/etc/passwd")

    script = "cat to-file to-shadow to-host 2>/dev/null; head -n 1 to-users"
    assert sandbox.shell(script, cwd=INSIDE).startswith("ubuntu:x:")


def test_nested_mounts_appear_inside_each_other_in_any_order(sandbox: Sandbox, tmp_path: Path) -> None:
    inner, innermost = tmp_path / "inner", tmp_path / "innermost"
    for folder in (inner, innermost):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    sandbox.mounts[:0] = [MountPoint(innermost, INSIDE / "a/b/c"), MountPoint(inner, INSIDE / "a")]

    assert sandbox.shell("cat a/name; echo; cat a/b/c/name", cwd=INSIDE).split() == ["inner", "innermost"]


def test_a_mount_outside_the_home_gets_its_parents(sandbox: Sandbox) -> None:
    sandbox.mounts = [MountPoint(sandbox.project, PurePosixPath("/srv/www/site"))]

    sandbox.shell("touch /srv/www/site/x; touch /srv/www/y 2>/dev/null && exit 1; exit 0")

    assert (sandbox.project / "x").exists()


@pytest.mark.parametrize("name", ["two words", "-rf", "--bind", "line\nbreak", "пример", "a'b\"c$d`e", "*"])
def test_odd_names_are_only_names(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.mkdir()
    sandbox.mounts = [MountPoint(source, PurePosixPath("/home/ubuntu") / name)]

    sandbox.run("touch", "here", cwd=PurePosixPath("/home/ubuntu") / name)

    assert (source / "here").exists()


def test_names_that_are_not_utf8_are_only_names(sandbox: Sandbox, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).mkdir()
    sandbox.mounts = [MountPoint(tmp_path / name, PurePosixPath("/home/ubuntu") / name)]

    sandbox.run("touch", "here", cwd=PurePosixPath("/home/ubuntu") / name)

    assert (tmp_path / name / "here").exists()


def test_a_value_of_any_size_reaches_the_command(sandbox: Sandbox) -> None:
    # 128 KiB is the limit of the kernel for one string; a pipe holds half of that.
    secrets = {"TOKEN": "s" * 120_000, "LINES": "a\nb", "DASH": "--bind", "EMPTY": ""}

    seen = sandbox.shell('printf "%s|%s|%s|%s" "$TOKEN" "$LINES" "$DASH" "${EMPTY-unset}"', env=secrets)

    assert seen == f"{'s' * 120_000}|a\nb|--bind|"


def test_secrets_are_on_no_command_line(sandbox: Sandbox) -> None:
    needle = f"needle-{os.getpid()}-{time.monotonic_ns()}"
    with sandbox.start("cat", env={"TOKEN": needle, "BIG": needle * 4000}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"up\n")
        process.stdin.flush()
        process.stdout.readline()

        lines = command_lines()

        process.stdin.close()
    assert [line for line in lines if needle.encode() in line] == []
    assert any(b"bwrap" in line for line in lines)


def test_the_environment_of_the_host_stays_outside(sandbox: Sandbox) -> None:
    variables = dict(line.split("=", 1) for line in sandbox.run("env").stdout.decode().splitlines())

    assert set(variables) <= {
        "AGSEKIT_RUN_ID", "AGSEKIT_VM", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "USER",
    }  # fmt: skip
    assert variables["AGSEKIT_VM"] == "box"
    assert variables["AGSEKIT_RUN_ID"] == "run-1"
    assert variables["PATH"].startswith("/home/ubuntu/.local/bin:")


@pytest.mark.parametrize("variable", [{"A": "x\0--bind\0/\0/host"}, {"A=B": "x"}, {"": "x"}])
def test_a_variable_that_would_become_arguments_is_refused(sandbox: Sandbox, variable: dict[str, str]) -> None:
    with pytest.raises(EngineError):
        sandbox.command("true", env=variable)


@pytest.mark.parametrize("code", [0, 3, 125, 255])
def test_the_exit_code_of_the_command_is_kept(sandbox: Sandbox, code: int) -> None:
    assert sandbox.run("sh", "-c", f"exit {code}").returncode == code


def test_a_signal_that_ends_the_command_shows_in_the_exit_code(sandbox: Sandbox) -> None:
    assert sandbox.run("sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_input_and_output_are_passed_on_as_they_are(sandbox: Sandbox) -> None:
    content = bytes(range(256)) * 1000
    with sandbox.start("cat") as process:
        output, _errors = process.communicate(content, timeout=60)

    assert output == content


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_client_is_killed(sandbox: Sandbox, number: int) -> None:
    mark = f"86400.{time.monotonic_ns()}"
    script = f'(trap "" TERM HUP; setsid sleep {mark} & sleep {mark} & echo up; wait)'
    with sandbox.start("sh", "-c", script) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda: sum(mark.encode() in line.split(b"\0") for line in command_lines()) == 2)

        process.send_signal(number)
        process.wait(timeout=20)

    wait_until(lambda: not any(mark.encode() in line for line in command_lines()))


def test_a_folder_that_does_not_exist_inside_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (sandbox.project / "file").touch()

    for folder in (INSIDE / "gone", INSIDE / "file", PurePosixPath(tmp_path), PurePosixPath("relative")):
        with pytest.raises(EngineError, match="does not exist inside"):
            sandbox.command("true", cwd=folder)


def test_a_source_that_is_a_link_or_gone_or_no_folder_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sandbox.project)
    (tmp_path / "file").touch()

    for name in ("link", "gone", "file"):
        sandbox.mounts = [MountPoint(tmp_path / name, INSIDE)]
        with pytest.raises(EngineError):
            sandbox.command("true")


def test_a_source_behind_a_link_that_an_agent_could_make_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "private" / "sub").mkdir(parents=True)
    (sandbox.project / "folder").symlink_to(tmp_path / "private")
    sandbox.mounts.append(MountPoint(sandbox.project / "folder" / "sub", PurePosixPath("/home/ubuntu/other")))

    with pytest.raises(EngineError, match="lies behind one"):
        sandbox.command("true")


@pytest.mark.parametrize("where", ["home", "outer mount"])
def test_a_link_planted_where_a_mount_goes_is_not_followed(sandbox: Sandbox, tmp_path: Path, where: str) -> None:
    (tmp_path / "victim").mkdir()
    target = PurePosixPath("/home/ubuntu/a/b") if where == "home" else INSIDE / "a/b"
    planted = sandbox.data / "vms/box/home" if where == "home" else sandbox.project
    sandbox.ready()
    (planted / "a").symlink_to(tmp_path / "victim")
    (tmp_path / "inner").mkdir()
    sandbox.mounts.append(MountPoint(tmp_path / "inner", target))

    with pytest.raises(EngineError, match="cannot be made or used inside"):
        sandbox.command("true")

    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize("target", ["/", "/usr/share/x", "/bin", "/proc/x", "/home", "/etc", "x", "/a/../usr"])
def test_a_target_that_hides_the_system_is_refused(sandbox: Sandbox, target: str) -> None:
    sandbox.mounts = [MountPoint(sandbox.project, PurePosixPath(target))]

    with pytest.raises(EngineError):
        sandbox.ready()


def test_mounts_are_made_from_the_outside_in(tmp_path: Path) -> None:
    targets = ["/srv/b/c", "/srv", "/home/ubuntu/x/y", "/srv/b"]
    ordered = sandbox_mounts.in_mount_order([MountPoint(tmp_path, PurePosixPath(path)) for path in targets])

    seen: list[PurePosixPath] = []
    for mount in ordered:
        assert not any(mount.target in earlier.parents for earlier in seen)
        seen.append(mount.target)


def test_getting_ready_tries_a_sandbox_once_and_then_starts_nothing(sandbox: Sandbox) -> None:
    sandbox.ready()
    first = len(sandbox.programs)

    sandbox.ready()

    assert first == 1
    assert len(sandbox.programs) == first


def test_a_sandbox_is_stopped_until_it_has_a_home(sandbox: Sandbox) -> None:
    before = sandbox.engine.inspect(VM).state

    sandbox.ready()

    assert (before, sandbox.engine.inspect(VM).state) == (State.ABSENT, State.RUNNING)


def test_the_notice_of_a_shared_kernel_comes_once_per_vm(sandbox: Sandbox) -> None:
    notices = [sandbox.engine.notice(vm) for vm in (VM, VM, Vm("other"))]

    assert notices[0] is not None
    assert "kernel" in notices[0]
    assert notices[1] is None
    assert notices[2] is not None


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "", "a\nb"])
def test_a_name_that_would_leave_the_data_folder_is_refused(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(EngineError):
        sandbox.engine.make_ready(Vm(name), [], on_event=lambda _text: None)


def test_a_missing_bwrap_is_explained(tmp_path: Path) -> None:
    engine = BubblewrapEngine(Runner({"PATH": str(tmp_path)}), data_folder=tmp_path / "data")

    with pytest.raises(EngineError) as caught:
        engine.make_ready(VM, [], on_event=lambda _text: None)

    assert "bubblewrap is not installed" in caught.value.message
    assert "install bubblewrap" in (caught.value.hint or "")


def test_another_system_is_told_about_multipass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(EngineError) as caught:
        sandbox_support.find_bwrap(Runner({}))

    assert "multipass" in (caught.value.hint or "")


def test_a_machine_that_refuses_sandboxes_is_explained_and_asked_again(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    engine = BubblewrapEngine(Runner({"PATH": f"{tmp_path}:{os.environ['PATH']}"}), data_folder=tmp_path / "data")

    for _attempt in range(2):
        with pytest.raises(EngineError) as caught:
            engine.make_ready(VM, [], on_event=lambda _text: None)

        assert caught.value.hint
        assert "No permissions" in (caught.value.details or "")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (("0", "", "15000"), "kernel.unprivileged_userns_clone"),
        (("1", "1", "15000"), "kernel.apparmor_restrict_unprivileged_userns"),
        (("1", "0", "0"), "user.max_user_namespaces"),
    ],
)
def test_the_setting_that_is_in_the_way_is_named(settings: Sequence[str], names: str) -> None:
    assert names in (sandbox_support.explain_settings(*settings) or "")


@pytest.mark.parametrize(
    ("os_release", "program"),
    [
        ("ID=ubuntu\nID_LIKE=debian", "apt-get"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf"),
        ("ID=manjaro\nID_LIKE=arch", "pacman"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"', "zypper"),
        ("", "apt-get"),
    ],
)
def test_the_hint_to_install_names_the_command_of_the_distribution(os_release: str, program: str) -> None:
    assert program in sandbox_support.install_command(os_release)


def test_a_command_inside_comes_back_with_its_output_and_sees_no_mount(sandbox: Sandbox) -> None:
    done = sandbox.engine.run_inside(VM, ["sh", "-c", "cat; pwd; ls; exit 3"], stdin=b"given\n")

    assert (done.returncode, done.text) == (3, "given\n/home/ubuntu\n")


def test_deleting_a_vm_leaves_the_others_and_what_links_lead_to(sandbox: Sandbox) -> None:
    sandbox.ready()
    sandbox.engine.create(Vm("other", engine="bubblewrap"), "", on_event=lambda text: None)
    (sandbox.data / "vms/box/home/link").symlink_to(sandbox.project)
    (sandbox.project / "kept").touch()

    sandbox.engine.delete(VM)
    sandbox.engine.delete(VM)

    assert sandbox.engine.inspect(VM).state is State.ABSENT
    assert sandbox.engine.inspect(Vm("other", engine="bubblewrap")).state is State.RUNNING
    assert (sandbox.project / "kept").exists()
