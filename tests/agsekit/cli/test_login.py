"""`agents login` with scripted programs that log in, real terminals, and a real ssh to a real sshd."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.agsekit.network.conftest import server, vm
from tests.fakes.multipass_fake.control import FakeMultipass
from tests.support.sshd import SshServer, free_port
from tests.support.world import World, wait_until, write_files

__all__ = ["server", "vm"]  # fixtures

# Waits for the browser at a port of its own loopback, as programs that log in do.
WAITER = """
import http.server, sys
port, host = int(sys.argv[1]), sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
        self.server.came_back = self.path
    def log_message(self, *a): pass
server = http.server.HTTPServer((host, port), Handler)
print(f"Go to https://login.example/?port={port} to log in", flush=True)
server.handle_request()
print("logged in with " + server.came_back, flush=True)
"""
# Names a page, and says what is typed.
ASKER = "import sys; print('Go to https://login.example/x', flush=True); print('got ' + ascii(input()))"


@pytest.fixture
def browser(world: World) -> Path:
    """What the browser was told to open, a line each."""
    opened = world.folder / "opened"
    write_files(world.folder, {"browser": f'#!/bin/sh\nprintf "%s\\n" "$@" >> {opened}\n'})
    (world.folder / "browser").chmod(0o755)
    world.environment["BROWSER"] = str(world.folder / "browser")
    return opened


def configure(world: World, *arguments: str, engine: str = "bubblewrap", **agent: Any) -> None:
    command = ["python3", "-c", *arguments]
    world.write_config(
        {"vms": {"box": {"engine": engine}}, "agents": {"a": {"type": "custom", "command": command, **agent}}}
    )


def left_of_a_login(world: World) -> list[str]:
    """Return the command lines of what watches and forwards ports."""
    return [line for _pid, line in world.processes() if "ExitOnForwardFailure" in line or "/proc/net/tcp" in line]


def fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_page_comes_back_to_a_login_in_a_machine_through_ssh(
    world: World, server: SshServer, browser: Path
) -> None:
    # Machine and host share the loopback here: another address of it stands for that of the machine.
    port = free_port()
    configure(world, WAITER, str(port), "127.0.0.2", engine="multipass")
    window = world.window("agents", "login", "a", columns=200)
    window.expect("^O opens this page in your browser: https://login.example/")
    window.expect(f"the login waits at port {port}")

    window.type("\x0f")
    window.expect("opening in your browser")
    wait_until(browser.exists)
    answer = fetch(f"http://127.0.0.1:{port}/callback?code=7")

    window.expect("logged in with /callback?code=7")
    assert (answer, window.finish()) == ("ok", 0)
    assert browser.read_text() == f"https://login.example/?port={port}\n"
    wait_until(lambda: not left_of_a_login(world))


def test_a_port_that_was_open_before_is_not_forwarded(world: World, server: SshServer) -> None:
    before, port = sorted([free_port(), free_port()])
    program = world.folder / "before.py"
    program.write_text(WAITER)
    waiting = subprocess.Popen([sys.executable, str(program), str(before), "127.0.0.2"], stdout=subprocess.PIPE)
    configure(world, WAITER, str(port), "127.0.0.2", engine="multipass")
    try:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        window = world.window("agents", "login", "a", columns=200)
        window.expect(f"the login waits at port {port}")
        forwarded = left_of_a_login(world)
        fetch(f"http://127.0.0.1:{port}/x")

        assert window.finish() == 0
        assert any(str(port) in line for line in forwarded)
        assert not any(str(before) in line for line in forwarded)
    finally:
        waiting.kill()
        waiting.communicate()


def test_a_port_that_is_taken_on_this_machine_is_told(world: World, server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket(socket.AF_INET6) as also:
        port = taken.getsockname()[1]
        also.bind(("::1", port))
        also.listen()
        configure(world, WAITER, str(port), "127.0.0.2", engine="multipass")
        window = world.window("agents", "login", "a", columns=200)
        window.expect(f"port {port} cannot be forwarded to the login in the VM: ")
    fetch(f"http://127.0.0.2:{port}/x")

    assert window.finish() == 0


def test_a_login_in_a_machine_without_ssh_goes_on_with_a_warning(world: World, vm: FakeMultipass) -> None:
    configure(world, ASKER, engine="multipass")
    window = world.window("agents", "login", "a", columns=200)
    window.expect("a page cannot come back to the login: ")
    window.expect("open this page in your browser")
    window.type("code\r")
    window.expect("got 'code'")

    assert window.finish() == 0


def test_a_login_in_a_sandbox_waits_at_the_loopback_of_this_machine(world: World) -> None:
    port = free_port()
    configure(world, WAITER, str(port), "127.0.0.1")
    window = world.window("agents", "login", "a", columns=200)
    window.expect("open this page in your browser: https://login.example/")

    fetch(f"http://127.0.0.1:{port}/callback")

    window.expect("logged in with /callback")
    assert window.finish() == 0


def test_a_page_of_the_agents_own_is_opened_unasked(world: World, browser: Path) -> None:
    program = world.home / ".local/share/agsekit/vms/box/home/.local/bin/codex"
    script = "#!/bin/sh\necho \"$@\"; echo 'see https://auth.openai.com/authorize?x=1'; read code; echo got $code\n"
    write_files(program.parent, {"codex": script})
    program.chmod(0o755)
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}}, "agents": {"c": {"type": "codex"}}})
    window = world.window("agents", "login", "c", columns=200)
    window.expect("login")
    window.expect("opening in your browser: https://auth.openai.com/authorize?x=1")
    wait_until(browser.exists)
    window.type("7\r")
    window.expect("got 7")

    assert window.finish() == 0
    assert browser.read_text() == "https://auth.openai.com/authorize?x=1\n"


def test_only_the_first_page_is_opened_unasked(world: World, browser: Path) -> None:
    program = world.home / ".local/share/agsekit/vms/box/home/.local/bin/codex"
    page = "https://auth.openai.com/"
    script = f"#!/bin/sh\nfor n in 1 2; do echo see {page}$n; read code; done\n"
    write_files(program.parent, {"codex": script})
    program.chmod(0o755)
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}}, "agents": {"c": {"type": "codex"}}})
    window = world.window("agents", "login", "c", columns=200)
    window.expect(f"opening in your browser: {page}1")
    window.type("\r")
    window.expect(f"^O opens this page in your browser: {page}2")
    window.type("\r")

    assert window.finish() == 0
    wait_until(browser.exists)
    assert browser.read_text() == f"{page}1\n"


def test_without_a_browser_nothing_is_opened_and_every_key_is_the_programs(world: World, browser: Path) -> None:
    configure(world, ASKER)
    window = world.window("agents", "login", "a", "--no-browser", columns=200)
    window.expect("agsekit: open this page in your browser: https://login.example/x")
    window.type("a\x16\x0fb\r")

    window.expect("got 'a\\x0fb'")
    assert window.finish() == 0
    assert not browser.exists()


def test_a_login_without_a_terminal_passes_everything_through(world: World, browser: Path) -> None:
    configure(world, "import sys; print('Go to https://login.example/x'); print(sys.argv[1:], input()); sys.exit(3)")

    run = world.agsekit("agents", "login", "a", "--", "--device", cwd=world.home, stdin=b"code\n")

    assert (run.code, run.out) == (3, "Go to https://login.example/x\n['--device'] code\n")
    assert not browser.exists()


def test_what_has_no_login_says_where_its_keys_go(world: World) -> None:
    world.write_config({"vms": {"box": {"engine": "bubblewrap"}}, "agents": {"a": {"type": "aider"}}})

    run = world.agsekit("agents", "login", "a")

    assert run.code == 125
    assert "error: Aider has no login: it takes keys\n" in run.err
    assert "ANTHROPIC_API_KEY" in run.err
    assert sorted(os.listdir(world.home)) == [".config", "project"]
