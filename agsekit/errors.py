"""The errors a user can meet, and the exit codes they end in."""

from __future__ import annotations

import enum
from typing import Optional


class ExitCode(enum.IntEnum):
    """Every exit status of agsekit. New ones may be added; an unknown one means failure."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    INCOMPLETE = 3  # a snapshot was made, but some files could not be read
    CONFIG = 10  # the configuration is missing or invalid
    LOCKED = 11  # another agsekit is writing to the store
    NOT_FOUND = 12  # no such VM, mount, agent or snapshot, or no such path in one
    ENGINE = 20  # the engine is missing, unreachable, or failed
    LOSS = 30  # `guard: pause` ended the agent because it destroyed too much
    BUG = 70
    NOT_STARTED = 125  # `run`, `shell` and `ssh` failed before the command inside could start
    CANCELLED = 130


class AgsekitError(Exception):
    """An expected failure: one sentence, what to do about it, and the code the process ends with.

    `message` is a whole sentence without a final full stop; `hint` says what the user can do;
    `details` is output of a tool that failed, shown in part.
    """

    exit_code = ExitCode.FAILURE

    def __init__(self, message: str, *, hint: Optional[str] = None, details: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(AgsekitError):
    """The command line asks for something that does not fit together."""

    exit_code = ExitCode.USAGE


class ConfigError(AgsekitError):
    """The configuration is missing or has problems; `message` may hold one line per problem.

    `warnings` are lines about what was odd besides.
    """

    exit_code = ExitCode.CONFIG
    warnings: tuple[str, ...] = ()


class NotFoundError(AgsekitError):
    """A VM, mount, agent or snapshot of that name does not exist."""

    exit_code = ExitCode.NOT_FOUND


class EngineError(AgsekitError):
    """The isolation engine is missing, unreachable, or refused."""

    exit_code = ExitCode.ENGINE
