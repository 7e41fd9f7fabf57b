"""When a crashed actor is started again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.restart import Exhausted, Restart, RestartHistory, RestartPolicy, backoff_s

MIDDLE = 0.5  # a chance that leaves the delay as it is


def test_the_sixth_crash_in_thirty_seconds_is_too_many() -> None:
    history = RestartHistory(RestartPolicy())
    verdicts = [history.crashed(now, MIDDLE) for now in (0.0, 6.0, 12.0, 18.0, 24.0, 30.0)]
    assert all(isinstance(verdict, Restart) for verdict in verdicts[:5])
    assert verdicts[5] == Exhausted(6)


def test_six_crashes_in_thirty_one_seconds_are_not() -> None:
    history = RestartHistory(RestartPolicy())
    verdicts = [history.crashed(now, MIDDLE) for now in (0.0, 6.0, 12.0, 18.0, 24.0, 31.0)]
    assert all(isinstance(verdict, Restart) for verdict in verdicts)


def test_each_crash_doubles_the_delay() -> None:
    history = RestartHistory(RestartPolicy())
    assert [history.crashed(0.0, MIDDLE) for _ in range(5)] == [Restart(d) for d in (0.1, 0.2, 0.4, 0.8, 1.6)]


def test_after_a_quiet_time_the_delay_is_short_again() -> None:
    history = RestartHistory(RestartPolicy())
    for _ in range(4):
        history.crashed(0.0, MIDDLE)
    assert history.crashed(31.0, MIDDLE) == Restart(0.1)


def test_what_was_forgotten_does_not_count() -> None:
    history = RestartHistory(RestartPolicy(max_restarts=1))
    history.crashed(0.0, MIDDLE)
    assert history.crashed(1.0, MIDDLE) == Exhausted(2)
    history.forget()
    assert history.crashed(2.0, MIDDLE) == Restart(0.1)


@pytest.mark.parametrize("attempt", [1, 7, 100, 10_000])
def test_the_delay_never_passes_its_maximum(attempt: int) -> None:
    assert backoff_s(RestartPolicy(), attempt, MIDDLE) <= 10.0


@given(
    attempt=st.integers(1, 10_000),
    chance=st.floats(0, 1),
    first=st.floats(0.001, 10),
    longest=st.floats(10, 100),
    jitter=st.floats(0, 1),
)
def test_the_delay_is_spread_by_the_jitter_and_no_more(
    attempt: int, chance: float, first: float, longest: float, jitter: float
) -> None:
    policy = RestartPolicy(first_delay_s=first, max_delay_s=longest, jitter=jitter)
    middle = backoff_s(policy, attempt, MIDDLE)
    assert first <= middle <= longest
    assert middle * (1 - jitter) * 0.999999 <= backoff_s(policy, attempt, chance) <= middle * (1 + jitter) * 1.000001
    assert backoff_s(policy, attempt + 1, MIDDLE) >= middle


@given(
    gaps=st.lists(st.floats(0, 40), max_size=60),
    most=st.integers(0, 6),
    within=st.floats(0.1, 60),
)
def test_it_is_exhausted_exactly_when_more_crashes_than_allowed_lie_within_the_time(
    gaps: list[float], most: int, within: float
) -> None:
    history = RestartHistory(RestartPolicy(max_restarts=most, within_s=within))
    times: list[float] = []
    for gap in gaps:
        times.append((times[-1] if times else 0.0) + gap)
        recent = [at for at in times if times[-1] - at <= within]
        verdict = history.crashed(times[-1], MIDDLE)
        assert isinstance(verdict, Exhausted) is (len(recent) > most)
