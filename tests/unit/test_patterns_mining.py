"""What is found in histories with planted patterns, and in noise; and each sort's own rules."""

from __future__ import annotations

from random import Random

import pytest
from efficient_apriori import itemsets_from_transactions

from benchmarks.planted import DAYS, SINCE, History, Truth, noise, plant_weekly, planted
from engine.core.analytics.patterns.following import following
from engine.core.analytics.patterns.mining import candidates, lacking, mine
from engine.core.analytics.patterns.past import DAY_S, Occurrence, past_of
from engine.core.analytics.patterns.recurring import recurring
from engine.core.analytics.patterns.restless import restless
from engine.core.analytics.patterns.rising import rising, trend_p
from engine.core.analytics.patterns.together import CROWD_MAX, WINDOW_S, pairs, together, transactions
from engine.core.analytics.patterns.unheeded import unheeded
from protocol.patterns import Pattern, PatternKind, Source, Times
from protocol.times import SECOND_US

AT_US = int((SINCE + DAYS * DAY_S) * SECOND_US)
HOUR_S = 3_600.0


def a_history(seed: int = 1, days: int = DAYS) -> History:
    return History(Random(seed), days)


def told(history: History) -> list[Truth]:
    found = mine(history.past(), [], int(history.until * SECOND_US)).patterns
    return [(each.kind, frozenset(source.name for source in each.sources)) for each in found]


def test_in_pure_noise_next_to_nothing_is_found() -> None:
    histories = [noise(seed) for seed in range(5)]
    alerts = sum(len(history.alerts) for history in histories)
    assert alerts > 30_000
    assert sum(len(told(history)) for history in histories) <= alerts / 1_000 / 10


def test_what_was_planted_is_found_and_nothing_else() -> None:
    right = wrong = missed = 0
    for seed in range(5):
        history = planted(seed)
        found = told(history)
        right += len(history.truth.intersection(found))
        wrong += len(found) - len(history.truth.intersection(found))
        missed += len(history.truth.difference(found))
    assert right / (right + wrong) >= 0.9
    assert right / (right + missed) >= 0.9


@pytest.mark.parametrize("kind", PatternKind)
def test_each_sort_is_found_in_noise(kind: PatternKind) -> None:
    for seed in range(3):
        history = noise(seed, sources=10)
        history.plant(kind, *("one", "two")[: 1 + (kind in (PatternKind.CO_OCCURRENCE, PatternKind.SEQUENCE))])
        assert set(told(history)) == history.truth


def test_the_same_history_in_another_order_is_the_same_patterns() -> None:
    history = planted(3, each=1, sources=5)
    mined = mine(history.past(), [], AT_US)
    history.random.shuffle(history.alerts)
    assert mine(history.past(), [], AT_US) == mined


def test_pairs_are_those_that_an_independent_miner_finds() -> None:
    for seed in range(3):
        history = noise(seed, sources=15)
        history.plant(PatternKind.CO_OCCURRENCE, "one", "two")
        history.plant(PatternKind.SEQUENCE, "three", "four")
        found = transactions(history.past())
        baskets = [tuple(source.name for source in sources) for sources in found.values()]
        itemsets, count = itemsets_from_transactions(baskets, min_support=5 / len(baskets), max_length=2)
        assert count == len(found)
        theirs = {frozenset(names): together for names, together in itemsets[2].items()}
        ours = {frozenset(source.name for source in each.sources): each.both for each in pairs(found)}
        assert ours == theirs
        assert frozenset(("one", "two")) in ours


def test_a_pair_is_counted_while_both_were_around() -> None:
    history = a_history()
    for n in range(40):
        history.ring("old", SINCE + n * DAY_S)
    for n in range(30, 40):
        history.ring("young", SINCE + n * DAY_S)
    (pair,) = pairs(transactions(history.past()))
    assert (pair.both, sorted((pair.first, pair.second)), pair.total) == (10, [10, 10], 9 * DAY_S / WINDOW_S + 1)


def test_in_a_storm_of_everything_no_pairs_are_seen() -> None:
    history = a_history()
    for day in range(10):
        for n in range(CROWD_MAX + 1):
            history.ring(f"rule-{n}", SINCE + day * DAY_S)
    assert transactions(history.past()) == {}
    assert together(history.past()) == []


def test_what_comes_back_around_midnight_is_one_pattern_with_its_times() -> None:
    history = a_history()
    for day in range(1, DAYS - 1):
        history.ring("backup", SINCE + day * DAY_S + (-300 if day % 2 else 290))
    (found,) = recurring(history.past())
    assert found.times == Times(1435, 5)
    assert (found.held, found.occasions) == (54, 56)


def test_what_comes_back_twice_a_day_is_two_patterns() -> None:
    history = a_history()
    for day in range(DAYS):
        for hour in (3, 15):
            history.ring("sync", SINCE + day * DAY_S + hour * HOUR_S + history.random.uniform(0, 120))
    assert [each.times for each in recurring(history.past())] == [Times(180, 185), Times(900, 905)]


def test_what_comes_on_a_weekday_at_any_time_is_told_without_a_time() -> None:
    history = a_history(3)
    for week in range(8):
        history.ring("audit", SINCE + (week * 7 + 4 + history.random.random()) * DAY_S)
    (found,) = recurring(history.past())
    assert found.times == Times(0, 1440, 4)
    assert (found.held, found.occasions) == (8, 8)


def test_what_is_on_at_all_hours_does_not_come_back_at_one() -> None:
    history = a_history()
    history.noise("always", 200.0)
    assert recurring(history.past()) == []


def test_what_is_usual_in_office_hours_is_no_news_unless_it_is_far_above_the_rest() -> None:
    history = a_history()
    for day in range(DAYS):
        for _ in range(12):
            history.ring("office", SINCE + day * DAY_S + history.random.uniform(7, 19) * HOUR_S)
    assert recurring(history.past()) == []


def test_what_comes_often_and_on_a_weekday_a_little_more_often_is_no_news() -> None:
    history = a_history()
    for week in range(8):
        for weekday in (week % 2, 2, 4 + week % 3):
            history.ring("usual", SINCE + (week * 7 + weekday + history.random.random()) * DAY_S)
    assert recurring(history.past()) == []


def test_of_several_that_follow_the_first_counts() -> None:
    history = a_history()
    for at in history.moments(1.0):
        history.ring("one", at)
        for n in range(1, 3):
            history.ring("two", at + n * 600, host=f"h{n}")
        history.ring("one", at + 1_700)
    (found,) = following(history.past())
    assert (found.within_s, found.typical_s) == (600, 600)


def test_what_follows_at_once_has_no_order() -> None:
    history = a_history()
    for at in history.moments(1.0):
        history.ring("one", at)
        history.ring("two", at + 2.0)
    assert following(history.past()) == []
    assert len(together(history.past())) == 1


def test_what_is_too_young_or_too_rare_is_not_tested_for_a_trend() -> None:
    history = a_history()
    for n in range(30):
        history.ring("young", history.until - n * HOUR_S / 2)
    for n in range(10):
        history.ring("rare", SINCE + n * DAY_S)
    assert rising(history.past()) == []


def test_a_trend_is_told_from_none() -> None:
    assert trend_p([1] * 20) == 1.0
    assert trend_p(list(range(20, 0, -1))) == 1.0
    assert trend_p(list(range(14))) < 1e-5


def test_what_ends_late_or_is_back_late_does_not_flap() -> None:
    history = a_history()
    for n in range(40):
        history.ring("slow", SINCE + n * DAY_S, lasts_s=HOUR_S)
        history.ring("slow", SINCE + n * DAY_S + 1.2 * HOUR_S, lasts_s=60)
    assert restless(history.past()) == []


def test_who_is_noisy_is_not_known_where_nobody_ever_cares() -> None:
    history = a_history()
    for n in range(5):
        for k in range(100 if n == 0 else 5):
            history.ring(f"rule-{n}", SINCE + k * HOUR_S, lasts_s=60, heeded=0.0)
    assert unheeded(history.past()) == []
    (note,) = (each for each in lacking(history.past()) if each.kind is PatternKind.NOISY)
    assert note.needs == "10 alerts that somebody acknowledged or resolved"
    assert note.has == "0"


def test_what_is_loud_and_open_all_the_time_is_not_unheeded() -> None:
    history = a_history()
    for n in range(4):
        for k in range(10):
            history.ring(f"rule-{n}", SINCE + k * DAY_S, heeded=1.0)
    for k in range(300):
        history.alerts.append(Occurrence(f"open-{k}", Source("web", "loud", "loud"), "i", SINCE + k * HOUR_S))
    assert [each.sources[0].name for each in candidates(history.past()) if each.kind is PatternKind.NOISY] == []


def test_too_little_is_said_and_not_guessed() -> None:
    empty = {(each.kind, each.needs, each.has) for each in lacking(a_history().past())}
    assert empty == {
        (PatternKind.RECURRING, "7 days of alerts", "0.0 days"),
        (PatternKind.RECURRING, "28 days of alerts, to see days of the week", "0.0 days"),
        (PatternKind.ESCALATING, "14 days of alerts", "0.0 days"),
        (PatternKind.CO_OCCURRENCE, "2 rules or names that rang on 5 occasions", "0"),
        (PatternKind.SEQUENCE, "2 rules or names that rang on 5 occasions", "0"),
        (PatternKind.FLAPPING, "11 alerts of a rule", "0 of the most frequent"),
        (PatternKind.NOISY, "4 rules or names to compare", "0"),
    }
    assert lacking(planted(1, each=1).past()) == []


def test_a_few_days_are_mined_for_what_they_can_show() -> None:
    history = a_history(days=10)
    for day in range(10):
        history.ring("backup", SINCE + day * DAY_S + 3 * HOUR_S)
    mined = mine(history.past(), [], AT_US)
    assert [each.kind for each in mined.patterns] == [PatternKind.RECURRING]
    needs = {each.needs for each in mined.lacking if each.kind is PatternKind.RECURRING}
    assert needs == {"28 days of alerts, to see days of the week"}


def test_alerts_outside_of_the_past_do_not_count() -> None:
    past = past_of([Occurrence("a", Source("web", None, "n"), "i", SINCE - 1)], SINCE, SINCE + DAY_S)
    assert past.alerts == {}
    assert past.days == 0


def the_weekly() -> tuple[History, Pattern]:
    history = a_history(5)
    plant_weekly(history, "weekly")
    (pattern,) = mine(history.past(), [], AT_US).patterns
    return history, pattern


def test_a_pattern_says_what_proves_it() -> None:
    history, pattern = the_weekly()
    ids = {each.id: each for each in history.alerts}
    assert 0 < len(pattern.evidence) <= 10
    assert all(each in ids for each in pattern.evidence)
    assert [ids[each].at for each in pattern.evidence] == sorted(ids[each].at for each in pattern.evidence)[::-1]
    assert (pattern.support, pattern.occasions, pattern.framework) == (8, 8, "web")
    assert pattern.confidence == 0.747
