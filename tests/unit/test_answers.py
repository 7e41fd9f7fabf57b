"""What a server's answer says about when to come again, however it says it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.notify.answers import RETRY_AFTER_MAX_S, RETRY_AFTER_MIN_S, outcome_of, retry_after_s
from engine.notify.connector import Answer
from engine.notify.ports import TryLater
from protocol.times import SECOND_US
from tests.support.stores import NOW


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_a_date_whose_zone_is_impossible_says_nothing() -> None:
    answer = Answer(429, {"retry-after": "Mon, 20 Nov 1995 19:12:08 +99999999999999"}, b"")
    assert outcome_of(answer, NOW) == TryLater(30.0, "answered 429")


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_a_date_is_in_its_own_zone_and_not_in_this_machines(zone: str, far_from_greenwich: None) -> None:
    moment = datetime.fromtimestamp(NOW // SECOND_US, UTC) + timedelta(seconds=90)
    text = format_datetime(moment).replace("+0000", zone)
    assert retry_after_s({"retry-after": text}, NOW) == 90.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,9} [+-][0-9]{1,16}"))
def test_whatever_stands_there_is_within_the_bounds_or_nothing(text: str) -> None:
    found = retry_after_s({"retry-after": text}, NOW)
    assert found is None or RETRY_AFTER_MIN_S <= found <= RETRY_AFTER_MAX_S
