"""How the client talks: options, spinner, failures."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

CLEAR = "\x1b[2K\x1b[0A\x1b[0E"
FRAMES = "/-\\|"

FAILED = 2
COMMAND_LINE = 1
TIMEOUT = 5


class CommandError(Exception):
    """A command ends here, with an exit code and what it writes to stderr."""

    def __init__(self, rc: int, text: str) -> None:
        super().__init__(text)
        self.rc = rc
        self.text = text


def failed(command: str, *lines: str) -> CommandError:
    """Return the failure of a command as the daemon reports it."""
    return CommandError(FAILED, f"{command} failed: " + "\n".join(lines) + "\n")


def errors_occurred(command: str, *lines: str) -> CommandError:
    """Return the failure of a command that takes several machines."""
    return failed(command, "The following errors occurred:", *lines)


def unhandled(message: str) -> CommandError:
    """Return what the client writes when it did not expect an error."""
    return CommandError(COMMAND_LINE, f"{stamp()} [error] [client] Caught an unhandled exception: {message}\n")


def stamp() -> str:
    """Return the time in front of a log line."""
    return time.strftime("[%Y-%m-%dT%H:%M:%S.000]", time.gmtime())


def say(text: str) -> None:
    """Write to stdout at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write to stderr at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


def clear() -> None:
    """Write the escapes that a spinner without text leaves."""
    say(CLEAR)


def end_spin() -> None:
    """Wipe the frame of a spinner, and then its line."""
    say("\b " + CLEAR)


def spin(message: str, *, frames: int = 5) -> None:
    """Write what an animated spinner leaves on stdout, terminal or not; `end_spin` ends it."""
    say(f"{CLEAR}{message}  " + "".join("\b" + FRAMES[number % 4] for number in range(frames)))


class Counter:
    """Counts what was read from stdin."""

    def __init__(self) -> None:
        self.bytes = 0


@dataclass
class Arguments:
    """A command line taken apart; `rest` is what follows `--`."""

    positional: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] | None = None

    def has(self, name: str) -> bool:
        """Whether the option was given."""
        return name in self.options

    def value(self, name: str, default: str = "") -> str:
        """Return the last value of an option."""
        return self.options.get(name, [default])[-1]


def parse(argv: Sequence[str], *, flags: str = "", values: str = "") -> Arguments:
    """Take a command line apart.

    `flags` and `values` name the options as `short/long` or `long`, separated by blanks.
    """
    names: dict[str, tuple[str, bool]] = {}
    for text, takes_value in ((flags + " h/help v/verbose", False), (values, True)):
        for entry in text.split():
            long = entry.split("/")[-1]
            names.update(dict.fromkeys(entry.split("/"), (long, takes_value)))
    result = Arguments()
    left = list(argv)
    while left:
        word = left.pop(0)
        if word == "--":
            result.rest = left
            break
        if not word.startswith("-") or word == "-":
            result.positional.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--") and set(name) == {"v"}:
            name = "v"
        if name not in names:
            raise CommandError(COMMAND_LINE, f"Unknown option '{name}'.\n")
        long, takes_value = names[name]
        if takes_value and not equals:
            if not left:
                raise CommandError(COMMAND_LINE, f"Missing value after '{word}'.\n")
            value = left.pop(0)
        result.options.setdefault(long, []).append(value)
    return result
