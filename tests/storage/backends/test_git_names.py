"""Names in the shadow repository."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agsekit_storage.backends.git_names import escape, unescape

_PARTS = st.sampled_from(
    [b"%", b"25", b"5C", b"\\", b".git", b".GIT", b"git~1", b"\xe2\x80\x8c", b".", b" ", b"\xff"]
)
_NAMES = st.one_of(
    st.lists(_PARTS, min_size=1, max_size=5).map(b"".join),
    st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"-")),
)


@given(_NAMES)
@example(b"%%5C")
@example(b"%.git")
def test_every_name_comes_back(name: bytes) -> None:
    assert unescape(escape(name)) == name


@given(_NAMES, _NAMES)
def test_two_names_never_become_one(one: bytes, other: bytes) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize(
    "name",
    [
        b".git",
        b".GIT",
        b".gIt ",
        b".git. .",
        b".git::$INDEX_ALLOCATION",
        b"git~1",
        b"GIT~1",
        b".g\xe2\x80\x8cit",
        b"\xef\xbb\xbf.git",
        b".gitmodules",
        b".GITMODULES ",
        b"gitmod~1",
        b"gi7eba~1",
        b".gitattributes",
        b".gitignore",
        b".mailmap",
        b"mailma~1",
    ],
)
def test_a_name_with_a_meaning_for_git_gets_a_percent_sign_in_front(name: bytes) -> None:
    assert escape(name) == b"%" + name


@pytest.mark.parametrize(
    "name", [b".github", b".gitlab-ci.yml", b"git", b".gi", b"a.git", b"\xff", "ünï".encode(), b"make~", b"~", b"\n"]
)
def test_any_other_name_stays_as_it_is(name: bytes) -> None:
    assert escape(name) == name
