"""How Multipass is asked: one call at a time, judged by its exit code."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from agsekit.config.model import Vm
from agsekit.engines import multipass_answers
from agsekit.engines.base import Instance, OnEvent, OnOutput, State
from agsekit.engines.multipass_answers import MultipassError
from agsekit.errors import EngineError
from agsekit.process import Completed, ProgramMissing, ProgramTimeout, Runner

CALL_SECONDS = 60.0
POLL_SECONDS = 1.0
_SSH_ATTEMPTS = 3
_PROGRESS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]")
_FRAMES = re.compile(r"(?:\s*\x08.|[\s/|\\-])+\Z|\x08.")


class MultipassClient:
    """The calls that the parts of the engine have in common.

    `now` returns seconds of a clock that never goes back; `sleep` waits for that many. A command waits for
    `mount_seconds` inside until its folder is mounted.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        mount_seconds: int = 15,
    ) -> None:
        self._runner = runner
        self._now = now
        self._sleep = sleep
        self._mount_seconds = mount_seconds

    def inspect(self, vm: Vm) -> Instance:
        """Return the VM as it is now; `info` is the one command that never starts anything."""
        try:
            done = self._call(vm, ["info", vm.name, "--format", "json"])
        except MultipassError as error:
            if error.says("does not exist"):
                return Instance(vm.name, State.ABSENT)
            raise
        return multipass_answers.instance(vm.name, done.text)

    def run_inside(
        self,
        vm: Vm,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = CALL_SECONDS,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run a command inside and return what it left.

        Multipass has exit codes of its own for its own failures, and only their wording tells them apart.
        """
        try:
            return self._inside(vm, argv, stdin=stdin, timeout=timeout, on_output=on_output)
        except MultipassError as error:
            if error.about_multipass:
                raise
            return error.completed

    def _inside(
        self,
        vm: Vm,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = CALL_SECONDS,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run a command inside that has to succeed; a connection that could not be made is tried again."""
        attempt = 1
        while True:
            try:
                return self._call(vm, exec_command(vm, argv)[1:], stdin=stdin, timeout=timeout, on_output=on_output)
            except MultipassError as error:
                if attempt == _SSH_ATTEMPTS or not error.says("exec failed: ssh connection failed"):
                    raise
            attempt += 1
            self._sleep(POLL_SECONDS)

    def _call(
        self,
        vm: Vm,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float = CALL_SECONDS,
        on_output: OnOutput | None = None,
    ) -> Completed:
        """Run `multipass` and return what it left.

        Only the exit code decides: stderr may hold log lines of the daemon after a success.

        Raises:
            MultipassError: it failed.
            EngineError: it is missing or did not answer.
        """
        if on_output is None:
            return self._checked(vm, argv, lambda words: self._runner.run(words, stdin=stdin, timeout=timeout))
        watching = on_output
        return self._checked(
            vm, argv, lambda words: self._runner.watch(words, stdin=stdin, timeout=timeout, on_output=watching)
        )

    def _watch(self, vm: Vm, argv: Sequence[str], *, stdin: bytes, timeout: float, on_event: OnEvent) -> Completed:
        """Run `multipass` like `_call`, and report what its spinner says: each stage once, without its numbers."""
        stages = _Stages(lambda text: on_event(f"{vm.name}: {text}"))
        return self._checked(
            vm, argv, lambda words: self._runner.watch(words, stdin=stdin, timeout=timeout, on_output=stages.read)
        )

    def _checked(self, vm: Vm, argv: Sequence[str], run: Callable[[Sequence[str]], Completed]) -> Completed:
        try:
            done = run(["multipass", *argv])
        except ProgramMissing:
            raise multipass_answers.not_installed() from None
        except ProgramTimeout as error:
            raise EngineError(error.message, hint=multipass_answers.restart_daemon_hint()) from None
        if done.returncode:
            raise multipass_answers.failure(vm.name, argv[0], done)
        return done


def exec_command(vm: Vm, argv: Sequence[str]) -> list[str]:
    """Return how to run argv inside, unchanged.

    Without `-n` the working folder of the caller decides where the command runs; with `-d` the quoting of
    argv is lost for some commands.
    """
    return ["multipass", "exec", vm.name, "-n", "--", *argv]


class _Stages:
    """Reads the animation on standard output, which is there with and without a terminal."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._rest = ""
        self._last = ""

    def read(self, chunk: bytes) -> None:
        """Take in what was printed next."""
        *lines, self._rest = _PROGRESS.split(self._rest + chunk.decode("utf-8", "replace"))
        for line in [*lines, self._rest if "\b" in self._rest else ""]:
            stage = re.sub(r"\s*\d+%", "", _FRAMES.sub("", line)).strip()
            if stage and stage != self._last and not stage.startswith("Launched:"):
                self._last = stage
                self._report(stage)
