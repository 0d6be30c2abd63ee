"""The language of everything a person reads."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

ENGLISH = "en"
_LANGUAGES = (ENGLISH, "ru")


def language(environment: Mapping[str, str]) -> str:
    """Return `en` or `ru`: AGSEKIT_LANG, then the locale as POSIX orders its variables, then English."""
    for variable in ("AGSEKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable)
        if value:
            code = value.replace("-", "_").split("_")[0].split(".")[0].lower()
            return code if code in _LANGUAGES else ENGLISH
    return ENGLISH


@functools.cache
def _catalogue(code: str) -> Mapping[str, str]:
    if code == ENGLISH:
        return {}
    import importlib

    try:
        module = importlib.import_module(f"agsekit.locales.{code}")
    except ModuleNotFoundError:
        return {}
    catalogue: Mapping[str, str] = module.CATALOGUE
    return catalogue


def sentence_and_hint(error: BaseException) -> tuple[str, str | None]:
    """Return what an error says and what to do about it, in the user's language.

    Errors of agsekit are made in that language. Those of the storage library, which knows none, bring the templates
    of their sentences (see `agsekit_storage.errors.StorageError`).
    """
    if not hasattr(error, "template"):
        return getattr(error, "message", None) or str(error), getattr(error, "hint", None)
    values = {
        name: sentence_and_hint(value)[0] if hasattr(value, "template") else value
        for name, value in error.values.items()  # type: ignore[attr-defined]
    }
    hint = error.hint_template  # type: ignore[attr-defined]
    if not values:
        return _(error.template), hint and _(hint)
    return _(error.template).format(**values), hint and _(hint).format(**values)


def _(sentence: str) -> str:
    """Translate a whole sentence; placeholders are filled in afterwards with `.format(name=…)`."""
    return _catalogue(language(os.environ)).get(sentence, sentence)
