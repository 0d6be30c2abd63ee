from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

from agsekit.config.model import Vm
from agsekit.engines import guest_scripts
from agsekit.engines.base import GuestCommand, MountPoint, State
from agsekit.engines.multipass import MultipassEngine
from agsekit.errors import EngineError
from agsekit.process import Runner
from tests.fakes.multipass_fake.control import FakeMultipass

VM = Vm("box")
PROJECT = PurePosixPath("/home/ubuntu/project")
SECRET = "sk-0123 'quoted' \"twice\" $HOME\nsecond line"


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        """Return the time."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.seconds += seconds


@pytest.fixture
def engine(fake_multipass: FakeMultipass) -> MultipassEngine:
    clock = Clock()
    runner = Runner(fake_multipass.environment)
    return MultipassEngine(runner, now=clock.now, sleep=clock.sleep, mount_seconds=0)


@pytest.fixture
def mount(tmp_path: Path) -> MountPoint:
    source = tmp_path / "project"
    source.mkdir()
    return MountPoint(source, PROJECT)


def asked(fake: FakeMultipass) -> list[Sequence[str]]:
    """Return the argv of all calls, without the name of the program."""
    return [call.argv[1:] for call in fake.calls()]


def ready(engine: MultipassEngine, *mounts: MountPoint) -> list[str]:
    """Make the VM ready and return what was said meanwhile."""
    events: list[str] = []
    engine.make_ready(VM, mounts, on_event=events.append)
    return events


def run(
    engine: MultipassEngine, *argv: str, stdin: bytes = b"", mounts: Sequence[MountPoint] = (), **fields: object
) -> subprocess.CompletedProcess[bytes]:
    """Run a command inside, the way a caller of the engine does."""
    command = GuestCommand(argv, "run-1", **fields)  # type: ignore[arg-type]
    host = engine.command(VM, mounts, command)
    return subprocess.run(
        host.argv, env=dict(host.env), input=stdin, capture_output=True, cwd="/", timeout=60, check=False
    )


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something has happened; give up after half a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never happened")


# inspect


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Running", State.RUNNING),
        ("Stopped", State.STOPPED),
        ("Suspended", State.SUSPENDED),
        ("Starting", State.STARTING),
        ("Restarting", State.STARTING),
        ("Deleted", State.DELETED),
        ("Unknown", State.UNKNOWN),
        ("Delayed Shutdown", State.UNKNOWN),
    ],
)
def test_inspect_tells_the_state_in_one_call(
    engine: MultipassEngine, fake_multipass: FakeMultipass, shown: str, expected: State
) -> None:
    fake_multipass.add("box", state=shown)

    assert engine.inspect(VM).state is expected

    assert asked(fake_multipass) == [("info", "box", "--format", "json")]


def test_inspect_tells_the_mounts(engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint) -> None:
    fake_multipass.add("box", mounts={str(mount.target): mount.source})

    assert engine.inspect(VM).mounts == [mount]


def test_a_vm_that_does_not_exist_is_absent(engine: MultipassEngine) -> None:
    assert engine.inspect(VM).state is State.ABSENT


def test_log_lines_on_stderr_are_no_failure(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(noise="[2026-01-01T00:00:00.000] [error] [url downloader] no such host\n")

    assert engine.inspect(VM).state is State.RUNNING


def test_an_answer_that_is_not_json_is_an_error_with_the_answer(tmp_path: Path) -> None:
    program = tmp_path / "multipass"
    program.write_text("#!/bin/sh\necho 'a notice instead of JSON'\n")
    program.chmod(0o755)
    engine = MultipassEngine(Runner({"PATH": f"{tmp_path}:/usr/bin:/bin"}))

    with pytest.raises(EngineError, match="does not understand") as caught:
        engine.inspect(VM)

    assert caught.value.details == "a notice instead of JSON\n"


@pytest.mark.parametrize("daemon", ["down", "never-started"])
def test_a_daemon_that_does_not_answer_is_named_with_the_way_to_restart_it(
    engine: MultipassEngine, fake_multipass: FakeMultipass, daemon: str
) -> None:
    fake_multipass.situate(daemon=daemon)

    with pytest.raises(EngineError, match="Multipass service") as caught:
        engine.inspect(VM)

    assert "snap restart multipass" in str(caught.value.hint)


def test_without_multipass_the_hint_names_both_ways_out(tmp_path: Path) -> None:
    engine = MultipassEngine(Runner({"PATH": str(tmp_path)}))

    with pytest.raises(EngineError, match="not installed") as caught:
        engine.inspect(VM)

    assert "agsekit prepare" in str(caught.value.hint)
    assert "bubblewrap" in str(caught.value.hint)


# make_ready


def test_a_warm_vm_costs_one_call(engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint) -> None:
    fake_multipass.add("box", mounts={str(mount.target): mount.source})

    events = ready(engine, mount)

    assert asked(fake_multipass) == [("info", "box", "--format", "json")]
    assert events == []


def test_a_mount_is_recognised_through_a_link(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(mount.source)
    fake_multipass.add("box", mounts={str(mount.target): mount.source})

    ready(engine, MountPoint(tmp_path / "link", mount.target))

    assert len(asked(fake_multipass)) == 1


@pytest.mark.parametrize("state", ["Stopped", "Suspended"])
def test_a_vm_that_does_not_run_is_started_and_its_mounts_added(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint, state: str
) -> None:
    fake_multipass.add("box", state=state)

    events = ready(engine, mount)

    info = ("info", "box", "--format", "json")
    mounting = ("mount", str(mount.source), f"box:{mount.target}")
    assert asked(fake_multipass) == [info, ("start", "box", "--timeout", "600"), info, mounting, info]
    assert [event.split()[0] for event in events] == ["Starting", "Mounting"]


def test_a_boot_is_waited_for_through_its_unknown_states(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")
    fake_multipass.change("box", pending=["Unknown", "Starting", "Unknown"])

    ready(engine)

    assert asked(fake_multipass) == [("info", "box", "--format", "json")] * 4


def test_unknown_states_after_a_start_are_waited_for(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box", state="Stopped")
    fake_multipass.situate(boot_states=["Unknown", "Starting"])

    ready(engine)

    assert engine.inspect(VM).state is State.RUNNING


def test_a_vm_that_stays_unknown_is_an_error_with_the_way_out(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box", state="Stopped")
    fake_multipass.situate(start_failures=["timeout"])
    slow = MultipassEngine(
        Runner(fake_multipass.environment), now=itertools.count(0, 200).__next__, sleep=lambda seconds: None
    )

    with pytest.raises(EngineError, match="did not start") as caught:
        ready(slow)

    assert "agsekit stop-vm box" in str(caught.value.hint)


def test_a_start_that_gets_no_response_is_an_error(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box", state="Stopped")
    fake_multipass.situate(start_failures=["response"])

    with pytest.raises(EngineError) as caught:
        ready(engine)

    assert "timed out waiting for response" in str(caught.value.details)


def test_an_absent_vm_is_an_error_that_says_how_to_create_it(engine: MultipassEngine) -> None:
    with pytest.raises(EngineError, match="does not exist") as caught:
        ready(engine)

    assert "agsekit create-vm box" in str(caught.value.hint)


def test_a_deleted_vm_is_an_error_that_names_recovery_and_purge(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box", state="Deleted")

    with pytest.raises(EngineError, match="deleted") as caught:
        ready(engine)

    assert "multipass recover box" in str(caught.value.hint)
    assert "multipass delete --purge box" in str(caught.value.hint)


def test_another_folder_at_the_target_is_replaced(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint, tmp_path: Path
) -> None:
    fake_multipass.add("box", mounts={str(mount.target): tmp_path, "/other": tmp_path})

    ready(engine, mount)

    assert ("umount", f"box:{mount.target}") in asked(fake_multipass)
    assert engine.inspect(VM).mounts == [mount, MountPoint(tmp_path, PurePosixPath("/other"))]


def test_a_folder_mounted_at_a_wrong_target_moves(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box", mounts={"/old": mount.source})

    ready(engine, mount)

    assert engine.inspect(VM).mounts == [mount]


def test_a_mount_that_timed_out_is_tried_again(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(mount_failures=["timeout", "timeout"])

    ready(engine, mount)

    assert engine.inspect(VM).mounts == [mount]


def test_a_mount_that_times_out_for_ever_is_an_error(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(mount_failures=["timeout"] * 9)

    with pytest.raises(EngineError) as caught:
        ready(engine, mount)

    assert "5000 ms" in str(caught.value.details)


def test_the_rest_of_a_failed_mount_does_not_block_the_next(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")
    fake_multipass.change("box", half_mounted=[str(mount.target)])

    ready(engine, mount)

    assert engine.inspect(VM).mounts == [mount]


@pytest.mark.parametrize("reason", ["no-snap", "no-sshfs"])
def test_a_guest_that_cannot_mount_is_an_error_that_says_what_it_lacks_and_leaves_nothing_registered(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint, reason: str
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(mount_failures=[reason])

    with pytest.raises(EngineError, match="multipass-sshfs") as caught:
        ready(engine, mount)

    instance = fake_multipass.instance("box")
    assert "snap install multipass-sshfs" in str(caught.value.hint)
    assert instance is not None
    assert instance.half_mounted == []


def test_a_mount_that_is_reported_but_not_there_is_an_error(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(mount_failures=["dropped"] * 9)

    with pytest.raises(EngineError, match="mounts of VM box are missing"):
        ready(engine, mount)


def test_a_source_that_is_missing_is_an_error_that_says_so(
    engine: MultipassEngine, fake_multipass: FakeMultipass, tmp_path: Path
) -> None:
    fake_multipass.add("box")

    with pytest.raises(EngineError, match="gone cannot be mounted: it does not exist"):
        ready(engine, MountPoint(tmp_path / "gone", PROJECT))

    assert [argv[0] for argv in asked(fake_multipass)] == ["info"]


# command


def test_a_command_without_secrets_costs_no_call_and_has_this_argv(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")

    host = engine.command(VM, [mount], GuestCommand(["agent", "--yes"], "run-1", cwd=PROJECT / "sub"))

    assert asked(fake_multipass) == []
    assert host.argv[:8] == ["multipass", "exec", "box", "-n", "--", "bash", "-lc", guest_scripts.START_AGENT]
    problem = "the folder /home/ubuntu/project/sub does not exist in VM box, or is not mounted"
    arguments = ["agsekit", "run-1", str(PROJECT / "sub"), problem, str(PROJECT), "0", "", "", "--", "agent", "--yes"]
    assert host.argv[8:] == arguments


@pytest.mark.parametrize(
    "word",
    ["", " ", "a b", "it's", '"', "two\nlines", "-n", "--", "-c", "$HOME", "`id`", "\\", "*", "~", "é", "!x", "\t"],
)
def test_odd_arguments_arrive_exactly(engine: MultipassEngine, fake_multipass: FakeMultipass, word: str) -> None:
    fake_multipass.add("box")

    done = run(engine, "printf", "%s|", "before", word, "after")

    assert done.stdout.decode() == f"before|{word}|after|"


def test_an_agent_whose_name_starts_with_a_dash_is_still_a_command(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")

    done = run(engine, "-c", "true")

    assert done.returncode == 127


def test_input_output_and_errors_pass_unchanged(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")
    data = bytes(range(256)) * 4096

    done = run(engine, "sh", "-c", "tee /dev/stderr", stdin=data)

    assert (done.stdout, done.stderr) == (data, data)
    assert fake_multipass.calls()[-1].stdin == len(data)


@pytest.mark.parametrize("code", [0, 1, 2, 37, 125, 130])
def test_the_exit_code_is_that_of_the_agent(
    engine: MultipassEngine, fake_multipass: FakeMultipass, code: int
) -> None:
    fake_multipass.add("box")

    assert run(engine, "sh", "-c", f"exit {code}").returncode == code


def test_an_agent_that_is_not_installed_gives_127(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")

    done = run(engine, "no-such-agent")

    assert done.returncode == 127
    assert b"no-such-agent: not found" in done.stderr


def test_a_command_runs_in_the_home_folder_by_default(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")

    assert run(engine, "pwd").stdout.decode() == f"{engine.home(VM)}\n"


def test_a_command_runs_in_its_folder_and_writes_reach_the_host(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    (mount.source / "a b").mkdir()
    fake_multipass.add("box")
    ready(engine, mount)

    done = run(engine, "sh", "-c", "pwd; echo text > file", cwd=PROJECT / "a b", mounts=[mount])

    assert done.stdout.decode() == f"{PROJECT}/a b\n"
    assert (mount.source / "a b" / "file").read_text() == "text\n"


def test_a_missing_folder_ends_with_125_and_a_sentence(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")

    done = run(engine, "touch", "/tmp/started", cwd=PurePosixPath("/no/such"), env={"KEY": "x"})

    assert done.returncode == 125
    assert done.stderr.decode() == "agsekit: the folder /no/such does not exist in VM box, or is not mounted\n"
    assert not (fake_multipass.root("box") / "tmp/started").exists()
    assert [name for name in fake_multipass.ram("box") if ".env." in name] == []


def test_an_agent_does_not_start_in_a_folder_that_is_not_mounted_yet(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box", mounts={str(mount.target): mount.source})
    ready(engine, mount)
    fake_multipass.situate(mounts_late=1)

    done = run(engine, "touch", "file", cwd=PROJECT, mounts=[mount])

    assert done.returncode == 125
    assert not (fake_multipass.root("box") / "home/ubuntu/project/file").exists()


# secrets


def test_secrets_arrive_exactly_and_cost_one_call(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")
    names = ["KEY", "run", "folder", "secrets", "IFS", "AGSEKIT_RUN_ID"]

    done = run(engine, "env", "-0", env=dict.fromkeys(names, SECRET))

    seen = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0")[:-1])
    assert [seen[name] for name in names] == [SECRET] * 5 + ["run-1"]
    assert len(asked(fake_multipass)) == 2


def test_secrets_are_in_no_argv_and_in_no_file_once_the_agent_runs(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")
    traced: list[str] = []
    watched = MultipassEngine(Runner(fake_multipass.environment, trace=traced.append))
    host = watched.command(VM, [], GuestCommand(["sh", "-c", "echo up; cat"], "run-1", env={"K": SECRET}))
    agent = subprocess.Popen(host.argv, env=dict(host.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    assert agent.stdout is not None

    first = agent.stdout.readline()
    command_lines = _all_command_lines()
    files = fake_multipass.ram("box")
    agent.communicate(timeout=60)

    assert first == b"up\n"
    assert SECRET not in repr(asked(fake_multipass)) + repr(traced)
    assert b"sk-0123" not in command_lines
    assert files == ["agsekit-run-1.run"]
    assert "sk-0123" not in (fake_multipass.folder / "calls.jsonl").read_text()


def _all_command_lines() -> bytes:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes())
        except OSError:
            continue
    return b"".join(found)


def test_the_file_of_secrets_is_private_and_in_memory(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")

    host = engine.command(VM, [], GuestCommand(["true"], "run-1", env={"K": SECRET}))

    [name] = fake_multipass.ram("box")
    instance = fake_multipass.instance("box")
    assert instance is not None
    assert os.stat(os.path.join(instance.ram, name)).st_mode & 0o777 == 0o600
    assert f"/dev/shm/{name}" in host.argv


def test_secrets_that_were_never_fetched_are_removed_by_terminate(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")
    engine.command(VM, [], GuestCommand(["true"], "run-1", env={"K": SECRET}))

    engine.terminate(VM, "run-1")

    assert fake_multipass.ram("box") == []


@pytest.mark.parametrize("env", [{"A B": "x"}, {"1A": "x"}, {"A": "x\0y"}, {"A;id": "x"}, {"": "x"}])
def test_what_cannot_be_a_variable_is_refused_without_its_value(
    engine: MultipassEngine, fake_multipass: FakeMultipass, env: Mapping[str, str]
) -> None:
    fake_multipass.add("box")

    with pytest.raises(EngineError, match="environment variable"):
        engine.command(VM, [], GuestCommand(["true"], "run-1", env=env))

    assert asked(fake_multipass) == []


def test_a_connection_that_timed_out_is_tried_again(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(exec_failures=["ssh-timeout", "ssh-timeout"])

    done = run(engine, "sh", "-c", 'printf %s "$K"', env={"K": SECRET})

    assert done.stdout.decode() == SECRET


def test_a_connection_that_always_times_out_is_an_error_without_the_secret(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(exec_failures=["ssh-timeout"] * 9)

    with pytest.raises(EngineError) as caught:
        engine.command(VM, [], GuestCommand(["true"], "run-1", env={"K": SECRET}))

    assert "ssh connection failed" in str(caught.value.details)
    assert "sk-0123" not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"


# terminate


@pytest.fixture
def start(fake_multipass: FakeMultipass, engine: MultipassEngine) -> Iterator[Callable[..., None]]:
    """Start a script inside under a run id, wait until it says so, and kill the client."""
    clients: list[subprocess.Popen[bytes]] = []

    def start_and_lose_client(script: str, run_id: str = "run-1") -> None:
        host = engine.command(VM, [], GuestCommand(["bash", "-c", script], run_id))
        client = subprocess.Popen(host.argv, env=dict(host.env), stdout=subprocess.PIPE, cwd="/")
        clients.append(client)
        assert client.stdout is not None
        assert client.stdout.readline() == b"up\n"
        client.send_signal(signal.SIGKILL)
        client.communicate()

    fake_multipass.add("box")
    yield start_and_lose_client
    for client in clients:
        client.wait()


def sleeping(fake: FakeMultipass) -> list[str]:
    """Return the sleep processes inside."""
    return [line for line in fake.processes("box") if line.startswith("sleep")]


@pytest.mark.parametrize(
    "script",
    [
        "echo up; exec sleep 1001",
        "echo up; sleep 1002 & sleep 1003",
        "trap '' TERM HUP; echo up; sleep 1004; sleep 1005",
        "(setsid sleep 1006 >/dev/null 2>&1 &); echo up; sleep 1007",
        "(env -i sleep 1008 >/dev/null 2>&1 &); echo up; exit 0",
        "env -i setsid sleep 1009 & echo up; wait",
        "env -i setsid bash -c \"trap '' TERM; sleep 1010; sleep 1014\" & echo up; wait",
    ],
    ids=[
        "leader",
        "children",
        "ignores TERM",
        "own session",
        "no environment, orphan",
        "neither",
        "orphaned meanwhile",
    ],
)
def test_terminate_ends_everything_after_the_client_was_killed(
    engine: MultipassEngine, fake_multipass: FakeMultipass, start: Callable[..., None], script: str
) -> None:
    start(script)
    wait_until(lambda: sleeping(fake_multipass))

    engine.terminate(VM, "run-1")

    assert fake_multipass.processes("box") == []
    assert fake_multipass.ram("box") == []


def test_terminate_leaves_other_runs_alone(
    engine: MultipassEngine, fake_multipass: FakeMultipass, start: Callable[..., None]
) -> None:
    start("echo up; exec sleep 1011")
    start("echo up; exec sleep 1012", "run-1-2")

    engine.terminate(VM, "run-1")

    assert sleeping(fake_multipass) == ["sleep 1012"]


def test_terminate_does_not_take_a_later_process_for_the_session(
    engine: MultipassEngine, fake_multipass: FakeMultipass, start: Callable[..., None]
) -> None:
    start("echo up; exec sleep 1013", "other")
    instance = fake_multipass.instance("box")
    assert instance is not None
    session, started = (Path(instance.ram) / "agsekit-other.run").read_text().split()
    (Path(instance.ram) / "agsekit-run-1.run").write_text(f"{session} {int(started) - 1}\n")

    engine.terminate(VM, "run-1")

    assert sleeping(fake_multipass) == ["sleep 1013"]


def test_terminate_without_anything_to_end_is_fine(engine: MultipassEngine, fake_multipass: FakeMultipass) -> None:
    fake_multipass.add("box")

    engine.terminate(VM, "run-1")

    assert fake_multipass.processes("box") == []


@pytest.mark.parametrize("state", ["Stopped", "Suspended", "Deleted", "Unknown"])
def test_terminate_never_starts_a_vm(engine: MultipassEngine, fake_multipass: FakeMultipass, state: str) -> None:
    fake_multipass.add("box", state=state)

    engine.terminate(VM, "run-1")

    assert asked(fake_multipass) == [("info", "box", "--format", "json")]
    assert engine.inspect(VM).state.value == state.lower()


def test_terminate_in_an_absent_vm_is_fine(engine: MultipassEngine) -> None:
    engine.terminate(VM, "run-1")


def test_a_run_id_that_could_be_a_path_is_refused(engine: MultipassEngine) -> None:
    with pytest.raises(ValueError, match="run id"):
        engine.terminate(VM, "../x")


# run_inside


def test_a_command_inside_comes_back_with_its_own_exit_code(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")

    done = engine.run_inside(VM, ["sh", "-c", 'cat; echo "a  b" >&2; exit 2'], stdin=b"given")

    assert (done.returncode, done.stdout, done.stderr) == (2, b"given", b"a  b\n")


def test_a_failure_of_multipass_itself_is_no_exit_code_of_the_command(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")
    fake_multipass.situate(exec_failures=["ssh-timeout"] * 3)

    with pytest.raises(EngineError, match="multipass exec"):
        engine.run_inside(VM, ["true"])


# unmount


def test_the_rest_of_a_failed_mount_is_unmounted(
    engine: MultipassEngine, fake_multipass: FakeMultipass, mount: MountPoint
) -> None:
    fake_multipass.add("box")
    fake_multipass.change("box", half_mounted=[str(PROJECT)])

    assert engine.unmount(VM, PROJECT)
    assert not engine.unmount(VM, PROJECT)


def test_a_pause_suspends_the_machine_and_resuming_starts_it(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box")

    engine.pause(VM, 4711)
    paused = engine.inspect(VM).state
    engine.resume(VM, 4711)

    assert paused is State.SUSPENDED
    assert engine.inspect(VM).state is State.RUNNING
    commands = [call[0] for call in asked(fake_multipass)]
    assert [each for each in commands if each != "info"] == ["suspend", "start"]


def test_a_machine_that_stopped_by_itself_is_neither_suspended_nor_started(
    engine: MultipassEngine, fake_multipass: FakeMultipass
) -> None:
    fake_multipass.add("box", state="Stopped")

    engine.pause(VM, 4711)
    engine.resume(VM, 4711)

    assert {call[0] for call in asked(fake_multipass)} == {"info"}
