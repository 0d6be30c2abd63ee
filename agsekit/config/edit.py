"""Mounts put into a configuration and taken out of it, with every other byte left as it is.

Adding a mount and then removing it gives back the same bytes. After every edit the new text is read again and has to
say what was meant, and nothing else; otherwise nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agsekit.config import edit_block, edit_flow
from agsekit.config.entries import Entry
from agsekit.config.load import parse_config
from agsekit.config.model import Config, Mount
from agsekit.config.problems import Problems
from agsekit.config.spans import CannotEditError, Layout, Span, layout_of
from agsekit.errors import ConfigError
from agsekit.i18n import _

_KEY = "mounts"
_BYTE_ORDER_MARK = "\ufeff"


def entry_of(mount: Mount, *, first_vm: str) -> Entry:
    """Return what to write for a mount made of source, target, backup, interval and VM; the first VM is not named."""
    entry: dict[str, str | float] = {
        "source": str(mount.source),
        "target": str(mount.target),
        "backup": str(mount.backup),
        "interval": mount.interval,
    }
    return entry if mount.vm == first_vm else {**entry, "vm": mount.vm}


def add_mount(data: bytes, config: Config, mount: Mount, *, home: Path) -> bytes:
    """Return the content of a configuration with one more mount, behind the others.

    `config` is what `data` says; `mount` has nothing but what `entry_of` writes.

    Raises:
        CannotEditError: the file is written in a way that cannot be edited without harm.
        ConfigError: with the mount the configuration would not be valid.
    """
    entry = entry_of(mount, first_vm=config.first_vm.name)
    expected = replace(config, mounts=(*config.mounts, mount))
    return _edited(data, lambda layout: _add(layout, entry), expected, home)


def warnings_of_last_mount(data: bytes, config: Config, *, home: Path) -> list[str]:
    """Return what is to be said about the mount that `add_mount` put into `data`, as phrases after its name."""
    problems = Problems(config.path)
    parse_config(data, problems, home=home)
    place = f"{_KEY}[{len(config.mounts)}]."
    return [each.problem for each in problems.findings if each.is_warning and each.key.startswith(place)]


def remove_mount(data: bytes, config: Config, index: int, *, home: Path) -> bytes:
    """Return the content of a configuration without one of its mounts.

    Raises:
        CannotEditError: the file is written in a way that cannot be edited without harm.
    """
    left = [mount for number, mount in enumerate(config.mounts) if number != index]
    return _edited(data, lambda layout: _remove(layout, index), replace(config, mounts=tuple(left)), home)


def _edited(data: bytes, change: Callable[[Layout], str], expected: Config, home: Path) -> bytes:
    text = data.decode("utf-8")
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    new = (mark + change(layout_of(text[len(mark) :]))).encode("utf-8")
    try:
        found = parse_config(new, Problems(expected.path), home=home)
    except ConfigError as error:
        raise CannotEditError(error.message) from None
    if _content(found) != _content(expected):
        raise CannotEditError(_("the result would not say what is meant"))
    return new


def _content(config: Config) -> object:
    """Return what a configuration says, the order of VMs and agents included."""
    return list(config.vms.items()), tuple(config.mounts), list(config.agents.items())


def _add(layout: Layout, entry: Entry) -> str:
    root = layout.root
    found = _find(root)
    if found is None:
        return edit_flow.add_key(layout, _KEY, entry) if root.flow else edit_block.add_key(layout, _KEY, entry)
    key, value = found
    if value.kind == "scalar":
        if root.flow:
            raise CannotEditError(_("`mounts` holds nothing; write `mounts: []` instead"))
        return edit_block.add_first(layout, key, value, entry)
    _check_list(value)
    if value.flow or not value.children:
        return edit_flow.add_item(layout, value, entry)
    return edit_block.add_item(layout, value, entry)


def _remove(layout: Layout, index: int) -> str:
    found = _find(layout.root)
    if found is None:
        raise CannotEditError(_("it has no `mounts:` of its own"))
    key, value = found
    _check_list(value)
    item = value.children[index]
    _check_unshared(layout.root, item)
    if value.flow:
        return edit_flow.remove_item(layout, key, value, index)
    return edit_block.remove_item(layout, key, value, index)


def _find(root: Span) -> tuple[Span, Span] | None:
    found = next((pair for pair in root.pairs if pair[0].value == _KEY), None)
    if found is None and any(key.value == "<<" for key, _value in root.pairs):
        raise CannotEditError(_("its keys come from an alias (`<<`)"))
    return found


def _check_list(value: Span) -> None:
    if value.kind == "alias":
        raise CannotEditError(_("`mounts:` is the alias *{name}").format(name=value.anchor))
    if value.kind != "sequence" or not value.plain:
        raise CannotEditError(_("`mounts:` has an anchor or a tag"))


def _check_unshared(root: Span, item: Span) -> None:
    """Refuse to take an anchor away that an alias elsewhere needs."""
    inside = {id(span) for span in item.walk()}
    anchors = {span.anchor for span in item.walk() if span.kind != "alias" and span.anchor}
    for span in root.walk():
        if span.kind == "alias" and span.anchor in anchors and id(span) not in inside:
            raise CannotEditError(_("the alias *{name} refers to this mount").format(name=span.anchor))
