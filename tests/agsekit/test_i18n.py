from __future__ import annotations

import string
from collections.abc import Mapping

import pytest

from agsekit.i18n import _, language, sentence_and_hint
from agsekit.locales import en, ru
from agsekit_storage.errors import StorageError, StoreDamaged
from tests.support.sentences import sentences


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ru_RU.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "en"),
        ({"AGSEKIT_LANG": "ru", "LC_ALL": "C"}, "ru"),
        ({"AGSEKIT_LANG": "", "LANG": "ru"}, "ru"),
        ({"AGSEKIT_LANG": "ru-RU"}, "ru"),
    ],
)
def test_the_language_is_that_of_the_first_variable_that_is_set(environment: dict[str, str], expected: str) -> None:
    assert language(environment) == expected


def test_the_reason_behind_a_failure_of_the_storage_library_is_part_of_its_sentence() -> None:
    reason = StoreDamaged("its body cannot be read ({reason})", reason="end of file")
    error = StorageError("the record {path} is damaged: {reason}", hint="look at {path}", path="/b/1", reason=reason)

    said = sentence_and_hint(error)

    assert said == ("the record /b/1 is damaged: its body cannot be read (end of file)", "look at /b/1")


def test_a_sentence_without_values_may_hold_braces() -> None:
    assert sentence_and_hint(StorageError("odd {name}", hint="try {this}")) == ("odd {name}", "try {this}")


def test_every_sentence_is_written_whole_so_that_it_can_be_translated() -> None:
    put_together = [sentence.where for sentence in sentences() if sentence.text is None]

    assert put_together == []


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders of a sentence, with what stands behind them."""
    return {f"{name}!{how}:{form}" for _text, name, form, how in string.Formatter().parse(text) if name is not None}


def spoken() -> set[str]:
    """Return every sentence that the sources say."""
    return {sentence.text for sentence in sentences() if sentence.text}


def test_every_sentence_has_a_russian_translation() -> None:
    missing = {sentence.text: sentence.where for sentence in sentences() if sentence.text not in ru.CATALOGUE}

    assert missing == {}


@pytest.mark.parametrize("catalogue", [en.CATALOGUE, ru.CATALOGUE], ids=["en", "ru"])
def test_no_entry_of_a_catalogue_is_unused(catalogue: Mapping[str, object]) -> None:
    assert sorted(set(catalogue) - spoken()) == []


@pytest.mark.parametrize(("catalogue", "forms"), [(en.CATALOGUE, 2), (ru.CATALOGUE, 3)], ids=["en", "ru"])
def test_a_translation_has_the_placeholders_of_its_sentence_in_every_form(
    catalogue: Mapping[str, str | tuple[str, ...]], forms: int
) -> None:
    for sentence, translation in catalogue.items():
        texts = translation if isinstance(translation, tuple) else (translation,)

        assert len(texts) in (1, forms), sentence
        for text in texts:
            assert placeholders(text) == placeholders(sentence), text


@pytest.mark.parametrize(
    ("lang", "number", "expected"),
    [
        ("en", 1, "Delete 1 snapshot?"),
        ("en", 21, "Delete 21 snapshots?"),
        ("ru", 1, "Удалить 1 снимок?"),
        ("ru", 21, "Удалить 21 снимок?"),
        ("ru", 3, "Удалить 3 снимка?"),
        ("ru", 12, "Удалить 12 снимков?"),
        ("ru", 5, "Удалить 5 снимков?"),
        ("ru", 0, "Удалить 0 снимков?"),
    ],
)
def test_a_number_decides_on_the_wording(
    monkeypatch: pytest.MonkeyPatch, lang: str, number: int, expected: str
) -> None:
    monkeypatch.setenv("AGSEKIT_LANG", lang)

    assert _("Delete {count} snapshots?").format(count=number) == expected
