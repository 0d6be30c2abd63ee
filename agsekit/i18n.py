"""The language of everything a person reads."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping

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


class Forms(str):
    """A sentence whose wording depends on a number: it is chosen when the placeholders are filled in.

    The number is that of the placeholder `count`, or of the only placeholder that gets a whole number.
    """

    forms: tuple[str, ...]
    choose: Callable[[int], int]

    def __new__(cls, forms: tuple[str, ...], choose: Callable[[int], int]) -> Forms:
        """Make one of its forms, of which the last is the most general; `choose` returns the position of one."""
        made = super().__new__(cls, forms[-1])
        made.forms, made.choose = forms, choose
        return made

    def format(self, *places: object, **values: object) -> str:
        """Fill in the placeholders of the form that fits."""
        numbers = [value for value in values.values() if isinstance(value, int)]
        number = values.get("count", numbers[0] if len(numbers) == 1 else None)
        form = self.forms[self.choose(number)] if isinstance(number, int) else self.forms[-1]
        return form.format(*places, **values)


def _one_or_many(number: int) -> int:
    return 0 if number == 1 else 1


def _one_few_or_many(number: int) -> int:
    """Choose as Slavic languages do: 1, 21, 101; 2 to 4, 22 to 24; all else (CLDR, "Language Plural Rules")."""
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


_CHOICES: Mapping[str, Callable[[int], int]] = {ENGLISH: _one_or_many, "ru": _one_few_or_many}


@functools.cache
def _catalogue(code: str) -> Mapping[str, str]:
    import importlib

    found: Mapping[str, str | tuple[str, ...]] = importlib.import_module(f"agsekit.locales.{code}").CATALOGUE
    choose = _CHOICES[code]
    return {key: Forms(text, choose) if isinstance(text, tuple) else text for key, text in found.items()}


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
