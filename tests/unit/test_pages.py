"""A cursor means the place where a page ended, in the list that it came from; anything else is refused alike."""

import re
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access.claims import TOKEN_ID_MAX_CHARS
from engine.pages import CURSOR_MAX_CHARS, FORM, WRONG_CURSOR, Count, Cursors, Name, Number
from protocol.errors import BadRequest

PLACES = Cursors("places", tuple[Name, Number])
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES, st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_means_its_place_and_can_stand_in_an_address(name: str, number: int) -> None:
    cursor = PLACES.after((name, number))
    assert PLACES.place(cursor) == (name, number)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", cursor)


def spelled(text: str) -> str:
    return FORM + urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "abc",
        FORM,
        "\0",
        "\udc80",
        "\u0661",
        "42",
        spelled("[" * 5_000),
        spelled("null"),
        spelled('["places"]'),
        spelled('["places",["a"]]'),
        spelled('["places",["a",1,2]]'),
        spelled('["places",["a","1"]]'),
        spelled('["places",["a",1.0]]'),
        spelled('["places",["",1]]'),
        spelled('["places",["a\\u0000",1]]'),
        spelled('["places",["a\\ud800",1]]'),
        spelled('["places",["a",9223372036854775808]]'),
        spelled('["places", ["a",1]]'),
        PLACES.after(("a", 1)).removeprefix(FORM),
        PLACES.after(("a", 1)) + "=",
        PLACES.after(("a", 1)) + "\0",
        "2." + PLACES.after(("a", 1)).removeprefix(FORM),
    ],
)
def test_what_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest, match=WRONG_CURSOR):
        PLACES.place(cursor)


def test_the_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadRequest, match=WRONG_CURSOR):
        PLACES.place(Cursors("others", tuple[Name, Number]).after(("a", 1)))


def test_a_count_is_not_negative() -> None:
    counts = Cursors("counts", tuple[Count])
    assert counts.place(counts.after((0,))) == (0,)
    with pytest.raises(BadRequest, match=WRONG_CURSOR):
        counts.place(counts.after((-1,)))


def test_the_longest_place_fits_into_what_a_door_takes() -> None:
    longest = Cursors("revocations", tuple[Name, Name]).after(("user", "\U0001f514" * TOKEN_ID_MAX_CHARS))
    assert len(longest) <= CURSOR_MAX_CHARS
