"""What becomes of one incident by people's hands, what may have caused it, and what is forgotten of labels."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.core.analytics.causes import CAUSES_MAX, causes
from engine.core.analytics.incident_case import STORY_MAX, Case, opened
from engine.core.analytics.incident_part import NOTHING, part_of
from engine.core.analytics.telling_labels import VALUES_MAX, WINDOWS_REMEMBERED, Learnt, TellingLabels
from protocol.incidents import Correlation, Happening, IncidentState, Member
from protocol.model import AlertState, EventKind, Severity
from protocol.times import SECOND_US

AT = 1_767_225_600 * SECOND_US
WINDOW_US = 300 * SECOND_US


def a_member(name: str, at_s: float = 0, **changes: Any) -> Member:
    member = Member(
        alert_id=name,
        framework="web",
        title=f"title of {name}",
        severity=Severity.WARNING,
        state=AlertState.ACTIVE,
        started_at=AT + int(at_s * SECOND_US),
        signature=name,
    )
    return replace(member, **changes)


def a_case(*members: Member) -> Case:
    case = opened("i1", Correlation(), members or (a_member("a"), a_member("b", 1)), AT)
    case.news = []
    return case


def test_who_resolves_it_as_a_whole_ends_it_whatever_is_open_and_a_reopened_alert_begins_again() -> None:
    case = a_case()
    case.resolve(AT + 5, "ann", "fixed")
    assert (case.incident.state, case.incident.resolved_by) == (IncidentState.RESOLVED, "ann")
    assert [(moment.what, moment.by, moment.note) for moment in case.news] == [(Happening.RESOLVED, "ann", "fixed")]
    case.change(a_member("a"), EventKind.REOPENED, AT + 9, "bob")
    assert (case.incident.state, case.incident.resolved_by, case.incident.resolved_at) == (
        IncidentState.OPEN,
        None,
        None,
    )


def test_who_resolves_what_its_alerts_have_just_ended_is_in_its_story() -> None:
    case = a_case()
    for name in "ab":
        case.change(replace(case.members[name], state=AlertState.RESOLVED), EventKind.RESOLVED, AT + 4, "ann")
    case.resolve(AT + 5, "ann", "fixed")
    assert [moment.by for moment in case.news if moment.what is Happening.RESOLVED] == [None, "ann"]
    assert case.incident.resolved_at == AT + 4


def test_the_last_alert_that_is_split_off_leaves_nothing_to_do() -> None:
    case = a_case()
    assert case.split("a", AT + 1, "ann").is_apart
    assert (case.incident.alerts, case.incident.title) == (1, "title of b")
    case.split("b", AT + 2, "ann")
    assert (case.incident.state, case.incident.alerts, case.incident.title) == (IncidentState.RESOLVED, 0, "title of b")


def test_what_was_merged_is_settled_no_more() -> None:
    case, other = a_case(), Case(replace(a_case().incident, id="i2"), [a_member("c")])
    case.take(other, AT + 1, "ann")
    before = other.incident
    other.settle(AT + 2)
    assert other.incident == before
    assert (before.state, before.merged_into, case.incident.alerts) == (IncidentState.MERGED, "i1", 3)


def test_an_acknowledged_alert_that_is_opened_again_in_a_resolved_incident_leaves_it_acknowledged() -> None:
    case = a_case(a_member("a", state=AlertState.RESOLVED), a_member("b", state=AlertState.RESOLVED))
    assert case.incident.state is IncidentState.RESOLVED
    case.change(a_member("a", state=AlertState.ACKNOWLEDGED), EventKind.ACKNOWLEDGED, AT + 9, "ann")
    assert (case.incident.state, case.incident.acknowledged_at) == (IncidentState.ACKNOWLEDGED, AT + 9)


def test_a_joining_alert_that_is_over_already_opens_nothing_again() -> None:
    case = a_case()
    case.resolve(AT + 5, "ann", "")
    case.join(a_member("c", state=AlertState.RESOLVED), AT + 6)
    assert case.incident.resolved_by == "ann"
    case.join(a_member("d"), AT + 7)
    assert case.incident.state is IncidentState.OPEN


def test_of_a_long_story_the_newest_lines_are_kept_and_the_others_counted() -> None:
    case = a_case()
    for number in range(STORY_MAX):
        case.change(a_member("a", at_s=number), EventKind.RAISED, AT + number, None)
    assert (len(case.incident.story), case.incident.untold) == (STORY_MAX, 2)


def test_what_began_first_is_the_first_candidate_and_says_by_how_much() -> None:
    first, second, *rest = causes([a_member(name, at) for at, name in enumerate("badcefg")], {})
    assert (first.member.alert_id, first.why) == ("b", "it began first, 1 s before the next")
    assert second.why == "it began 1 s after the first"
    assert len(rest) + 2 == CAUSES_MAX
    (alone,) = causes([a_member("a")], {})
    assert alone.why == "it is the only one"


def test_a_rule_that_is_known_to_ring_before_others_is_believed_more_than_a_second() -> None:
    members = [
        a_member("a", rule_id="latency"),
        a_member("b", 1, rule_id="disk"),
        a_member("c", 2, rule_id="queue"),
        a_member("d", 3),
    ]
    first, second, *_ = causes(members, {"disk": frozenset({"queue", "net"}), "queue": frozenset({"latency"})})
    assert (first.member.alert_id, first.followed) == ("b", 1)
    assert first.why == "it began 1 s after the first; its rule is known to ring before queue"
    assert (second.member.alert_id, second.followed) == ("a", 0)


def test_who_sees_a_part_is_told_of_that_alone_and_that_there_is_more() -> None:
    members = [
        a_member("a", framework="bank", severity=Severity.CRITICAL, rule_id="secret", title="secret"),
        a_member("b", 1, rule_id="cpu", tie="goes with rule secret"),
        a_member("c", 2, tie="goes with rule cpu", state=AlertState.RESOLVED),
        a_member("d", 3, framework="bank", tie="host=h1"),
    ]
    whole = replace(a_case(*members).incident, untold=7)
    part, mine = part_of(whole, [members[2], members[1]])
    assert (part.title, part.severity, part.started_at) == ("title of b", Severity.WARNING, AT + SECOND_US)
    assert (part.alerts, part.open_alerts, part.frameworks, part.has_others) == (2, 1, ("web",), True)
    assert [(each.alert_id, each.tie) for each in mine] == [
        ("b", "goes with another rule"),
        ("c", "goes with rule cpu"),
    ]
    assert [(each.alert_id, each.note) for each in part.story] == [(each.alert_id, each.tie) for each in mine]
    assert (part.untold, part.state, part.id) == (0, whole.state, whole.id)
    assert "secret" not in repr(part)


def test_of_what_was_merged_a_part_is_without_figures() -> None:
    case = a_case(a_member("a", framework="bank", severity=Severity.CRITICAL), a_member("b", 1))
    a_case(a_member("c")).take(case, AT)
    part, mine = part_of(case.incident, [])
    assert (part.title, part.severity, part.alerts, part.frameworks, mine) == (NOTHING, Severity.INFO, 0, (), [])
    assert (part.state, part.merged_into) == (IncidentState.MERGED, "i1")


def hear(labels: TellingLabels, name: str, value: str, window: int, offset: int) -> None:
    """An alert fired in this window, as the clock says."""
    at = AT + window * WINDOW_US
    labels.hear({name: value}, at, at, offset)


def test_what_was_everybodys_long_ago_counts_half_and_what_was_there_once_is_forgotten() -> None:
    labels = TellingLabels(Correlation(labels=("env",)), Learnt())
    for window in range(WINDOWS_REMEMBERED + 2):
        hear(labels, "env", "prod" if window else "once", window, window + 1)
    assert labels.learnt.windows == WINDOWS_REMEMBERED // 2 + 1
    assert labels.learnt.values == {"env=prod": (WINDOWS_REMEMBERED - 1) // 2 + 1}
    assert labels.of({"env": "prod"}) == {}


def test_of_too_many_values_those_that_were_seen_once_are_forgotten() -> None:
    labels = TellingLabels(Correlation(labels=("n",)), Learnt())
    for number in range(VALUES_MAX + 1):
        hear(labels, "n", str(number), 0, 1)
    hear(labels, "n", "x", 1, 2)
    assert labels.learnt.values == {}


def test_what_comes_late_for_its_window_is_not_counted_and_what_is_stored_is_without_the_window_that_goes_on() -> None:
    labels = TellingLabels(Correlation(labels=("env",)), Learnt())
    hear(labels, "env", "a", 1, 1)
    labels.hear({"env": "b"}, AT, AT + WINDOW_US, 2)
    assert labels.learnt.now == {"env=a": 1}
    stored = labels.stored()
    assert stored is not None
    assert (stored.now, stored.since) == ({}, 1)
    assert labels.stored() is None


def test_a_clock_that_was_set_back_does_not_end_learning() -> None:
    labels = TellingLabels(Correlation(labels=("env",)), Learnt())
    hear(labels, "env", "future", 10_000, 1)
    for window in range(3):
        hear(labels, "env", "prod", window, window + 2)
    assert labels.learnt.values == {"env=future": 1, "env=prod": 2}
    assert (labels.learnt.windows, labels.learnt.since, labels.learnt.now) == (3, 4, {"env=prod": 1})


def test_a_node_whose_clock_is_a_window_behind_ends_none() -> None:
    labels = TellingLabels(Correlation(labels=("env",)), Learnt())
    hear(labels, "env", "prod", 1, 1)
    hear(labels, "env", "prod", 0, 2)
    hear(labels, "env", "prod", 1, 3)
    assert (labels.learnt.windows, labels.learnt.since, labels.learnt.now) == (0, 1, {"env=prod": 2})


def test_an_alert_that_says_to_be_of_the_future_is_of_now() -> None:
    labels = TellingLabels(Correlation(labels=("env",)), Learnt())
    labels.hear({"env": "prod"}, AT + 100 * WINDOW_US, AT, 1)
    hear(labels, "env", "prod", 0, 2)
    assert (labels.learnt.windows, labels.learnt.now) == (0, {"env=prod": 2})
