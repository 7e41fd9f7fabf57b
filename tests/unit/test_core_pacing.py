"""The circuit and the line before a target: who may go, who waits how long, and that nobody is overtaken."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from engine.core import pacing
from engine.core.breaker import FAILURES_MAX, PROBE_US, WAIT_MAX_US, Breaker
from engine.core.pacing import LOST_US, Pacer
from protocol.times import SECOND_US

SECOND = SECOND_US


def broken() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(0)
    return breaker


def test_a_circuit_stays_closed_until_the_last_failure_that_is_allowed() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(0)
        assert (breaker.is_open, breaker.wait_us(0)) == (False, 0)
    breaker.failed(0)
    assert (breaker.is_open, breaker.wait_us(0)) == (True, PROBE_US)


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    assert (breaker.failures, breaker.is_open) == (1, False)


def test_one_probe_goes_out_and_the_others_wait_for_what_comes_of_it() -> None:
    breaker = broken()
    assert [breaker.wait_us(PROBE_US) for _ in range(2)] == [0, PROBE_US]
    breaker.failed(PROBE_US + SECOND)
    assert breaker.wait_us(PROBE_US + SECOND) == PROBE_US
    assert breaker.wait_us(2 * PROBE_US + SECOND) == 0
    breaker.succeeded()
    assert breaker.wait_us(2 * PROBE_US + SECOND) == 0


def test_a_probe_whose_answer_never_came_is_followed_by_another() -> None:
    breaker = broken()
    assert breaker.wait_us(PROBE_US) == 0
    assert breaker.wait_us(2 * PROBE_US) == 0


def test_the_longer_a_circuit_is_open_the_less_often_those_ask_who_are_not_the_next_probe() -> None:
    breaker = broken()
    assert [breaker.wait_us(SECOND) for _ in range(3)] == [PROBE_US - SECOND, PROBE_US, PROBE_US]
    assert [breaker.wait_us(400 * SECOND) for _ in range(3)] == [0, PROBE_US, 100 * SECOND]
    assert [breaker.wait_us(86_400 * SECOND) for _ in range(3)] == [0, PROBE_US, WAIT_MAX_US]
    breaker.succeeded()
    for _ in range(FAILURES_MAX):
        breaker.failed(90_000 * SECOND)
    assert [breaker.wait_us(90_000 * SECOND) for _ in range(2)] == [PROBE_US, PROBE_US], "it was closed in between"


def test_a_thousand_who_wait_for_a_dead_target_ask_a_few_times_an_hour_and_it_is_probed_each_half_minute() -> None:
    """Each question is a job that is claimed."""
    breaker = broken()
    coming = [(number, number) for number in range(1_000)]
    asked = probes = 0
    while coming[0][0] < 3_600 * SECOND:
        now, who = heapq.heappop(coming)
        asked += 1
        if not (wait_us := breaker.wait_us(now)):
            probes += 1
            breaker.failed(now)
            # As a job that has failed once more.
            wait_us = 8 * SECOND
        heapq.heappush(coming, (now + wait_us, who))
    assert 115 <= probes <= 120
    # Each 30 s these would be 120,000.
    assert asked < 25 * 1_000


def test_a_few_go_at_once_and_then_one_at_a_time() -> None:
    pacer = Pacer(per_s=2, burst=3)
    assert [pacer.wait_us(f"k{number}", 0) for number in range(6)] == [0, 0, 0, *(SECOND // 2 * n for n in (1, 2, 3))]
    assert pacer.waiting == 3


def test_who_waits_keeps_his_turn_and_is_not_overtaken() -> None:
    pacer = Pacer(per_s=1, burst=1)
    assert [pacer.wait_us(key, 0) for key in "abc"] == [0, SECOND, 2 * SECOND]
    assert pacer.wait_us("b", SECOND // 2) == SECOND // 2
    assert pacer.wait_us("d", SECOND) == 2 * SECOND
    assert [pacer.wait_us(key, SECOND) for key in "bc"] == [0, SECOND]
    assert pacer.waiting == 2


def test_an_idle_target_has_its_whole_allowance_again() -> None:
    pacer = Pacer(per_s=1, burst=2)
    for key in "abc":
        pacer.wait_us(key, 0)
    assert [pacer.wait_us(key, 60 * SECOND) for key in ("c", "x", "y", "z")] == [0, 0, 0, SECOND]


def test_who_never_comes_back_is_forgotten() -> None:
    pacer = Pacer(per_s=1, burst=1)
    for key in "abc":
        pacer.wait_us(key, 0)
    pacer.wait_us("x", LOST_US + SECOND)
    assert pacer.waiting == 1
    pacer.wait_us("y", LOST_US + 2 * SECOND)
    assert pacer.waiting == 0


def test_a_line_that_is_full_sends_away_and_keeps_its_order() -> None:
    pacer = Pacer(per_s=1, burst=1)
    pacer.wait_us("first", 0)
    for number in range(pacing.WAITING_MAX):
        pacer.wait_us(str(number), 0)
    end = (pacing.WAITING_MAX + 1) * SECOND
    assert (pacer.wait_us("late", 0), pacer.waiting) == (end, pacing.WAITING_MAX)
    assert pacer.wait_us("0", SECOND) == 0
    assert (pacer.wait_us("late", SECOND), pacer.waiting) == (end - SECOND, pacing.WAITING_MAX)


def test_what_is_urgent_goes_next_and_whoever_waits_one_turn_later_in_the_same_order() -> None:
    pacer = Pacer(per_s=1, burst=1)
    assert [pacer.wait_us(key, 0) for key in "abcd"] == [0, SECOND, 2 * SECOND, 3 * SECOND]
    half = SECOND // 2
    assert [pacer.wait_us(key, half, is_urgent=True) for key in "xy"] == [half, SECOND + half]
    assert (pacer.wait_us("e", half), pacer.waiting) == (5 * SECOND + half, 6)
    assert [pacer.wait_us(key, SECOND) for key in "bcd"] == [2 * SECOND, 3 * SECOND, 4 * SECOND]
    assert [pacer.wait_us(key, SECOND) for key in "xy"] == [0, SECOND]
    assert [pacer.wait_us(key, (2 + n) * SECOND) for n, key in enumerate("ybcde")] == [0] * 5
    assert pacer.waiting == 0


def test_a_turn_that_was_used_is_not_given_to_what_is_urgent() -> None:
    pacer = Pacer(per_s=1, burst=1)
    assert [pacer.wait_us(key, 0) for key in "abc"] == [0, SECOND, 2 * SECOND]
    assert pacer.wait_us("b", SECOND) == 0
    assert pacer.wait_us("x", SECOND, is_urgent=True) == SECOND
    assert pacer.wait_us("y", 0, is_urgent=True) == 3 * SECOND, "behind what else is urgent"
    assert Pacer(per_s=1, burst=1).wait_us("x", 0, is_urgent=True) == 0


def test_what_is_urgent_goes_at_once_in_the_moment_of_a_turn_that_nobody_has_come_for() -> None:
    pacer = Pacer(per_s=1, burst=1)
    for key in "abc":
        pacer.wait_us(key, 0)
    assert [pacer.wait_us("x", SECOND, is_urgent=True), pacer.wait_us("b", SECOND)] == [0, SECOND]


def test_turns_that_nobody_comes_for_any_more_are_no_burst_of_what_is_urgent() -> None:
    """They may be those of jobs that were cancelled."""
    pacer = Pacer(per_s=1, burst=1)
    for number in range(300):
        pacer.wait_us(f"lost {number}", 0)
    waits = [pacer.wait_us(f"x{number}", 250 * SECOND + 1, is_urgent=True) for number in range(10)]
    assert waits == [SECOND * (number + 1) - 1 for number in range(10)]


def test_what_is_urgent_and_never_comes_back_is_forgotten_and_has_a_line_of_its_own_size() -> None:
    pacer = Pacer(per_s=1, burst=1)
    for number in range(pacing.WAITING_MAX + 2):
        pacer.wait_us(f"x{number}", 0, is_urgent=True)
    assert pacer.waiting == pacing.WAITING_MAX
    assert pacer.wait_us("a", 0) == (pacing.WAITING_MAX + 1) * SECOND
    pacer.wait_us("b", LOST_US + pacing.WAITING_MAX * SECOND)
    assert pacer.waiting == 1


def times_of(pacer: Pacer, arrivals: list[tuple[int, bool]]) -> dict[str, int]:
    """When each goes, by its key, in this order; everybody comes when he was told to."""
    pending = sorted((at, f"{number:03}", is_urgent) for number, (at, is_urgent) in enumerate(arrivals))
    sent: dict[str, int] = {}
    while pending:
        now, key, is_urgent = heapq.heappop(pending)
        if wait := pacer.wait_us(key, now, is_urgent):
            heapq.heappush(pending, (now + wait, key, is_urgent))
        else:
            sent[key] = now
    assert len(sent) == len(arrivals) and pacer.waiting == 0
    return sent


@given(
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_what_is_urgent_changes_who_goes_and_not_when_somebody_goes(
    arrivals: list[tuple[int, bool]], per_s: int, burst: int
) -> None:
    sent = times_of(Pacer(per_s, burst), arrivals)
    plain = times_of(Pacer(per_s, burst), [(at, False) for at, _ in arrivals])
    assert sorted(sent.values()) == sorted(plain.values())
    for is_urgent in (True, False):
        alike = sorted((at, f"{place:03}") for place, (at, urgency) in enumerate(arrivals) if urgency is is_urgent)
        assert [key for _, key in alike] == [key for key in sent if arrivals[int(key)][1] is is_urgent]
    # What is urgent waits for what else is urgent alone: as if nothing else was there but a turn that has just begun.
    urgent = [each for each in arrivals if each[1]]
    alone = sorted(times_of(Pacer(per_s, 1), urgent).values()) if urgent else []
    own = sorted(at for key, at in sent.items() if arrivals[int(key)][1])
    assert all(at <= least + SECOND // per_s for at, least in zip(own, alone, strict=True))


@given(st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 4))
def test_never_more_than_the_rate_allows_and_everybody_gets_his_turn(
    arrivals: list[int], per_s: int, burst: int
) -> None:
    pacer, sent = Pacer(per_s, burst), []
    pending = sorted((at, f"k{number}") for number, at in enumerate(arrivals))
    while pending:
        now, key = pending.pop(0)
        wait = pacer.wait_us(key, now)
        if wait:
            pending = sorted([*pending, (now + wait, key)])
        else:
            sent.append(now)
    assert len(sent) == len(arrivals) and pacer.waiting == 0
    interval = SECOND // per_s
    for place, at in enumerate(sent[burst:]):
        assert at - sent[place] >= interval
