"""Patterns from run to run: the same one has the same key, and what people said of one counts."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from benchmarks.planted import DAYS, SINCE, History, planted
from engine.core.analytics.patterns.bars import BAR, FAR, FAR_MAX, LEAST, MOST, NEAR, Opinion, bar_of
from engine.core.analytics.patterns.mining import mine
from engine.core.analytics.patterns.naming import key_of, known_as, sentence
from engine.core.analytics.patterns.past import DAY_S, Candidate
from protocol.patterns import Pattern, PatternKind, PatternState, Said, Source, Times
from protocol.times import SECOND_US, rfc3339

AT_US = int((SINCE + DAYS * DAY_S) * SECOND_US)
A, B, C = (Source("web", name, name) for name in "abc")
RECURRING, SEQUENCE, TOGETHER = PatternKind.RECURRING, PatternKind.SEQUENCE, PatternKind.CO_OCCURRENCE


def a_candidate(kind: PatternKind = TOGETHER, *sources: Source, **more: Any) -> Candidate:
    return Candidate(kind, sources or (A, B), 9, 10, 5.0, 0.6, (), **more)


def a_pattern(kind: PatternKind = TOGETHER, *sources: Source, times: Times | None = None) -> Pattern:
    return Pattern(
        id="p",
        kind=kind,
        framework="web",
        sources=sources or (A, B),
        summary="s",
        confidence=0.5,
        support=1,
        occasions=1,
        lift=1.0,
        evidence=(),
        first_at="f",
        last_at="l",
        found_at="t",
        since="s",
        times=times,
    )


def test_a_second_run_finds_the_same_patterns_and_none_is_new() -> None:
    history = planted(4, each=1, sources=5)
    first = mine(history.past(), [], AT_US)
    assert first.new == first.patterns
    known = [replace(each, version=3) for each in first.patterns]
    second = mine(history.past(), known, AT_US + SECOND_US)
    assert second.new == []
    later = rfc3339(AT_US + SECOND_US)
    assert second.patterns == [replace(each, found_at=later) for each in known]


def test_what_is_dismissed_stays_so_and_is_brought_up_to_date() -> None:
    history = planted(4, each=1, sources=5)
    said = Said("ann", "2026-03-01T00:00:00Z", notes="we know")
    first = mine(history.past(), [], AT_US).patterns
    known = [replace(each, state=PatternState.DISMISSED, said=said, support=0) for each in first]
    second = mine(history.past(), known, AT_US)
    assert second.new == []
    assert [(each.state, each.said, each.support) for each in second.patterns] == [
        (PatternState.DISMISSED, said, each.support) for each in first
    ]


def test_a_dismissed_pattern_keeps_others_of_its_kind_and_rule_quiet_that_are_less_sure() -> None:
    history = History(Random(1), DAYS)
    for day in range(DAYS):
        if day % 10 < 7:
            history.ring("backup", SINCE + day * DAY_S + 3 * 3_600)
    (pattern,) = mine(history.past(), [], AT_US).new
    assert 0.5 < pattern.confidence < 0.65
    other = replace(pattern, id="other", times=Times(900, 960), state=PatternState.DISMISSED)
    assert mine(history.past(), [other], AT_US).patterns == []
    elsewhere = replace(other, sources=(C,))
    assert len(mine(history.past(), [elsewhere], AT_US).new) == 1


def test_a_new_pattern_does_not_take_the_key_of_one_that_has_wandered() -> None:
    history = History(Random(1), DAYS)
    for day in range(DAYS):
        history.ring("backup", SINCE + day * DAY_S + 3 * 3_600)
    (pattern,) = mine(history.past(), [], AT_US).new
    wandered = replace(pattern, times=Times(900, 960), version=4)
    (other,) = mine(history.past(), [wandered], AT_US).new
    assert (other.id != pattern.id, other.times) == (True, pattern.times)
    assert mine(history.past(), [wandered, other], AT_US).new == []


@pytest.mark.parametrize(
    ("opinions", "bar"),
    [
        ([], BAR),
        ([Opinion(TOGETHER, (A, C), PatternState.DISMISSED)], BAR + NEAR),
        ([Opinion(TOGETHER, (A, C), PatternState.CONFIRMED)], BAR - NEAR),
        ([Opinion(TOGETHER, (C,), PatternState.DISMISSED)], BAR + FAR),
        ([Opinion(TOGETHER, (C,), PatternState.DISMISSED)] * 50, BAR + FAR_MAX),
        ([Opinion(TOGETHER, (C,), PatternState.CONFIRMED)] * 50, BAR - FAR_MAX),
        ([Opinion(SEQUENCE, (A, B), PatternState.DISMISSED)], BAR),
        ([Opinion(TOGETHER, (A,), PatternState.DISMISSED)] * 9, MOST),
        ([Opinion(TOGETHER, (A,), PatternState.CONFIRMED)] * 9, LEAST),
        ([Opinion(TOGETHER, (replace(A, name="of old"),), PatternState.DISMISSED)], BAR + NEAR),
        ([Opinion(TOGETHER, (A,), PatternState.NEW)], BAR),
    ],
)
def test_what_people_say_moves_the_bar(opinions: list[Opinion], bar: float) -> None:
    assert bar_of(TOGETHER, (A, B), opinions) == pytest.approx(bar)


@pytest.mark.parametrize(
    ("found", "known", "is_same"),
    [
        (a_candidate(TOGETHER, A, B), a_pattern(TOGETHER, B, A), True),
        (a_candidate(TOGETHER, A, B), a_pattern(TOGETHER, A, C), False),
        (a_candidate(SEQUENCE, A, B), a_pattern(SEQUENCE, A, B), True),
        (a_candidate(SEQUENCE, A, B), a_pattern(SEQUENCE, B, A), False),
        (a_candidate(SEQUENCE, A, B), a_pattern(TOGETHER, A, B), False),
        (a_candidate(RECURRING, A, times=Times(1430, 5)), a_pattern(RECURRING, A, times=Times(0, 30)), True),
        (a_candidate(RECURRING, A, times=Times(180, 190)), a_pattern(RECURRING, A, times=Times(200, 210)), False),
        (a_candidate(RECURRING, A, times=Times(0, 1440, 3)), a_pattern(RECURRING, A, times=Times(60, 90, 3)), True),
        (a_candidate(RECURRING, A, times=Times(0, 1440, 3)), a_pattern(RECURRING, A, times=Times(0, 1440, 4)), False),
        (a_candidate(RECURRING, A, times=Times(60, 90)), a_pattern(RECURRING, A, times=Times(60, 90, 4)), False),
    ],
)
def test_a_pattern_is_known_again(found: Candidate, known: Pattern, is_same: bool) -> None:
    assert (known_as(found, [known]) is known) is is_same


def test_keys_differ_by_what_a_pattern_is_about() -> None:
    whats = [
        a_candidate(),
        a_candidate(SEQUENCE),
        a_candidate(SEQUENCE, B, A),
        a_candidate(RECURRING, A, times=Times(0, 1440, 3)),
        a_candidate(RECURRING, A, times=Times(0, 1440, 4)),
        a_candidate(RECURRING, A, times=Times(0, 30)),
    ]
    assert len({key_of(each) for each in whats}) == len(whats)
    assert key_of(a_candidate(RECURRING, A, times=Times(0, 30, 3))) == key_of(whats[3])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (a_candidate(RECURRING, A, times=Times(1435, 5)), "a (web) comes back every day at 23:55-00:05 UTC: on 9 of"),
        (a_candidate(RECURRING, A, times=Times(0, 1440, 6)), "a (web) comes back every Sunday: on 9 of 10 Sundays."),
        (a_candidate(RECURRING, A, times=Times(60, 90, 0)), "a (web) comes back every Monday at 01:00-01:30 UTC: on"),
        (a_candidate(), "a (web) and b (web) come together: 9 of 10 times that the rarer one came."),
        (a_candidate(SEQUENCE, within_s=300), "b (web) follows a (web) within 5 minutes: 9 of 10 times."),
        (a_candidate(PatternKind.ESCALATING, A), "a (web) comes more and more often: 5.0 times as often as at first."),
        (a_candidate(PatternKind.FLAPPING, A), "a (web) flaps: 9 of 10 times it was back soon after it had ended by"),
        (a_candidate(PatternKind.NOISY, Source("w", "r", "")), "r (w) is noise: it comes 5.0 times as often as others"),
    ],
)
def test_a_pattern_is_said_in_a_sentence(found: Candidate, said: str) -> None:
    assert sentence(found).startswith(said)
