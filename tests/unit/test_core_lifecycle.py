"""The table of states and actions, and the changes it stands for."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from engine.core.lifecycle import TABLE, born, has_ended, label_set, merged, raised, stepped, told_again
from engine.core.rules.book import fill
from protocol.changes import Action
from protocol.commands import Ring
from protocol.model import AlertState, EventKind, Reason, Severity, Status
from protocol.rows import SourceReport

AT, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:05:00.000000Z"
RING = Ring(title="disk", labels={"host": "h1"}, current_value=1.0, threshold_value=0.5, message="full")
ALERT = born("id", "f", fill(RING, None), AT)


def report(**fields: object) -> SourceReport:
    values = {"labels": {"a": "1"}, "annotations": {}, "starts_at": 10, "ends_at": 100} | fields
    return SourceReport(**values)  # type: ignore[arg-type]


def test_the_table_answers_every_action_in_every_state() -> None:
    assert set(TABLE) == {(state, action) for state in AlertState for action in Action}


@pytest.mark.parametrize("state", AlertState)
@pytest.mark.parametrize("action", Action)
def test_a_step_says_where_it_leads_or_that_it_is_so_already_or_why_not(state: AlertState, action: Action) -> None:
    step = TABLE[state, action]
    goal = {
        Action.ACKNOWLEDGE: AlertState.ACKNOWLEDGED,
        Action.UNACKNOWLEDGE: AlertState.ACTIVE,
        Action.RESOLVE: AlertState.RESOLVED,
        Action.REOPEN: AlertState.ACTIVE,
        Action.RAISE: AlertState.ACTIVE,
        Action.EXPIRE: AlertState.EXPIRED,
    }.get(action)
    assert (step.message is not UNSET) == (step.status is Status.REJECTED)
    if step.changes:
        assert step.state is goal
    elif step.message is UNSET:
        assert step.state in (state, AlertState.ACTIVE), "it is open already, or in that very state"


def test_what_changes_an_alert_in_which_state() -> None:
    letters = {
        action.value: "".join(state.value[0] if TABLE[state, action].changes else "-" for state in AlertState)
        for action in Action
    }
    assert letters == {
        "acknowledge": "a---",
        "unacknowledge": "-a--",
        "assign": "aa--",
        "comment": "aare",
        "resolve": "aa--",
        "reopen": "--re",
        "raise": "aa--",
        "expire": "aa--",
    }


def test_what_is_over_is_only_commented_on_and_opened_again() -> None:
    for state in (AlertState.RESOLVED, AlertState.EXPIRED):
        refused = [action.value for action in Action if TABLE[state, action].status is Status.REJECTED]
        assert refused == ["acknowledge", "unacknowledge", "assign", "raise"]


def test_acknowledging_what_is_over_is_refused_and_says_why() -> None:
    for state in (AlertState.RESOLVED, AlertState.EXPIRED):
        step = TABLE[state, Action.ACKNOWLEDGE]
        assert (step.status, step.reason) == (Status.REJECTED, Reason.ALREADY)


def test_only_an_acknowledged_alert_is_reopened_when_it_is_raised() -> None:
    assert TABLE[AlertState.ACTIVE, Action.RAISE].event is EventKind.RAISED
    assert TABLE[AlertState.ACKNOWLEDGED, Action.RAISE].event is EventKind.REOPENED


def test_a_new_alert_is_active_and_names_its_rule_twice() -> None:
    alert = born("id", "f", fill(Ring(rule_id="r", project_id="p", assigned_to="me", alert_type="x"), None), AT)
    assert (alert.state, alert.occurrences, alert.triggered_at, alert.last_seen_at) == (AlertState.ACTIVE, 1, AT, AT)
    assert (alert.rule_id, alert.alert_rule_id) == ("r", "r")
    assert (alert.project_id, alert.assigned_to, alert.alert_type) == ("p", "me", "x")
    assert alert.notification_sent is False


def test_telling_again_takes_the_newest_values_and_texts() -> None:
    news = fill(Ring(current_value=2.0, threshold_value=0.7, title="disk!", message="fuller"), None)
    again = told_again(ALERT, news, LATER)
    assert (again.current_value, again.threshold_value, again.title, again.message) == (2.0, 0.7, "disk!", "fuller")
    assert (again.occurrences, again.last_seen_at, again.triggered_at) == (2, LATER, AT)


def test_telling_again_keeps_what_the_trigger_does_not_say() -> None:
    again = told_again(ALERT, fill(Ring(), None), LATER)
    assert (again.current_value, again.threshold_value, again.title, again.message) == (1.0, 0.5, "disk", "full")


def test_raising_takes_severity_and_labels_and_drops_the_acknowledgement() -> None:
    acknowledged = stepped(ALERT, TABLE[ALERT.state, Action.ACKNOWLEDGE], AT, "ann", "mine")
    louder = fill(Ring(severity=Severity.CRITICAL, labels={"host": "h1", "severity": "page"}), None)
    alert = raised(acknowledged, louder, TABLE[acknowledged.state, Action.RAISE], LATER)
    assert (alert.severity, alert.state) == (Severity.CRITICAL, AlertState.ACTIVE)
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.notes) == (None, None, "mine")
    assert alert.labels == {"host": "h1", "severity": "page"}
    bare = raised(acknowledged, fill(Ring(severity=Severity.CRITICAL), None), TABLE[ALERT.state, Action.RAISE], LATER)
    assert bare.labels == {"host": "h1"}


def test_each_step_leaves_its_trace_and_notes_stay_unless_new_ones_come() -> None:
    acknowledged = stepped(ALERT, TABLE[ALERT.state, Action.ACKNOWLEDGE], AT, "ann", "mine")
    assert (acknowledged.acknowledged_at, acknowledged.acknowledged_by, acknowledged.notes) == (AT, "ann", "mine")
    resolved = stepped(acknowledged, TABLE[acknowledged.state, Action.RESOLVE], LATER, "bob", None)
    assert (resolved.resolved_at, resolved.resolved_by, resolved.notes) == (LATER, "bob", "mine")
    expired = stepped(ALERT, TABLE[ALERT.state, Action.EXPIRE], LATER, None, None)
    assert (expired.state, expired.resolved_at) == (AlertState.EXPIRED, None)


def test_a_label_set_is_all_labels_in_any_order() -> None:
    one, two = report(labels={"a": "1", "severity": "x"}), report(labels={"severity": "x", "a": "1"})
    assert label_set(one) == label_set(two) != label_set(report())


def test_only_an_explicit_end_that_has_come_has_ended() -> None:
    assert has_ended(report(explicit_end=True), 100)
    assert not has_ended(report(explicit_end=True), 99)
    assert not has_ended(report(), 200)


def test_merging_takes_the_earliest_start_and_the_newest_annotations() -> None:
    known, news = report(starts_at=5, annotations={"a": "old"}), report(starts_at=7, annotations={"a": "new"})
    assert merged(known, news) == report(starts_at=5, annotations={"a": "new"})
    assert merged(None, news) == news


def test_an_explicit_end_beats_a_time_out_that_lies_earlier() -> None:
    known, news = report(ends_at=200, explicit_end=True), report(ends_at=150)
    assert merged(known, news) == report(ends_at=200, explicit_end=True)


def test_the_newest_end_holds_otherwise() -> None:
    assert merged(report(ends_at=200), report(ends_at=150)).ends_at == 150
    later = merged(report(ends_at=200, explicit_end=True), report(ends_at=250))
    assert (later.ends_at, later.explicit_end) == (250, False)
