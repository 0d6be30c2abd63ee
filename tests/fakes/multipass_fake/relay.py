"""The wire between the client and a command inside: bytes one way and the other, until the command ends.

When the client is killed, its ends of the pipes or of the terminal close, and nothing else happens to the
command: a terminal that goes away sends SIGHUP, pipes that close send nothing.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Sequence
from typing import Any

from .client import Counter

_CHUNK = 65536
_LEFTOVER_SECONDS = 1.0


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _pump(source: int, sink: int, counter: Counter) -> None:
    try:
        while True:
            data = os.read(source, _CHUNK)
            if not data:
                break
            counter.bytes += len(data)
            _write_all(sink, data)
    except OSError:
        pass
    finally:
        os.close(sink)


def _drain(source: int, sink: int, ended: threading.Event) -> None:
    deadline = float("inf")
    while time.monotonic() < deadline:
        if ended.is_set() and deadline == float("inf"):
            deadline = time.monotonic() + _LEFTOVER_SECONDS
        if not select.select([source], [], [], 0.05)[0]:
            if ended.is_set():
                break
            continue
        try:
            data = os.read(source, _CHUNK)
            if not data:
                break
            _write_all(sink, data)
        except OSError:
            break
    os.close(source)


def through_pipes(argv: Sequence[str], descriptors: Sequence[int], counter: Counter) -> int:
    """Run a command with three pipes and return its exit code."""
    process: subprocess.Popen[bytes] = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        start_new_session=True,
        bufsize=0,
        cwd="/",
    )
    ended = threading.Event()
    streams = [stream for stream in (process.stdin, process.stdout, process.stderr) if stream]
    ends = [os.dup(stream.fileno()) for stream in streams]
    for stream in streams:
        stream.close()
    threading.Thread(target=_pump, args=(0, ends[0], counter), daemon=True).start()
    drains = [
        threading.Thread(target=_drain, args=(ends[1], 1, ended)),
        threading.Thread(target=_drain, args=(ends[2], 2, ended)),
    ]
    for drain in drains:
        drain.start()
    process.wait()
    ended.set()
    for drain in drains:
        drain.join()
    return process.returncode


def through_terminal(argv: Sequence[str], descriptors: Sequence[int], counter: Counter) -> int:
    """Run a command on a terminal of its own, with this one in raw mode, and return its exit code."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(0)
    termios.tcsetattr(slave, termios.TCSANOW, before)

    def copy_size(*_: Any) -> None:
        fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))

    copy_size()
    signal.signal(signal.SIGWINCH, copy_size)
    process = subprocess.Popen(
        list(argv),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        pass_fds=descriptors,
        start_new_session=True,
        cwd="/",
    )
    os.close(slave)
    tty.setraw(0)
    try:
        _relay_terminal(process, master, counter)
        return process.wait()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _relay_terminal(process: subprocess.Popen[bytes], master: int, counter: Counter) -> None:
    while True:
        ready = select.select([0, master], [], [], 0.05)[0]
        if not ready and process.poll() is not None:
            return
        try:
            if master in ready:
                data = os.read(master, _CHUNK)
                if not data:
                    return
                _write_all(1, data)
            if 0 in ready:
                data = os.read(0, _CHUNK)
                if not data:
                    os._exit(1)
                counter.bytes += len(data)
                _write_all(master, data)
        except OSError:
            if process.poll() is None and master not in ready:
                os._exit(1)
            return
