"""When a failed attempt is made again."""

from __future__ import annotations

import pytest

from engine.core.retry import MAX_S, after_failure, backoff_us
from protocol.jobs import Verdict
from protocol.times import SECOND_US

NOW = 1_000 * SECOND_US


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 16)])
def test_each_wait_is_twice_the_one_before_a_fifth_more_or_less(attempt: int, seconds: int) -> None:
    waits = [backoff_us(number, attempt) / SECOND_US for number in range(1_000)]
    assert seconds * 0.8 <= min(waits) < seconds * 0.81
    assert seconds * 1.19 < max(waits) <= seconds * 1.2


def test_the_same_job_always_waits_equally_long() -> None:
    assert backoff_us(7, 2) == backoff_us(7, 2)


def test_no_wait_is_longer_than_the_bound_however_many_attempts_there_were() -> None:
    assert backoff_us(1, 10_000) <= MAX_S * 1.2 * SECOND_US


def test_another_attempt_is_made_if_there_is_one_left() -> None:
    then = after_failure(7, 2, 3, NOW)
    assert (then.verdict, then.run_at) == (Verdict.RETRY, NOW + backoff_us(7, 2))


def test_without_an_attempt_left_the_job_has_failed() -> None:
    assert after_failure(7, 3, 3, NOW).verdict is Verdict.FAILED
