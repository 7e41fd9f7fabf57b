"""What a rule sees now: each state of a series, the alert that is open about it, and pages of many."""

from __future__ import annotations

from typing import Any

from engine.core.showing import LOOKED_MAX
from protocol.commands import Observe
from protocol.items import ItemResult
from protocol.rule_series import ListSeries, SeriesListed, SeriesSeen, SeriesState
from protocol.rules import MilestoneRule, NoData, Objective, PerformanceRule, SuppressBy
from protocol.times import parse_rfc3339
from tests.support.acts import resolving
from tests.support.watched import SECOND, Watched, a_rule


def listed(channel: Watched, rule: str = "hot", **asked: Any) -> SeriesListed:
    """A page; nothing is stored or told for it."""
    (page,) = channel.send(ListSeries(rule=rule, **asked))
    assert isinstance(page, SeriesListed)
    return page


def seen(channel: Watched, rule: str = "hot") -> SeriesSeen:
    (series,) = listed(channel, rule).items
    return series


def after_s(channel: Watched, text: str | None) -> float | None:
    """So many seconds from now."""
    return None if text is None else (parse_rfc3339(text) - channel.now) / SECOND


def test_a_series_is_idle_pending_firing_and_keeping_in_turn() -> None:
    channel = Watched(a_rule(for_s=60.0, keep_firing_for_s=30.0))
    channel.read(40.0, host="h1")
    idle = seen(channel)
    assert (idle.framework_id, idle.labels, idle.state) == ("f", {"host": "h1"}, SeriesState.IDLE)
    assert (idle.value, idle.limit, idle.since, idle.until) == (40.0, 50.0, None, None)

    channel.read(60.0, after=10, host="h1")
    channel.now += 20 * SECOND
    pending = seen(channel)
    assert (pending.state, pending.alert_id) == (SeriesState.PENDING, None)
    assert [after_s(channel, each) for each in (pending.since, pending.last_at, pending.until)] == [-20, -20, 40]

    channel.now += 40 * SECOND
    firing = seen(channel)
    assert (firing.state, firing.until) == (SeriesState.FIRING, None)
    assert (firing.since, firing.alert_id) == (pending.since, channel.events[-1].alert.id)

    channel.read(40.0, after=10, host="h1")
    keeping = seen(channel)
    assert (keeping.state, keeping.alert_id) == (SeriesState.KEEPING, firing.alert_id)
    assert [after_s(channel, each) for each in (keeping.since, keeping.until)] == [0, 30]

    channel.read(60.0, after=10, host="h1")
    again = seen(channel)
    assert (again.state, after_s(channel, again.since)) == (SeriesState.FIRING, 0)

    channel.read(40.0, after=10, host="h1")
    channel.now += 30 * SECOND
    assert (seen(channel).state, seen(channel).alert_id) == (SeriesState.IDLE, None)


def test_readings_that_come_late_are_told_in_their_own_time_and_the_end_in_ours() -> None:
    channel = Watched(a_rule(for_s=60.0))
    channel.read(60.0, ago=300)
    late = seen(channel)
    assert [after_s(channel, each) for each in (late.since, late.last_at, late.until)] == [-300, -300, 60]


def test_a_series_that_fell_silent_says_since_when_and_which_alert_tells() -> None:
    channel = Watched(a_rule(no_data=NoData.ALERT, no_data_s=60.0))
    channel.read(60.0)
    channel.now += 60 * SECOND
    silent = seen(channel)
    assert (silent.state, after_s(channel, silent.since)) == (SeriesState.NO_DATA, -60)
    fired, missed = (event.alert.id for event in channel.events)
    assert (silent.alert_id, silent.no_data_alert_id) == (fired, missed)

    channel.read(40.0)
    assert (seen(channel).state, seen(channel).no_data_alert_id) == (SeriesState.IDLE, None)


def test_an_alert_that_somebody_closed_is_shown_no_more() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    channel.send(resolving(seen(channel).alert_id))
    assert (seen(channel).state, seen(channel).alert_id) == (SeriesState.FIRING, None)


def test_one_alert_for_all_is_shown_for_those_that_fire() -> None:
    channel = Watched(a_rule(suppress_by=SuppressBy.RULE))
    for host, value in (("h1", 60.0), ("h2", 40.0), ("h3", 60.0)):
        channel.read(value, host=host)
    alert = channel.events[0].alert.id
    assert [series.alert_id for series in listed(channel).items] == [alert, None, alert]


def test_a_milestone_says_what_was_reached_and_which_alert_is_open() -> None:
    channel = Watched(MilestoneRule(id="goal", framework="f", metric="temp", goals=(10.0, 20.0), progress=(25.0,)))
    channel.read(9.0)
    assert (seen(channel, "goal").reached, seen(channel, "goal").limit) == (("25 %",), 10.0)
    channel.read(25.0)
    marks = [event.alert for event in channel.events]
    assert [alert.labels["goal"] for alert in marks] == ["25 %", "10", "20"]
    goal = seen(channel, "goal")
    assert (goal.reached, goal.state, goal.alert_id) == (("25 %", "10", "20"), SeriesState.IDLE, marks[-1].id)
    channel.send(resolving(marks[-1].id))
    assert seen(channel, "goal").alert_id == marks[-2].id
    channel.send(resolving(marks[0].id), resolving(marks[1].id))
    assert seen(channel, "goal").alert_id is None


def test_a_series_of_two_metrics_is_shown_once() -> None:
    rule = PerformanceRule(
        id="bad", framework="f", metric="errors", total_metric="temp", objective=Objective.ERROR_RATE, threshold=0.1
    )
    channel = Watched(rule)
    for host in ("h1", "h2"):
        channel.read(10.0, host=host)
        channel.read(5.0, metric="errors", host=host)
    assert [(series.labels, series.value) for series in listed(channel, "bad").items] == [
        ({"host": "h1"}, 0.5),
        ({"host": "h2"}, 0.5),
    ]


def test_a_rule_that_nothing_was_read_for_has_no_series() -> None:
    channel = Watched(a_rule(match={"host": "h1"}))
    assert listed(channel) == SeriesListed()
    channel.read(60.0, host="h2")
    assert (listed(channel).items, listed(channel, "nobody").items) == ((), ())


def test_pages_come_in_the_order_in_which_series_came_up_and_end() -> None:
    channel = Watched(a_rule())
    hosts = [f"h{number}" for number in range(5)]
    for host in reversed(hosts):
        channel.read(60.0, host=host)
    channel.read(60.0, metric="other")
    found, after = list[str](), 0
    while True:
        page = listed(channel, limit=2, after=after)
        found += [series.labels["host"] for series in page.items]
        if page.next_after is None:
            break
        after = page.next_after
    assert found == list(reversed(hosts))


def test_a_page_of_states_looks_at_so_many_series_and_no_more() -> None:
    channel = Watched(a_rule(), reading_series_max=LOOKED_MAX + 1)
    for start in range(0, LOOKED_MAX + 1, 100):
        channel.send(*[fine(channel, number) for number in range(start, min(start + 100, LOOKED_MAX + 1))])
    channel.read(60.0, n=str(LOOKED_MAX))
    wanted = (SeriesState.FIRING, SeriesState.PENDING)
    empty = listed(channel, states=wanted)
    assert (empty.items, empty.next_after) == ((), LOOKED_MAX)
    rest = listed(channel, states=wanted, after=LOOKED_MAX)
    assert ([series.labels for series in rest.items], rest.next_after) == ([{"n": str(LOOKED_MAX)}], None)


def fine(channel: Watched, number: int) -> Observe:
    return Observe(metric="temp", value=1.0, at=channel.now, labels={"n": str(number)})


def test_a_decision_answers_one_page_and_leaves_what_comes_after_it_to_the_next() -> None:
    channel = Watched(a_rule())
    reading = fine(channel, 1)
    first = channel.send(reading, ListSeries(rule="hot"), ListSeries(rule="hot"))
    assert [type(each) for each in first] == [ItemResult]
    second = channel.send(ListSeries(rule="hot"), reading, ListSeries(rule="hot"))
    assert [type(each) for each in second] == [SeriesListed, ItemResult]


def test_the_states_of_series_survive_a_restart() -> None:
    channel = Watched(a_rule(for_s=60.0))
    for host, value in (("h2", 60.0), ("h1", 40.0)):
        channel.read(value, host=host)
    before = listed(channel)
    channel.build()
    assert listed(channel) == before
