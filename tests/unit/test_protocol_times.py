"""Times on the wire and microseconds are the same moments."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import BadRequest
from protocol.times import SECOND_US, TIME_MAX_US, moment_of, parse_rfc3339, rfc3339

YEAR_1_US = -62_135_596_800 * SECOND_US
MOMENTS = st.integers(YEAR_1_US, TIME_MAX_US + SECOND_US - 1)


def test_a_moment_is_written_in_utc_with_microseconds():
    assert rfc3339(1_700_000_000_000_000) == "2023-11-14T22:13:20.000000Z"
    assert rfc3339(1) == "1970-01-01T00:00:00.000001Z"
    assert rfc3339(TIME_MAX_US) == "9999-12-31T23:59:59.000000Z"


def test_a_year_has_four_digits_also_when_it_is_long_ago():
    assert rfc3339(YEAR_1_US) == "0001-01-01T00:00:00.000000Z"


@given(MOMENTS)
@example(YEAR_1_US)
@example(TIME_MAX_US)
def test_a_moment_survives_the_wire(at):
    assert parse_rfc3339(rfc3339(at)) == at


@given(MOMENTS, MOMENTS)
def test_times_in_texts_are_ordered_like_the_moments(one, other):
    assert (rfc3339(one) < rfc3339(other)) is (one < other)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01 00:00:01Z", 1_000_000),
        ("1970-01-01T02:00:01+02:00", 1_000_000),
        ("1969-12-31T22:30:01.5-01:30", 1_500_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1970-01-01T00:00:00.1Z", 100_000),
        ("1970-01-01T00:00:00-00:00", 0),
        ("0001-01-01T00:00:00Z", YEAR_1_US),
        ("0001-01-01T00:00:00+23:59", YEAR_1_US - 86_340 * SECOND_US),
    ],
)
def test_this_text_is_that_moment(text, at):
    assert parse_rfc3339(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1700000000",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00 02:00",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:60Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "２０２６-01-31T12:00:00Z",  # noqa: RUF001
        "2026-01-31T12:00:00Z\ud800",
        "2026-01-31T12:00:00Z" * 1_000,
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_this_text_is_no_moment(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse_rfc3339(text), int)


def test_a_moment_that_cannot_be_written_is_an_overflow():
    with pytest.raises(OverflowError):
        rfc3339(TIME_MAX_US + SECOND_US)


@pytest.mark.parametrize(("text", "at"), [("1970-01-01T00:00:00Z", 0), ("9999-12-31T23:59:59Z", TIME_MAX_US)])
def test_the_first_and_the_last_time_that_can_be_kept_are_taken_from_everybody(text, at):
    assert moment_of(text, "ends_at") == at


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-01-31T12:00:00", "1969-12-31T23:59:59.9Z", "9999-12-31T23:59:59.5Z", "0001-01-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused_with_the_fields_name_and_a_right_one(text):
    with pytest.raises(BadRequest) as refusal:
        moment_of(text, "weekly.until")
    assert refusal.value.message.startswith(f"weekly.until: {text!r} is no time: use ")
    assert refusal.value.message.endswith("such as 2026-01-31T12:00:00Z")


def test_a_refusal_of_a_long_text_is_short():
    with pytest.raises(BadRequest) as refusal:
        moment_of("x" * 1_000, "at")
    assert len(refusal.value.message) < 200
