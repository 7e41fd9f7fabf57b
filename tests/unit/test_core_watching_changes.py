"""Readings against rules, in the machine: bounds, rules that change or go, and clocks that are set back."""

from __future__ import annotations

import pytest

from engine.core.seriesroom import FORGET_US
from engine.core.turn import ROWS_MAX
from protocol.commands import Observe, Ring
from protocol.limits import Limit
from protocol.model import EventKind, Severity
from protocol.rules import Aggregate, MilestoneRule, NoData, Rule
from tests.support.acts import resolving
from tests.support.watched import BELOW, PENDING, RESOLVED, SECOND, Watched, a_rule
from tests.unit.test_core_channel import BUSY, FIRED, outcome


def test_the_loudest_of_several_rules_is_the_answer() -> None:
    channel = Watched(a_rule(id="slow", for_s=60.0), a_rule(id="high", threshold=70.0))
    assert channel.read(60.0) == PENDING
    assert channel.read(80.0, after=1.0) == FIRED
    assert channel.read(60.0, after=1.0) == RESOLVED


def test_readings_beyond_the_events_of_a_commit_wait_and_are_not_heard_before() -> None:
    channel = Watched(a_rule(for_s=5.0), events_max=1)
    results = channel.send(Ring(title="a"), Observe(metric="temp", value=60.0, at=channel.now))
    assert [outcome(result) for result in results] == [FIRED]
    assert channel.wait(10.0) == []


def test_a_rule_has_so_many_series_and_names_the_limit() -> None:
    channel = Watched(a_rule(), rule_series_max=1)
    channel.read(40.0, host="h1")
    (refused,) = channel.send(Observe(metric="temp", value=60.0, at=channel.now, labels={"host": "h2"}))
    assert outcome(refused) == BUSY
    assert channel.decision.refusals == (Limit.RULE_SERIES,)
    assert str(refused.message).startswith("rule_series: 1 series of rule 'hot', limit 1;")
    assert channel.read(60.0, after=1.0, host="h1") == FIRED


def test_a_channel_has_so_many_rule_states_and_names_the_limit() -> None:
    channel = Watched(a_rule(), a_rule(id="other"), rule_states_max=1)
    (answer,) = channel.send(Observe(metric="temp", value=60.0, at=channel.now))
    assert outcome(answer) == FIRED, "of the rule that has room"
    assert channel.decision.refusals == (Limit.RULE_STATES,)


def test_series_that_are_quiet_make_room_for_new_ones() -> None:
    channel = Watched(a_rule(), rule_series_max=2)
    channel.read(40.0, host="h1")
    channel.read(60.0, host="h2")
    assert channel.read(40.0, after=FORGET_US / SECOND, host="h3") == BELOW
    assert channel.read(40.0, host="h4") == BUSY, "one that fires is not forgotten"
    assert channel.read(40.0, after=1.0, host="h2") == RESOLVED


def test_a_milestone_is_never_forgotten() -> None:
    rule = MilestoneRule(id="big", framework="f", metric="users", goals=(10.0,))
    channel = Watched(rule, rule_series_max=1)
    channel.read(10.0, metric="users", country="a")
    assert channel.read(10.0, after=2 * FORGET_US / SECOND, metric="users", country="b") == BUSY


@pytest.mark.parametrize("rules", [(), (a_rule(enabled=False),)])
def test_a_rule_that_is_deleted_or_disabled_closes_its_alerts(rules: tuple[Rule, ...]) -> None:
    channel = Watched(a_rule(), a_rule(id="stays", metric="load"))
    channel.read(60.0)
    channel.read(60.0, metric="load")
    channel.obey(*rules, a_rule(id="stays", metric="load"))
    channel.send()
    assert [(event.kind, event.alert.rule_id, event.by) for event in channel.events[2:]] == [
        (EventKind.RESOLVED, "hot", "rule")
    ]


def test_the_alerts_of_a_rule_that_went_away_meanwhile_are_closed_after_a_restart() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    channel.obey()
    channel.machine = channel.build()
    assert channel.machine.next_due() is not None
    channel.send()
    assert channel.kinds() == [EventKind.FIRED, EventKind.RESOLVED]
    assert channel.wait(1_000.0) == []


def test_alerts_of_rules_that_are_no_more_are_closed_as_there_is_room() -> None:
    channel = Watched(a_rule(), events_max=2)
    for host in ("a", "b", "c"):
        channel.read(60.0, host=host)
    channel.obey()
    channel.send()
    assert channel.kinds()[3:] == [EventKind.RESOLVED] * 2
    assert channel.wait(0) == [EventKind.RESOLVED]


def test_a_rule_whose_evaluation_changes_starts_anew_the_others_go_on() -> None:
    changed, same = a_rule(id="changed", for_s=60.0), a_rule(id="same", for_s=60.0)
    channel = Watched(changed, same)
    channel.read(60.0)
    channel.obey(a_rule(id="changed", for_s=60.0, threshold=55.0), same)
    assert channel.wait(60.0) == [EventKind.FIRED]
    assert channel.last().alert.rule_id == "same"


def test_a_rule_that_only_says_something_else_goes_on() -> None:
    channel = Watched(a_rule(for_s=60.0))
    channel.read(60.0)
    channel.obey(a_rule(for_s=30.0, title="another", severity=Severity.CRITICAL))
    channel.send()
    assert channel.wait(30.0) == [EventKind.FIRED]
    assert (channel.last().alert.title, channel.last().alert.severity) == ("another", Severity.CRITICAL)


def test_a_changed_rule_leaves_its_open_alert_to_the_next_reading() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    channel.obey(a_rule(threshold=70.0))
    assert channel.read(60.0, after=1.0) == RESOLVED
    assert channel.kinds() == [EventKind.FIRED, EventKind.RESOLVED]


def test_an_alert_that_a_person_closed_meanwhile_is_not_closed_again() -> None:
    channel = Watched(a_rule(), events_max=1)
    for host in ("a", "b", "c"):
        channel.read(60.0, host=host)
    channel.obey()
    channel.send()
    (second,) = (event.alert.id for event in channel.events if event.alert.labels == {"host": "b"})
    channel.send(resolving(alert_id=second, by="ann"))
    channel.wait(0)
    closed = [event.alert.labels["host"] for event in channel.events if event.kind is EventKind.RESOLVED]
    assert sorted(closed) == ["a", "b", "c"]


def test_silence_of_very_many_series_is_noticed_a_thousand_at_a_time() -> None:
    channel = Watched(a_rule(no_data=NoData.OK, no_data_s=30.0))
    hosts = [f"h{number}" for number in range(ROWS_MAX + 1)]
    for some in (hosts[:500], hosts[500:1000], hosts[1000:]):
        channel.send(*(Observe(metric="temp", value=1.0, at=channel.now, labels={"host": host}) for host in some))
    channel.now += 31 * SECOND
    channel.send()
    assert (channel.machine.next_due() or 0) <= channel.now
    channel.send()
    channel.send()
    due = channel.machine.next_due()
    assert due is None or due > channel.now


@pytest.mark.parametrize("window_s", [0.0, 30.0])
def test_a_clock_that_was_set_back_makes_no_reading_late(window_s: float) -> None:
    aggregate = Aggregate.AVG if window_s else Aggregate.LAST
    channel = Watched(a_rule(for_s=20.0, aggregate=aggregate, window_s=window_s))
    assert channel.read(60.0) == PENDING
    channel.now -= 3_600 * SECOND
    assert channel.read(60.0) == PENDING
    assert channel.read(60.0, after=20.0) == FIRED
    assert channel.read(10.0, after=100.0) == RESOLVED


def test_a_clock_that_was_set_back_forgets_no_milestone() -> None:
    channel = Watched(MilestoneRule(id="big", framework="f", metric="users", goals=(10.0,)))
    assert channel.read(20.0, metric="users") == FIRED
    channel.now -= 3_600 * SECOND
    assert channel.read(20.0, metric="users") == BELOW
