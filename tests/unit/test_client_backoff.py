from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.backoff import ASKED_MAX_S, BASE_S, CAP_S, STABLE_S, YOUNG_CAP_S, YOUNG_OUTAGE_S, Backoff


def test_the_ceiling_doubles_from_a_quarter_of_a_second_to_four_seconds_in_a_young_outage() -> None:
    backoff = Backoff(now=0.0)
    assert [backoff.delay(now=1.0, chance=1.0) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_an_outage_of_a_minute_is_met_with_longer_pauses() -> None:
    backoff = Backoff(now=0.0)
    for _ in range(8):
        backoff.delay(now=1.0, chance=1.0)
    assert backoff.delay(now=YOUNG_OUTAGE_S, chance=1.0) == CAP_S
    assert backoff.delay(now=YOUNG_OUTAGE_S, chance=0.5) == CAP_S / 2


def test_a_connection_that_lasted_starts_the_pauses_and_the_outage_anew() -> None:
    backoff = Backoff(now=0.0)
    for _ in range(8):
        backoff.delay(now=100.0, chance=1.0)
    backoff.ended(now=200.0, lasted_s=STABLE_S)
    assert backoff.cap(now=201.0) == YOUNG_CAP_S
    assert backoff.delay(now=201.0, chance=1.0) == BASE_S


def test_a_connection_that_ends_at_once_is_no_success() -> None:
    backoff = Backoff(now=0.0)
    backoff.delay(now=0.0, chance=1.0)
    backoff.ended(now=1.0, lasted_s=STABLE_S - 0.01)
    assert backoff.delay(now=1.0, chance=1.0) == 2 * BASE_S


def test_the_servers_wish_is_followed_within_reason() -> None:
    backoff = Backoff(now=0.0)
    assert backoff.delay(now=0.0, chance=0.0, asked_s=7.0) == 7.0
    assert backoff.delay(now=0.0, chance=0.0, asked_s=1e9) == ASKED_MAX_S
    assert backoff.delay(now=0.0, chance=0.0, asked_s=-1.0) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0, 1e6))
def test_no_pause_is_longer_than_the_cap(chances: list[float], now: float) -> None:
    backoff = Backoff(now=0.0)
    assert all(0 <= backoff.delay(now, chance) <= CAP_S for chance in chances)
