"""YAML as nodes that know their line, from a file that is checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agsekit.config.problems import Problems, key_path
from agsekit.errors import ConfigError
from agsekit.i18n import _

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_NODES = 100_000
"""Aliases count as what they stand for, so that a few lines cannot stand for billions."""

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)


@dataclass(frozen=True)
class Value:
    """A node, the key path that leads to it, and the line to name when something is wrong with it."""

    node: yaml.Node
    path: str
    line: int

    @property
    def is_null(self) -> bool:
        """Whether nothing, `~` or `null` stands here; `"null"` in quotes is text."""
        return self.node.tag == _TAG + "null"

    @property
    def text(self) -> str | None:
        """The scalar as it is written in the file (`yes`, `08` and `1.10` stay what they are).

        None for a list, a mapping, nothing, and a value with a tag such as `!keep`.
        """
        return str(self.node.value) if _is_plain(self.node) and not self.is_null else None

    @property
    def items(self) -> list[Value] | None:
        """The items of a list, or None when it is none."""
        if _kind(self.node) != "sequence":
            return None
        nodes = enumerate(self.node.value)
        return [Value(node, f"{self.path}[{index}]", _line(node)) for index, node in nodes]

    @property
    def entries(self) -> list[tuple[str, Value]] | None:
        """The keys and values of a mapping with `<<` merged in, or None when it is none."""
        if _kind(self.node) != "mapping":
            return None
        merged = dict(_merged(self.node))
        return [
            (key, Value(value, key_path(self.path, key), _entry_line(key_node, value)))
            for key, (key_node, value) in merged.items()
        ]


def load_root(data: bytes, problems: Problems) -> Value | None:
    """Return the root of a YAML document; None when it is empty.

    Raises:
        ConfigError: it is not UTF-8, not YAML, more than one document, nested too deeply, or too large
            once its aliases are resolved. A mapping that has a key twice, or a key that is not a plain
            word, is noted in `problems`, and reading goes on.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.refuse(_line_of(data, error.start), "", _("is not UTF-8 text"))

    import yaml

    # The C loader is ten times as fast; builds without libyaml do not have it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_size(yaml.parse(text, Loader=loader), problems)
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.refuse(mark.line + 1 if mark else 1, "", _syntax_problem(error))
    except yaml.reader.ReaderError as error:
        line = _line_of(data, data.find(_unprintable(error)))
        problems.refuse(line, "", _("is not valid YAML: it holds a character that cannot be printed"))
    if root is None:
        return None
    _check_keys(root, problems)
    return Value(root, "", _line(root))


def read_limited(path: Path) -> tuple[bytes, int]:
    """Return the content of a file and its mode.

    Raises:
        ConfigError: it is missing, unreadable, no file, or larger than `MAX_BYTES`.
    """
    import os
    import shlex

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            _("There is no configuration at {path}").format(path=path),
            hint=_(
                "write one by answering `agsekit config-gen --config {path}`, or an example to edit: "
                "`agsekit config-example {path}`"
            ).format(path=shlex.quote(str(path))),
        ) from None
    except IsADirectoryError:
        raise ConfigError(
            _("The configuration {path} is a folder, not a file").format(path=path),
            hint=_("name the file in it, such as {path}/config.yaml").format(path=path),
        ) from None
    except OSError as error:
        raise ConfigError(
            _("The configuration {path} cannot be read: {reason}").format(path=path, reason=error.strerror),
            hint=_("check its owner and its mode, and those of the folders above it"),
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(
            _("The configuration {path} is larger than 1 MiB").format(path=path),
            hint=_("check that the path is that of an agsekit configuration"),
        )
    return data, mode


def construct(value: Value) -> Any:
    """Return a value as cloud-init will read it: plain Python objects, YAML 1.1.

    Raises:
        ValueError: a scalar is not what its tag says, or a tag is not supported.
    """
    import yaml

    try:
        return yaml.constructor.SafeConstructor().construct_document(value.node)
    except yaml.MarkedYAMLError as error:
        raise ValueError(error.problem) from None
    except (AttributeError, LookupError, ArithmeticError, TypeError, ValueError):
        # What PyYAML happens to raise for a scalar such as `!!timestamp x` or `2024-99-99`.
        raise ValueError(_("a value is not what its type says")) from None


def _check_size(events: Iterator[Any], problems: Problems) -> None:
    """Refuse what would be too deep or too much, before any of it is built."""
    import yaml

    total = 0
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _start in open_nodes):
                problems.refuse(line, "", _("the alias *{name} stands inside itself").format(name=event.anchor))
            total += sizes.get(event.anchor or "", 0)
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            sizes[event.anchor or ""] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
            if len(open_nodes) > MAX_DEPTH:
                problems.refuse(line, "", _("is nested more than {count} levels deep").format(count=MAX_DEPTH))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = open_nodes.pop()
            sizes[anchor or ""] = total - start
        if total > MAX_NODES:
            problems.refuse(line, "", _("stands for more than {count} values").format(count=MAX_NODES))


def _check_keys(root: yaml.Node, problems: Problems) -> None:
    """Note every key that a mapping has twice, or that is not a plain word. Shared nodes are seen once."""
    waiting = [(root, "")]
    seen = set()
    while waiting:
        node, path = waiting.pop()
        if id(node) in seen or _kind(node) == "scalar":
            continue
        seen.add(id(node))
        if _kind(node) == "sequence":
            waiting += [(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
            continue
        waiting += _checked_entries(node, path, problems)


def _checked_entries(node: yaml.Node, path: str, problems: Problems) -> Iterator[tuple[yaml.Node, str]]:
    first_lines: dict[str, int] = {}
    for key_node, value in node.value:
        line = _line(key_node)
        if not _is_plain(key_node):
            problems.add(line, path, _("has a key that is not a plain word"))
            continue
        key = key_path(path, key_node.value)
        if key_node.value in first_lines:
            first = first_lines[key_node.value]
            problems.add(line, key, _("is given twice, first on line {line}").format(line=first))
        first_lines.setdefault(key_node.value, line)
        if key_node.tag == _TAG + "merge" and _bases(value) is None:
            problems.add(line, key, _("must be an alias of a mapping, or a list of such aliases"))
        yield value, key


def _bases(node: yaml.Node) -> list[yaml.Node] | None:
    """Return the mappings that a `<<` merges in, or None when it holds something else."""
    bases: list[yaml.Node] = node.value if _kind(node) == "sequence" else [node]
    return bases if all(_kind(base) == "mapping" for base in bases) else None


def _merged(node: yaml.Node) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
    """Yield keys with their nodes, the decisive ones last: `<<` gives way to what is written out."""
    for key_node, value in node.value:
        if key_node.tag == _TAG + "merge":
            for base in reversed(_bases(value) or []):
                yield from _merged(base)
    for key_node, value in node.value:
        if _is_plain(key_node) and key_node.tag != _TAG + "merge":
            yield key_node.value, (key_node, value)


def _kind(node: yaml.Node) -> str:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return "scalar"
    return "mapping" if isinstance(node, yaml.MappingNode) else "sequence"


def _is_plain(node: yaml.Node) -> bool:
    return _kind(node) == "scalar" and node.tag in _PLAIN_TAGS


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _entry_line(key_node: yaml.Node, value: yaml.Node) -> int:
    """A scalar is best shown where it stands; a block, and a value that is missing, where its key is."""
    return _line(value if _kind(value) == "scalar" and value.value else key_node)


def _line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, max(position, 0)) + 1


def _unprintable(error: yaml.reader.ReaderError) -> bytes:
    character = error.character
    return chr(character).encode() if isinstance(character, int) else bytes(character)


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    if "nesting depth" in str(error.problem):  # libyaml 0.2.6 and later see to that themselves
        return _("is nested more than {count} levels deep").format(count=MAX_DEPTH)
    reason = " ".join(str(error.problem or error).split())
    if error.context and error.context_mark:
        context = " ".join(error.context.split())
        reason += f" ({context}, {_('line {line}').format(line=error.context_mark.line + 1)})"
    problem = _("is not valid YAML: {reason}").format(reason=reason)
    if "alias" in reason:
        problem += "; " + _("a value that begins with * or & has to be in quotes")
    return problem
