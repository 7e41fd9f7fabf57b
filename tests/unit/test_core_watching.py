"""Readings against rules, in the machine: pending, keeping, silence, milestones."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.rules.series import AHEAD_MAX_US
from engine.core.rules.templates import Template, TemplateInvalid
from protocol.commands import Observe, Ring
from protocol.fields import LABELS_MAX
from protocol.model import AlertState, Comparison, EventKind, Reason, Severity, Status
from protocol.rules import Aggregate, MilestoneRule, NoData, Objective, PerformanceRule, SuppressBy
from tests.support.acts import acknowledging, resolving
from tests.support.watched import BELOW, PENDING, RESOLVED, SECOND, Watched, a_rule
from tests.unit.test_core_channel import BUSY, DUPLICATE, FIRED, START_US, outcome

LATE = (Status.BELOW_THRESHOLD, Reason.LATE)
NO_RULE = (Status.BELOW_THRESHOLD, Reason.NO_RULE)
COOLDOWN = (Status.SUPPRESSED, Reason.COOLDOWN)


def test_what_holds_for_long_enough_is_pending_first_and_then_fires() -> None:
    channel = Watched(a_rule(for_s=60.0))
    assert channel.read(60.0) == PENDING
    assert channel.read(60.0, after=59.9) == PENDING
    assert channel.events == []
    assert channel.read(60.0, after=0.1) == FIRED


def test_what_is_pending_fires_when_its_time_has_passed_without_another_reading() -> None:
    channel = Watched(a_rule(for_s=60.0))
    channel.read(60.0, host="h1")
    assert channel.machine.next_due() == START_US + 60 * SECOND
    assert channel.wait(59.9) == []
    assert channel.wait(0.1) == [EventKind.FIRED]
    assert channel.last().alert.labels == {"host": "h1"}


def test_a_reading_that_comes_late_is_pending_in_its_own_time() -> None:
    channel = Watched(a_rule(for_s=60.0))
    assert channel.read(60.0, ago=30.0) == PENDING
    assert channel.wait(60.0) == [EventKind.FIRED], "its own clock goes on from where it is"


def test_a_reading_that_is_fine_ends_what_was_pending() -> None:
    channel = Watched(a_rule(for_s=60.0))
    channel.read(60.0)
    assert channel.read(40.0, after=30.0) == BELOW
    assert channel.read(60.0, after=10.0) == PENDING
    assert channel.wait(59.0) == []


def test_an_alert_is_kept_firing_for_a_while_and_a_relapse_is_the_same_alert() -> None:
    channel = Watched(a_rule(keep_firing_for_s=30.0))
    assert channel.read(60.0) == FIRED
    assert channel.read(40.0, after=1.0) == BELOW
    assert channel.last().alert.state is AlertState.ACTIVE
    assert channel.read(60.0, after=20.0) == DUPLICATE
    assert channel.read(40.0, after=1.0) == BELOW
    assert channel.wait(30.0) == [EventKind.RESOLVED]
    assert channel.last().by == "rule"


def test_an_alert_that_was_kept_is_resolved_by_a_reading_as_well() -> None:
    channel = Watched(a_rule(keep_firing_for_s=30.0))
    channel.read(60.0)
    channel.read(40.0, after=1.0)
    channel.now += 30 * SECOND
    channel.read(40.0, after=0.0)
    assert channel.kinds() == [EventKind.FIRED, EventKind.RESOLVED]


def test_hysteresis_holds_until_the_value_is_back_at_the_recovery() -> None:
    channel = Watched(a_rule(recovery=40.0))
    assert [channel.read(value, after=1.0) for value in (45.0, 51.0, 45.0, 40.1, 40.0, 45.0)] == [
        BELOW,
        FIRED,
        DUPLICATE,
        DUPLICATE,
        RESOLVED,
        BELOW,
    ]


def test_hysteresis_downwards_is_the_mirror_image() -> None:
    channel = Watched(a_rule(comparison=Comparison.AT_MOST, recovery=60.0))
    assert [channel.read(value, after=1.0) for value in (55.0, 50.0, 59.0, 60.0)] == [
        BELOW,
        FIRED,
        DUPLICATE,
        RESOLVED,
    ]


@pytest.mark.parametrize(
    ("comparison", "wanted"),
    [
        (Comparison.BETWEEN, [BELOW, FIRED, DUPLICATE, RESOLVED]),
        (Comparison.OUTSIDE, [FIRED, RESOLVED, BELOW, COOLDOWN]),
    ],
)
def test_between_takes_in_both_ends_and_outside_is_its_opposite(comparison: Comparison, wanted: Any) -> None:
    channel = Watched(a_rule(comparison=comparison, upper=60.0))
    assert [channel.read(value, after=1.0) for value in (49.0, 50.0, 60.0, 61.0)] == wanted
    assert channel.events[0].alert.title == f"temp {comparison.value} 50 and 60"


def test_an_aggregate_fires_for_its_window_and_shows_what_it_came_to() -> None:
    channel = Watched(a_rule(aggregate=Aggregate.AVG, window_s=60.0))
    assert channel.read(90.0) == FIRED
    assert channel.read(0.0, after=10.0) == RESOLVED
    alert = channel.events[0].alert
    assert (alert.current_value, alert.title) == (90.0, "avg of temp over 60 s > 50")
    assert alert.message == "avg of temp over 60 s is 90; rings when > 50"


def test_a_reading_older_than_the_newest_is_late_and_changes_nothing() -> None:
    channel = Watched(a_rule())
    assert channel.read(40.0) == BELOW
    assert channel.read(60.0, ago=1.0) == LATE
    assert channel.events == []


def test_a_reading_from_the_future_is_refused_or_it_would_make_all_others_late() -> None:
    channel = Watched(a_rule())
    (refused,) = channel.send(Observe(metric="temp", value=60.0, at=channel.now + AHEAD_MAX_US + 1))
    assert outcome(refused) == (Status.REJECTED, Reason.INVALID)
    assert "60 is the limit; set the sender's clock right" in str(refused.message)
    assert channel.read(60.0, ago=-60.0) == FIRED


def test_each_set_of_labels_is_a_series_with_an_alert_of_its_own() -> None:
    channel = Watched(a_rule(for_s=10.0))
    channel.read(60.0, host="h1")
    channel.read(60.0, after=5.0, host="h2")
    assert channel.wait(5.0) == [EventKind.FIRED]
    assert channel.wait(5.0) == [EventKind.FIRED]
    assert [event.alert.labels["host"] for event in channel.events] == ["h1", "h2"]


def test_labels_in_another_order_are_the_same_series() -> None:
    channel = Watched(a_rule(for_s=10.0))
    channel.read(60.0, host="h1", core="0")
    assert channel.read(60.0, after=10.0, core="0", host="h1") == FIRED


def test_a_rule_sees_only_the_labels_that_it_asks_for() -> None:
    one, two = a_rule(id="one", match={"host": "h1", "disk": "a"}), a_rule(id="two", match={"host": "h2"})
    channel = Watched(one, two)
    assert channel.read(60.0, host="h1") == NO_RULE
    assert channel.read(60.0, host="h1", disk="a") == FIRED
    assert channel.last().alert.rule_id == "one"
    assert channel.read(60.0, host="h2", disk="a") == FIRED
    assert channel.last().alert.rule_id == "two"


def test_a_rule_with_one_alert_for_all_its_labels_is_over_with_the_last_of_them() -> None:
    channel = Watched(a_rule(suppress_by=SuppressBy.RULE))
    assert channel.read(60.0, host="h1") == FIRED
    assert channel.read(60.0, after=1.0, host="h2") == DUPLICATE
    assert channel.read(40.0, after=1.0, host="h1") == BELOW
    assert channel.read(40.0, after=1.0, host="h2") == RESOLVED
    ring = Ring(rule_id="hot", current_value=99.0, labels={"host": "h3"})
    assert outcome(channel.send(ring)[0]) == COOLDOWN, "also for who rings by hand"


def test_an_alert_says_what_its_rule_has_to_say() -> None:
    channel = Watched(
        a_rule(
            title="{{ labels.host }} is hot",
            message="{{metric}} of {{ framework }} is {{ value }} (> {{ threshold }}), {{ severity }}{{ labels.x }}",
            annotations={"runbook": "https://wiki/{{ rule }}"},
            labels={"team": "blue"},
            severity=Severity.ERROR,
        )
    )
    channel.read(60.5, host="h1")
    alert = channel.last().alert
    assert (alert.title, alert.message) == ("h1 is hot", "temp of f is 60.5 (> 50), error")
    assert (alert.labels, alert.annotations) == (
        {"host": "h1", "team": "blue"},
        {"runbook": "https://wiki/hot"},
    )
    assert channel.read(60.5, host="h1") == DUPLICATE, "its labels are not part of its identity"


def test_who_rings_by_hand_for_a_rule_gets_its_texts_but_keeps_his_own() -> None:
    channel = Watched(a_rule(title="{{ labels.host }} is hot", message="as the rule says"))
    channel.send(Ring(rule_id="hot", labels={"host": "h1"}), Ring(rule_id="hot", title="mine", message="my own"))
    assert [(event.alert.title, event.alert.message) for event in channel.events] == [
        ("h1 is hot", "as the rule says"),
        ("mine", "my own"),
    ]


def test_a_rule_that_was_let_in_with_a_text_that_is_no_template_says_it_as_it_stands() -> None:
    channel = Watched(a_rule(title="{{ value.real }}"))
    channel.read(60.0)
    assert channel.last().alert.title == "{{ value.real }}"


def test_an_alert_has_no_more_labels_than_it_may_have() -> None:
    channel = Watched(a_rule(labels={"team": "blue"}))
    channel.read(60.0, **{f"l{n}": "x" for n in range(LABELS_MAX)})
    assert len(channel.last().alert.labels) == LABELS_MAX


@pytest.mark.parametrize(
    "text", ["{{ value.real }}", "{{ labels.__class__ }}", "{{ labels. }}", "{{ open", "{{ nothing }}", "{{ 1+1 }}"]
)
def test_a_template_has_words_and_labels_and_nothing_else(text: str) -> None:
    with pytest.raises(TemplateInvalid):
        Template(text)


def test_a_text_is_cut_at_its_bound() -> None:
    assert Template("{{ value }}{{ labels.k8s.pod }}").render({"value": "12345"}, {"k8s.pod": "web"}, 6) == "12345w"


def test_silence_is_an_alert_of_its_own_that_ends_with_the_next_reading() -> None:
    channel = Watched(a_rule(no_data=NoData.ALERT, no_data_s=30.0))
    assert channel.read(60.0, host="h1") == FIRED
    assert channel.wait(30.0) == [EventKind.FIRED]
    silent = channel.last().alert
    assert (silent.title, silent.labels) == ("no data: temp", {"host": "h1", "no_data": "true"})
    assert silent.message == "no reading of temp for 30 s"
    assert channel.wait(1_000.0) == [], "it is told once"
    assert channel.read(60.0, after=1.0, host="h1")[0] is Status.REPEATED
    assert [event.alert.id for event in channel.events if event.kind is EventKind.RESOLVED] == [silent.id]


def test_silence_can_mean_that_all_is_well() -> None:
    channel = Watched(a_rule(no_data=NoData.OK, no_data_s=30.0))
    channel.read(60.0)
    assert channel.wait(30.0) == [EventKind.RESOLVED]
    assert channel.last().by == "rule"


def test_a_late_reading_is_no_silence() -> None:
    channel = Watched(a_rule(no_data=NoData.OK, no_data_s=30.0))
    channel.read(60.0)
    assert channel.read(60.0, after=20.0, ago=25.0) == LATE
    assert channel.wait(29.0) == []


def test_silence_says_nothing_unless_the_rule_wants_to_know() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    assert channel.wait(100_000.0) == []


def test_what_time_brings_during_a_cooldown_is_told_after_it() -> None:
    channel = Watched(a_rule(for_s=60.0))
    channel.read(60.0)
    channel.wait(60.0)
    channel.read(40.0, after=1.0)
    assert channel.kinds() == [EventKind.FIRED, EventKind.RESOLVED]
    assert channel.read(60.0, after=1.0) == PENDING
    fired_at = START_US + 60 * SECOND
    assert channel.wait(1_000.0) == [EventKind.RECEIPT, EventKind.FIRED]
    assert channel.last().alert.triggered_at > channel.events[-2].at or channel.now > fired_at + 300 * SECOND


def test_what_time_brings_and_finds_no_room_is_tried_again_until_there_is() -> None:
    channel = Watched(a_rule(for_s=10.0), windows_max=1)
    full = channel.ring(title="full").alert_id or ""
    channel.read(60.0)
    assert channel.wait(15.0) == []
    assert channel.machine.next_due() == channel.now + SECOND
    channel.send(resolving(alert_id=full, by="ann"))
    assert channel.wait(300.0) == [EventKind.FIRED]


def test_an_alert_that_a_person_closed_rings_again_after_its_window_while_the_rule_holds() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    channel.send(resolving(alert_id=channel.last().alert.id, by="ann"))
    assert channel.read(60.0, after=1.0) == COOLDOWN
    assert channel.read(60.0, after=300.0) == FIRED


def test_an_acknowledged_alert_is_resolved_by_its_rule() -> None:
    channel = Watched(a_rule())
    channel.read(60.0)
    channel.send(acknowledging(alert_id=channel.last().alert.id, by="ann"))
    assert channel.read(40.0, after=1.0) == RESOLVED


def test_a_percentile_rings_when_enough_readings_say_so() -> None:
    rule = PerformanceRule(id="slow", framework="f", metric="ms", threshold=100.0, percentile=90.0, at_least=5)
    channel = Watched(rule)
    answers = [channel.read(500.0, after=1.0, metric="ms") for _ in range(5)]
    assert answers == [BELOW] * 4 + [FIRED]
    alert = channel.last().alert
    assert alert.current_value == pytest.approx(500.0, rel=0.01)
    assert (alert.threshold_value, alert.title) == (100.0, "p90 of ms over 300 s > 100")
    assert [channel.read(1.0, after=1.0, metric="ms") for _ in range(45)][-1] == RESOLVED


def test_an_error_rate_is_judged_at_either_metric_of_the_same_labels() -> None:
    rule = PerformanceRule(
        id="bad",
        framework="f",
        metric="errors",
        total_metric="requests",
        objective=Objective.ERROR_RATE,
        threshold=0.1,
        at_least=10,
    )
    channel = Watched(rule)
    assert channel.read(9.0, metric="errors", host="h1") == BELOW
    assert channel.read(100.0, metric="requests", host="h2") == BELOW
    assert channel.read(80.0, metric="requests", host="h1") == FIRED
    assert channel.last().alert.title == "error rate of errors over 300 s > 0.1"
    assert channel.read(100.0, after=1.0, metric="requests", host="h1") == RESOLVED


def test_a_milestone_is_told_once_for_each_goal_and_progress_is_for_information() -> None:
    rule = MilestoneRule(id="big", framework="f", metric="users", goals=(10.0, 100.0), progress=(50.0,))
    channel = Watched(rule)
    assert channel.read(9.0, metric="users") == BELOW
    assert channel.read(120.0, metric="users") == FIRED
    assert channel.read(5.0, metric="users") == BELOW
    assert channel.read(500.0, metric="users") == BELOW
    alerts = [event.alert for event in channel.events]
    assert [(alert.title, alert.severity, alert.labels) for alert in alerts] == [
        ("users has reached 10", Severity.WARNING, {"goal": "10"}),
        ("users has reached 50 %", Severity.INFO, {"goal": "50 %"}),
        ("users has reached 100", Severity.WARNING, {"goal": "100"}),
    ]
    assert [alert.threshold_value for alert in alerts] == [10.0, 50.0, 100.0]
    assert channel.wait(10_000.0) == []


def test_a_milestone_that_adds_up_counts_late_readings_as_well() -> None:
    rule = MilestoneRule(id="big", framework="f", metric="sold", goals=(10.0,), is_cumulative=True, title="{{ goal }}!")
    channel = Watched(rule)
    assert channel.read(6.0, metric="sold") == BELOW
    assert channel.read(6.0, metric="sold", ago=1_000.0) == FIRED
    assert (channel.last().alert.title, channel.last().alert.current_value) == ("10!", 12.0)


def test_a_milestone_that_finds_no_room_is_told_with_the_next_reading() -> None:
    rule = MilestoneRule(id="big", framework="f", metric="users", goals=(10.0, 20.0))
    channel = Watched(rule, windows_max=1)
    full = channel.ring(title="full").alert_id or ""
    assert channel.read(30.0, metric="users") == BUSY
    channel.send(resolving(alert_id=full, by="ann"))
    channel.wait(300.0)
    assert channel.read(5.0, metric="users") == BELOW, "it is where it stands that counts"
    assert channel.read(30.0, metric="users") == BUSY, "one of the two"
    assert [event.alert.labels for event in channel.events[-1:]] == [{"goal": "10"}]
