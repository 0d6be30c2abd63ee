from __future__ import annotations

import pytest

from agsekit.i18n import language, sentence_and_hint
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
