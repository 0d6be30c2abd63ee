"""Every sentence for people in the sources, found by reading them: the arguments of `_` and of the storage errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Optional

import agsekit_storage.errors
from agsekit_storage.errors import VERIFY_HINT, StorageError

CHECKOUT = Path(__file__).resolve().parent.parent.parent

_STORAGE_ERRORS = {
    name
    for name, value in vars(agsekit_storage.errors).items()
    if isinstance(value, type) and issubclass(value, StorageError)
}


class Sentence(NamedTuple):
    """`text` is None where the source puts the sentence together, so that no catalogue can hold it."""

    where: str
    text: Optional[str]


def sentences() -> Iterator[Sentence]:
    """Yield every sentence of the application and of the storage library, and where it stands (`file:line`)."""
    yield Sentence("storage/agsekit_storage/errors.py", VERIFY_HINT)
    for folder in ("agsekit", "storage"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            if path.name == "i18n.py":
                continue  # it translates what others say
            tree = ast.parse(path.read_bytes())
            constants = dict(_constants(tree))
            for call in ast.walk(tree):
                if isinstance(call, ast.Call):
                    for argument in _arguments(call):
                        for text in _texts(argument, constants):
                            yield Sentence(f"{path.relative_to(CHECKOUT)}:{call.lineno}", text)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name) and isinstance(statement.value.value, str):
                    yield target.id, statement.value.value


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else None
    if name in ("_", *_STORAGE_ERRORS):
        yield from call.args[:1]
    if name in _STORAGE_ERRORS:
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "hint")


def _texts(argument: ast.expr, constants: dict[str, str]) -> Iterator[Optional[str]]:
    if isinstance(argument, ast.IfExp):
        yield from _texts(argument.body, constants)
        yield from _texts(argument.orelse, constants)
    elif isinstance(argument, ast.Constant):
        if argument.value is not None:
            yield str(argument.value)
    elif isinstance(argument, ast.Name) and argument.id in constants:
        yield constants[argument.id]
    else:
        yield None
