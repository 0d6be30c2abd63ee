"""The environment of an agent: what the configuration says, and what it says to look up on the host."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence

from agsekit.config.model import EnvValue, FromHost
from agsekit.errors import AgsekitError
from agsekit.i18n import _
from agsekit.process import ProgramMissing, ProgramTimeout, Runner

COMMAND_SECONDS = 60.0
"""How long a command may take that prints a value; a person may have to unlock something."""

_MOST_BYTES = 64 * 1024
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def resolve_environment(
    env: Mapping[str, EnvValue], runner: Runner, *, on_warning: Callable[[str], None] = lambda text: None
) -> dict[str, str]:
    """Return the environment with every value looked up; the runner shows none of them from then on.

    `on_warning` gets a sentence about what is not as private as it should be.

    Raises:
        AgsekitError: a value cannot be had. The message names where it is configured, never the value.
    """
    found = {}
    for name, value in env.items():
        found[name] = value if isinstance(value, str) else _look_up(value, runner, on_warning)
        runner.hide(found[name])
    return found


def _look_up(value: FromHost, runner: Runner, on_warning: Callable[[str], None]) -> str:
    if value.kind == "env":
        content = os.fsencode(runner.environment.get(value.words[0], ""))
        missing = _("the variable {name} is not set, or empty").format(name=value.words[0])
    elif value.kind == "file":
        content = _read(value, value.words[0], on_warning)
        missing = _("the file {path} is empty").format(path=value.words[0])
    else:
        content = _output_of(value, value.words, runner)
        missing = _("{program} printed nothing").format(program=value.words[0])
    # One line break is how files and programs end; no variable of an agent means it.
    content = re.sub(rb"(?:\r?\n)+\Z", b"", content)
    if not content:
        raise _failure(value, missing)
    return _text(value, content)


def _text(value: FromHost, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _failure(value, _("what was found is not UTF-8 text")) from None
    if "\0" in text:
        raise _failure(value, _("what was found holds a character that no environment variable can hold"))
    return text


def _read(value: FromHost, path: str, on_warning: Callable[[str], None]) -> bytes:
    try:
        # A FIFO must not make this wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise _failure(value, _("{path} is not a file").format(path=path))
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        reason = _("{path} cannot be read: {reason}").format(path=path, reason=error.strerror)
        raise _failure(value, reason) from None
    if len(content) > _MOST_BYTES:
        raise _failure(value, _("{path} is larger than 64 KiB").format(path=path))
    if mode & _OPEN_TO_OTHERS:
        on_warning(_("{place}: others can use {path}; run `chmod 600 {path}`").format(place=value.place, path=path))
    return content


def _output_of(value: FromHost, argv: Sequence[str], runner: Runner) -> bytes:
    # Without a trace: its arguments are shown only once it is known what is secret.
    private = Runner(runner.environment)
    try:
        done = private.run(argv, timeout=COMMAND_SECONDS)
    except ProgramMissing as error:
        raise _failure(value, error.message) from None
    except ProgramTimeout:
        problem = _("{program} did not end within {seconds} s").format(program=argv[0], seconds=int(COMMAND_SECONDS))
        raise _failure(value, problem) from None
    except OSError as error:
        problem = _("{program} cannot be started: {reason}").format(program=argv[0], reason=error.strerror)
        raise _failure(value, problem) from None
    runner.hide(done.text.strip())
    runner.trace(argv)
    if done.returncode:
        problem = _("{program} ended with {code}").format(program=argv[0], code=done.returncode)
        raise _failure(value, problem, details=done.error_text or None)
    if len(done.stdout) > _MOST_BYTES:
        raise _failure(value, _("{program} printed more than 64 KiB").format(program=argv[0]))
    return done.stdout


def _failure(value: FromHost, problem: str, *, details: str | None = None) -> AgsekitError:
    return AgsekitError(
        f"{value.place}: {problem}",
        hint=_("the agent gets this value when it starts; correct the configuration, or what it leads to"),
        details=details,
    )
