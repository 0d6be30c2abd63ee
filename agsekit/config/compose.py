"""A new configuration, written from a few answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from agsekit.config.entries import Entry, block, scalar
from agsekit.config.schema import modeline
from agsekit.masking import MASK

_HEAD = """\
# The configuration of agsekit, written by `agsekit config-gen`. Every key there is: `agsekit config-example FILE`.
# Check it with `agsekit config validate`. It may hold keys: keep it to yourself (chmod 600).
"""


@dataclass(frozen=True)
class Reference:
    """A value that is looked up when an agent starts; `kind` is `env` or `file`."""

    kind: str
    text: str


class Secret(str):
    """A value that was typed in, and is not shown."""


Value = Union[str, Reference]


@dataclass(frozen=True)
class NewVm:
    """A VM; sizes are as they are written, None for the default. `forwards` are the keys of tunnels."""

    name: str
    engine: str
    sizes: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    forwards: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True)
class NewAgent:
    """An agent profile."""

    name: str
    type: str
    env: Mapping[str, Value] = field(default_factory=dict, repr=False)
    default_args: Sequence[str] = ()
    vm: Optional[str] = None
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """What a new configuration is to say."""

    vms: Sequence[NewVm]
    mounts: Sequence[Entry] = ()
    agents: Sequence[NewAgent] = ()


def compose(plan: Plan, *, hide: bool = False) -> str:
    """Return the text of a configuration; with `hide` for showing: secrets are `***`."""
    parts = [f"{modeline()}\n{_HEAD}", "".join(_lines(_vms(plan.vms)))]
    if plan.mounts:
        items = "".join(block(entry, indent="  ", gap=2, newline="\n") + "\n" for entry in plan.mounts)
        parts.append(f"# The folders that agents work on, and where their snapshots go.\nmounts:\n{items}")
    if plan.agents:
        parts.append("".join(_lines(_agents(plan.agents, hide=hide))))
    return "\n".join(parts)


def _lines(lines: Iterator[str]) -> Iterator[str]:
    return (f"{line}\n" for line in lines)


def _vms(vms: Sequence[NewVm]) -> Iterator[str]:
    yield "# Where agents run. The first VM is the one that is meant where none is named."
    yield "vms:"
    for vm in vms:
        yield f"  {scalar(vm.name)}:"
        yield f"    engine: {vm.engine}"
        for key, value in vm.sizes.items():
            yield f"    {key}: {value if value.isdigit() else scalar(value)}"
        if vm.proxy:
            yield f"    proxychains: {scalar(vm.proxy)}"
        if vm.forwards:
            yield "    port-forwarding:"
        for forward in vm.forwards:
            yield block(forward, indent="      ", gap=2, newline="\n")


def _agents(agents: Sequence[NewAgent], *, hide: bool) -> Iterator[str]:
    yield "# What to start: agsekit run NAME."
    yield "agents:"
    for agent in agents:
        yield f"  {scalar(agent.name)}:"
        yield f"    type: {agent.type}"
        if agent.command:
            yield f"    command: [{', '.join(scalar(word) for word in agent.command)}]"
        if agent.env:
            yield "    env:"
        for name, value in agent.env.items():
            yield f"      {name}: {_value(value, hide=hide)}"
        if agent.default_args:
            yield "    default-args:"
        for argument in agent.default_args:
            yield f"      - {scalar(argument)}"
        if agent.vm is not None:
            yield f"    vm: {scalar(agent.vm)}"


def _value(value: Value, *, hide: bool) -> str:
    if isinstance(value, Reference):
        return f"{{{value.kind}: {scalar(value.text)}}}"
    return scalar(MASK if hide and isinstance(value, Secret) else value, quote=True)
