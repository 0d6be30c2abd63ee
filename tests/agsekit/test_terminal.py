from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import agsekit
from agsekit.engines.base import HostCommand
from agsekit.errors import EngineError
from agsekit.process import ProgramMissing
from agsekit.terminal import run_foreground

DEADLINE = 20.0
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(Path(agsekit.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]),
    "TERM": "xterm",
    "LANG": "C.UTF-8",
}

# Stands for agsekit: runs one command in the foreground and leaves the result in a file.
DRIVER = """
import json, os, sys
from pathlib import Path
from agsekit.config.model import Vm
from agsekit.engines.base import GuestCommand, HostCommand
from agsekit.engines.bubblewrap import BubblewrapEngine
from agsekit.process import Runner
from agsekit.terminal import run_foreground
what = json.loads(sys.argv[1])
command = HostCommand(what["argv"], dict(os.environ), private_terminal=what["private"])
if what["sandbox"]:
    engine = BubblewrapEngine(Runner(dict(os.environ)), data_folder=Path(what["sandbox"]))
    engine.make_ready(Vm("box"), [], on_event=lambda text: None)
    command = engine.command(Vm("box"), [], GuestCommand(what["argv"], run_id="r", tty=what["private"]))
code = run_foreground(command, patience=what["patience"])
with open(what["result"] + ".new", "w") as file:
    file.write(str(code))
os.rename(what["result"] + ".new", what["result"])
sys.exit(code if code < 128 else 1)
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def is_running(mark: str) -> bool:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
                state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in arguments and state != b"Z":
                return True
    return False


class Terminal:
    """A terminal window: a pty, what it has shown, and the process that was started in it."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.shown = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], list(argv), ENVIRONMENT)  # noqa: S606
        self._open = True

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self, size: int = 65536) -> bytes:
        """Return what is shown next, nothing at the end."""
        assert select.select([self.master], [], [], DEADLINE)[0], f"nothing after {self.shown[-2000:]!r}"
        try:
            data = os.read(self.master, size)
        except OSError:
            return b""
        self.shown += data
        return data

    def expect(self, text: bytes) -> None:
        """Wait until the text is shown, and forget what was shown up to its end."""
        while text not in self.shown:
            assert self.read(), f"the end came before {text!r}: {self.shown!r}"
        self.shown = self.shown.partition(text)[2]

    def read_all(self, size: int = 65536) -> bytes:
        while self.read(size):
            pass
        return self.shown

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.master)

    def is_raw(self) -> bool:
        return not self.modes()[3] & termios.ICANON

    def close(self) -> None:
        """Close the window; the kernel hangs the terminal up."""
        if self._open:
            os.close(self.master)
            self._open = False

    def end(self) -> None:
        self.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass


class Driver:
    """Builds command lines that run a command in the foreground, and knows how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._result = folder / "result"
        self.mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
        self.terminals: list[Terminal] = []

    def argv(
        self,
        argv: Sequence[str],
        *,
        private: bool = True,
        patience: float = 10.0,
        sandbox: Path | None = None,
    ) -> list[str]:
        what = {"argv": list(argv), "private": private, "patience": patience, "result": str(self._result)}
        what["sandbox"] = str(sandbox or "")
        return [sys.executable, "-c", DRIVER, json.dumps(what)]

    def script(self, script: str) -> list[str]:
        """A shell script as the command; its processes can be found by the mark."""
        return ["/bin/sh", "-c", script, self.mark]

    def python(self, script: str) -> list[str]:
        return [sys.executable, "-c", script, self.mark]

    def window(self, argv: Sequence[str]) -> Terminal:
        terminal = Terminal(argv)
        self.terminals.append(terminal)
        return terminal

    def open(self, argv: Sequence[str], **options: Any) -> Terminal:
        return self.window(self.argv(argv, **options))

    def code(self) -> int:
        wait_until(self._result.exists)
        return int(self._result.read_text())

    def wait_for_nothing_left(self) -> None:
        wait_until(lambda: not is_running(self.mark))


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    made = Driver(tmp_path)
    yield made
    for terminal in made.terminals:
        terminal.end()


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
def test_the_exit_code_is_that_of_the_program(driver: Driver, private: bool, script: str, code: int) -> None:
    driver.open(driver.script(script), private=private).read_all()

    assert driver.code() == code


def test_a_private_terminal_is_another_one(driver: Driver) -> None:
    window = driver.open(driver.script("echo up; read go; tty; tty < /dev/tty"))
    window.expect(b"up")
    users = os.readlink(f"/proc/{window.pid}/fd/0")

    window.type(b"go\r")
    shown = window.read_all().decode().split()

    assert shown[0] == "go"
    assert len(shown) == 3
    assert users not in shown


def test_without_a_private_terminal_the_program_uses_that_of_the_user(driver: Driver) -> None:
    window = driver.open(driver.script("echo up; read go; tty"), private=False)
    window.expect(b"up")
    users = os.readlink(f"/proc/{window.pid}/fd/0")

    window.type(b"go\r")

    assert window.read_all().decode().split() == ["go", users]


def test_the_users_terminal_is_raw_while_relaying_and_then_as_before(driver: Driver) -> None:
    window = driver.window(["/bin/sh", "-c", 'echo before; read go; "$@"; echo after; read go', "sh",
                            *driver.argv(driver.script("echo up; read go"))])  # fmt: skip
    window.expect(b"before")
    before = window.modes()
    window.type(b"go\r")
    window.expect(b"up")
    raw = window.is_raw()

    window.type(b"go\r")
    window.expect(b"after")

    assert raw
    assert window.modes() == before


def test_the_users_terminal_is_as_before_when_the_program_cannot_start(driver: Driver) -> None:
    window = driver.window(["/bin/sh", "-c", 'echo before; read go; "$@" 2>&1; echo after; read go', "sh",
                            *driver.argv([f"/nonexistent/{driver.mark}"])])  # fmt: skip
    window.expect(b"before")
    before = window.modes()

    window.type(b"go\r")
    window.expect(b"ProgramMissing")
    window.expect(b"after")

    assert window.modes() == before


def test_a_program_has_the_size_of_the_window_and_hears_of_changes(driver: Driver) -> None:
    script = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
def show(): print("size=%dx%d." % os.get_terminal_size(0), flush=True)
print("up", flush=True)
while os.get_terminal_size(0) != (77, 33): signal.sigwait([signal.SIGWINCH])
show()
"""
    first = driver.argv(driver.python("import os; print(os.get_terminal_size(0))"))
    window = driver.window(["/bin/sh", "-c", 'stty rows 20 cols 50; "$@"', "sh", *first])
    window.expect(b"columns=50, lines=20")
    changing = driver.open(driver.python(script))
    changing.expect(b"up")

    changing.resize(33, 77)

    changing.expect(b"size=77x33.")


def test_control_c_reaches_the_program_in_a_private_terminal(driver: Driver) -> None:
    window = driver.open(driver.script("trap 'echo got int; exit 9' INT; echo up; while :; do sleep 0.05; done"))
    window.expect(b"up")

    window.type(b"\x03")

    window.expect(b"got int")
    assert driver.code() == 9


def test_control_c_on_a_shared_terminal_is_the_programs_business(driver: Driver) -> None:
    script = "trap 'echo got int' INT; echo up; read go; read go; exit 4"
    window = driver.open(driver.script(script), private=False)
    window.expect(b"up")

    window.type(b"\x03")
    window.expect(b"got int")
    window.type(b"go\rgo\r")

    assert driver.code() == 4


@pytest.mark.parametrize("piece", [65536, 700])
def test_a_burst_before_the_exit_arrives_whole(driver: Driver, piece: int) -> None:
    script = "import sys; sys.stdout.write(''.join('%07d ' % n for n in range(150000)))"
    window = driver.open(driver.python(script))

    shown = window.read_all(piece)

    assert shown == b"".join(b"%07d " % number for number in range(150000))


def test_a_window_that_does_not_read_holds_the_program_up(driver: Driver, tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = f"import sys; sys.stdout.write('x' * 3_000_000); sys.stdout.flush(); open({str(done)!r}, 'w')"
    window = driver.open(driver.python(script))

    window.read(1)
    while len(window.shown) < 2_000_000:
        window.read(4096)
    early = done.exists()
    window.read_all()

    assert not early
    assert len(window.shown) == 3_000_000


def test_keys_arrive_as_they_are(driver: Driver) -> None:
    script = """
import os, sys, tty
tty.setraw(0)
print("up", flush=True)
seen = b""
while len(seen) < 256 * 40: seen += os.read(0, 4096)
print("same" if seen == bytes(range(256)) * 40 else "different", flush=True)
"""
    window = driver.open(driver.python(script))
    window.expect(b"up")

    for _block in range(40):
        window.type(bytes(range(256)))

    window.expect(b"same")


@pytest.fixture
def shell(driver: Driver) -> Terminal:
    """An interactive shell in a window, at its prompt."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    window = driver.window([bash, "--norc", "--noprofile", "--noediting", "-i"])
    window.type(b"PS1='PRO''MPT> '\r")
    window.expect(b"PROMPT> ")
    return window


def test_control_z_gives_the_shell_back_and_fg_resumes(driver: Driver, shell: Terminal) -> None:
    script = "echo up; while read line; do echo heard-$line; test $line = end && exit 6; done"
    _type_command(shell, driver.argv(driver.script(script)))
    shell.expect(b"up")
    wait_until(shell.is_raw)

    for word in (b"one", b"end"):
        shell.type(b"\x1a")
        shell.expect(b"PROMPT> ")
        cooked = not shell.is_raw()
        shell.type(b"echo shell-$((40 + 2))\r")
        shell.expect(b"shell-42")
        shell.type(b"fg\r")
        wait_until(shell.is_raw)
        shell.type(word + b"\r")
        shell.expect(b"heard-" + word)
        assert cooked

    shell.expect(b"PROMPT> ")
    assert driver.code() == 6


def test_the_terminal_is_as_before_while_the_program_is_stopped(driver: Driver) -> None:
    # A plain shell with job control: bash would repair the modes of the terminal by itself.
    script = 'stty -a > "$0.1"; "$@"; stty -a > "$0.2"; cmp "$0.1" "$0.2" && echo as before; fg'
    files = str(driver.folder / "modes")
    window = driver.window(["/bin/sh", "-mc", script, files, *driver.argv(driver.script("echo up; read go"))])
    window.expect(b"up")
    wait_until(window.is_raw)

    window.type(b"\x1a")

    window.expect(b"as before")


def test_a_resumed_program_is_made_to_draw_itself_again(driver: Driver, shell: Terminal) -> None:
    script = """
import os, signal
size = os.get_terminal_size(0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("up", flush=True)
changes = 0
while changes < 2:
    signal.sigwait([signal.SIGWINCH])
    if os.get_terminal_size(0) != size: changes += 1; size = os.get_terminal_size(0)
print("drawn at %d columns" % size.columns, flush=True)
"""
    shell.resize(24, 80)
    _type_command(shell, driver.argv(driver.python(script)))
    shell.expect(b"up")
    shell.type(b"\x1a")
    shell.expect(b"PROMPT> ")

    shell.type(b"fg\r")

    shell.expect(b"drawn at 80 columns")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
@pytest.mark.parametrize("stopping", ["by the terminal", "by the program"])
def test_control_z_works_for_a_sandbox(driver: Driver, shell: Terminal, tmp_path: Path, stopping: str) -> None:
    stop = "read line; kill -STOP $$;" if stopping == "by the program" else ""
    script = f"echo up; for word in one two; do {stop} read line; echo heard-$word; done; exit 5"
    _type_command(shell, driver.argv(driver.script(script), sandbox=tmp_path / "data"))
    shell.expect(b"up")
    wait_until(shell.is_raw)

    for heard in (b"heard-one", b"heard-two"):
        shell.type(b"line\r" if stop else b"\x1a")
        shell.expect(b"PROMPT> ")
        shell.type(b"fg\r")
        wait_until(shell.is_raw)
        shell.type(b"line\r")
        shell.expect(heard)

    assert driver.code() == 5


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_control_c_lets_a_program_in_a_sandbox_clean_up(driver: Driver, tmp_path: Path) -> None:
    script = "trap 'echo cleaned up; exit 9' INT; echo up; while :; do sleep 0.05; done"
    window = driver.open(driver.script(script), sandbox=tmp_path / "data")
    window.expect(b"up")

    window.type(b"\x03")

    window.expect(b"cleaned up")
    assert driver.code() == 9


def _type_command(shell: Terminal, argv: Sequence[str]) -> None:
    """Run a command line in an interactive shell, from a file: a line of a terminal holds 4095 bytes."""
    script = Path(json.loads(argv[-1])["result"]).with_name("command.sh")
    script.write_text(f"exec {shlex.join(argv)}\n")
    shell.type(b"sh " + os.fsencode(script) + b"\r")


@pytest.mark.parametrize("private", [True, False])
def test_sigterm_ends_the_program_gently_and_the_caller_goes_on(driver: Driver, private: bool) -> None:
    script = "trap 'echo got term; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    window = driver.open(driver.script(script), private=private)
    window.expect(b"up")

    os.kill(window.pid, signal.SIGTERM)

    window.expect(b"got term")
    assert driver.code() == 143
    driver.wait_for_nothing_left()


@pytest.mark.parametrize("private", [True, False])
def test_a_program_that_ignores_sigterm_is_killed(driver: Driver, private: bool) -> None:
    window = driver.open(
        driver.script("trap '' TERM; echo up; while :; do sleep 0.05; done"), private=private, patience=0.1
    )
    window.expect(b"up")

    os.kill(window.pid, signal.SIGTERM)

    assert driver.code() == 143
    driver.wait_for_nothing_left()


def test_a_second_sigterm_does_not_wait(driver: Driver) -> None:
    window = driver.open(
        driver.script("trap 'echo got term' TERM; echo up; while :; do sleep 0.05; done"), patience=1000
    )
    window.expect(b"up")
    os.kill(window.pid, signal.SIGTERM)
    window.expect(b"got term")

    os.kill(window.pid, signal.SIGTERM)

    assert driver.code() == 143
    driver.wait_for_nothing_left()


@pytest.mark.parametrize("private", [True, False])
def test_closing_the_window_ends_the_program(driver: Driver, private: bool) -> None:
    window = driver.open(
        driver.script("trap '' HUP; echo up; while :; do sleep 0.05; done"), private=private, patience=0.1
    )
    window.expect(b"up")

    window.close()

    assert driver.code() == 129
    driver.wait_for_nothing_left()


@pytest.mark.parametrize("private", [True, False])
def test_when_agsekit_is_killed_nothing_is_left(driver: Driver, private: bool) -> None:
    window = driver.open(
        driver.script("trap '' TERM HUP INT; echo up; while :; do sleep 0.05; done"), private=private
    )
    window.expect(b"up")

    os.kill(window.pid, signal.SIGKILL)

    driver.wait_for_nothing_left()


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
@pytest.mark.parametrize("private", [True, False])
def test_when_agsekit_is_killed_nothing_is_left_in_a_sandbox(driver: Driver, tmp_path: Path, private: bool) -> None:
    script = "trap '' TERM HUP INT; setsid sleep 86400 & echo up; while :; do sleep 0.05; done"
    window = driver.open(driver.script(script), private=private, sandbox=tmp_path / "data")
    window.expect(b"up")

    os.kill(window.pid, signal.SIGKILL)

    driver.wait_for_nothing_left()


def test_when_a_stopped_agsekit_is_killed_nothing_is_left(driver: Driver, shell: Terminal) -> None:
    _type_command(shell, driver.argv(driver.script("echo up; read go")))
    shell.expect(b"up")
    shell.type(b"\x1a")
    shell.expect(b"PROMPT> ")

    shell.type(b"kill -KILL %1\r")

    driver.wait_for_nothing_left()


def run_piped(argv: Sequence[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=content, capture_output=True, env=ENVIRONMENT, timeout=60, check=False)


@pytest.mark.parametrize("private", [True, False])
def test_without_a_terminal_bytes_pass_unchanged(driver: Driver, private: bool) -> None:
    content = bytes(range(256)) * 5000

    done = run_piped(driver.argv(driver.script("cat; echo problem >&2; exit 8"), private=private), content)

    assert done.stdout == content
    assert done.stderr == b"problem\n"
    assert driver.code() == 8


def test_a_private_program_has_no_terminal_when_only_the_input_is_one(driver: Driver, tmp_path: Path) -> None:
    # Otherwise it could push input into the terminal of the user, and so type into the shell.
    script = "(: < /dev/tty) 2>/dev/null && echo terminal || echo none"
    output = tmp_path / "output"
    window = driver.window(["/bin/sh", "-c", f'"$@" > {output}', "sh", *driver.argv(driver.script(script))])

    window.read_all()

    assert driver.code() == 0
    assert output.read_text() == "none\n"


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_a_sandbox_without_a_private_terminal_has_none(driver: Driver, tmp_path: Path) -> None:
    script = "(: < /dev/tty) 2>/dev/null && echo terminal || echo none"
    window = driver.open(driver.script(script), private=False, sandbox=tmp_path / "data")

    assert window.read_all().split() == [b"none"]


def test_control_c_is_passed_on_to_a_program_without_a_terminal(driver: Driver, tmp_path: Path) -> None:
    script = "trap 'exit 9' INT; echo up >&2; while :; do sleep 0.05; done"
    window = driver.window(
        ["/bin/sh", "-c", f'exec "$@" > {tmp_path}/output', "sh", *driver.argv(driver.script(script))]
    )
    window.expect(b"up")

    window.type(b"\x03")

    assert driver.code() == 9


def test_when_agsekit_is_killed_on_pipes_nothing_is_left(driver: Driver) -> None:
    argv = driver.argv(driver.script("echo up; while :; do sleep 0.05; done"), private=False)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        process.stdout.readline()

        process.kill()

    driver.wait_for_nothing_left()


def test_descriptors_are_passed_on_and_then_closed() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"content")
    os.close(writing)

    script = f"test $(cat /dev/fd/{reading}) = content"
    code = run_foreground(HostCommand(["/bin/sh", "-c", script], {"PATH": ENVIRONMENT["PATH"]}, (reading,)))

    assert code == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_a_program_starts_in_the_root_folder_with_the_given_environment_only() -> None:
    script = 'test "$(pwd)" = / && test "$ONLY" = this && test -z "$HOME"'

    assert run_foreground(HostCommand(["/bin/sh", "-c", script], {"ONLY": "this"})) == 0


def test_a_program_starts_with_the_usual_signals() -> None:
    script = "cat /proc/self/status | grep -E '^Sig(Blk|Ign)' | grep -v 0000000000000000"

    assert run_foreground(HostCommand(["/bin/sh", "-c", script], {"PATH": ENVIRONMENT["PATH"]})) == 1


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramMissing, match="no-such-program"):
        run_foreground(HostCommand(["no-such-program"], {}))


def test_a_program_that_cannot_be_executed_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Permission denied"):
        run_foreground(HostCommand([str(tmp_path)], {}))


def test_signal_handlers_are_as_before() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH]
    before = [signal.getsignal(number) for number in numbers]

    run_foreground(HostCommand(["/bin/true"], {}))

    assert [signal.getsignal(number) for number in numbers] == before
