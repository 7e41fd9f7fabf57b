"""Which alerts belong together: whatever the order of their arrival, and whoever goes on after a restart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.analytics.alert_group import SPAN_US
from engine.core.analytics.correlating import learned_of
from engine.core.analytics.incident_case import MEMBERS_MAX
from engine.core.analytics.recent_alerts import RECENT_MAX
from engine.core.analytics.telling_labels import WINDOWS_LEAST
from protocol.incidents import Correlation, Happening, IncidentState, ResolveOn
from protocol.model import Event, EventKind, Severity
from protocol.times import SECOND_US
from tests.support.correlated import Kept, alert_id, all_resolved, by_hand, fired, resolved, then

HOSTS = st.sampled_from(["h1", "h2", "h3"])
SERVICES = st.sampled_from(["a", "b", "c", "d"])
LABELS = st.fixed_dictionaries({}, optional={"host": HOSTS, "service": SERVICES})


def together(*numbers: int) -> frozenset[str]:
    return frozenset(alert_id(number) for number in numbers)


def test_alerts_that_share_a_label_within_the_window_are_one_incident() -> None:
    kept = Kept()
    kept.feed(fired(1, host="h1"), fired(2, 299, host="h1", service="pay"), fired(3, 400, service="pay"))
    assert kept.partition() == {together(1, 2, 3)}
    incident = kept.only()
    assert (incident.state, incident.alerts, incident.open_alerts) == (IncidentState.OPEN, 3, 3)
    assert incident.title == "alert 1"
    assert [moment.what for moment in incident.story] == [Happening.OPENED, Happening.JOINED, Happening.JOINED]
    assert incident.story[-1].note == "service=pay"


@pytest.mark.parametrize(
    "second",
    [
        fired(2, 301, host="h1"),
        fired(2, 1, host="h2"),
        fired(2, 1),
        fired(2, 1, env="prod"),
        fired(2, 1, host=""),
    ],
)
def test_what_is_too_late_or_shares_nothing_that_tells_is_by_itself(second: Event) -> None:
    kept = Kept()
    kept.feed(fired(1, host="h1", env="prod"), second)
    assert kept.incidents == {}


def test_the_same_alert_again_is_no_incident_but_joins_one() -> None:
    kept = Kept()
    kept.feed(fired(1, rule="cpu", host="h1"), fired(2, 10, rule="cpu", host="h1"))
    assert kept.incidents == {}
    kept.feed(fired(3, 20, rule="disk", host="h1"))
    assert kept.partition() == {together(1, 2, 3)}


def test_an_alert_that_ties_to_two_incidents_makes_one_of_them() -> None:
    kept = Kept()
    kept.feed(fired(1, host="h1"), fired(2, 1, host="h1"), fired(3, 2, service="a"), fired(4, 3, service="a"))
    first, second = kept.incidents
    kept.feed(fired(5, 4, host="h1", service="a"))
    assert kept.partition() == {together(1, 2, 3, 4, 5)}
    assert kept.only().id == first
    assert kept.incidents[second].merged_into == first
    assert kept.incidents[second].open_alerts == 0
    kept.feed(resolved(fired(3, service="a"), 50))
    assert kept.only().open_alerts == 4


def test_a_late_alert_is_with_those_that_began_when_it_did() -> None:
    kept = Kept()
    kept.feed(fired(1, host="h1"), fired(2, 400, service="x"), fired(3, 450, began_s=100, host="h1"))
    assert kept.partition() == {together(1, 3)}


@given(
    alerts=st.lists(st.tuples(st.floats(0, 300), LABELS), min_size=1, max_size=12),
    data=st.data(),
)
def test_the_order_of_arrival_within_a_window_changes_nothing(
    alerts: list[tuple[float, dict[str, str]]], data: st.DataObject
) -> None:
    events = [fired(number, 300, began_s=at, **labels) for number, (at, labels) in enumerate(alerts)]
    kept = Kept()
    kept.feed(*data.draw(st.permutations(events)))
    assert kept.partition() == by_hand({event.alert.id: event for event in events})


@given(
    gaps=st.lists(st.tuples(st.floats(0, 400), LABELS), min_size=1, max_size=25),
    at_once=st.integers(1, 7),
)
def test_who_is_with_whom_is_what_a_look_at_all_pairs_gives(
    gaps: list[tuple[float, dict[str, str]]], at_once: int
) -> None:
    at, events = 0.0, list[Event]()
    for number, (gap, labels) in enumerate(gaps):
        at += gap
        events.append(fired(number, at, **labels))
    kept = Kept()
    # Nothing is learnt from so few windows.
    kept.machine.learnt.windows = -1_000
    kept.feed(*events, at_once=at_once)
    assert kept.partition() == by_hand({event.alert.id: event for event in events})


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Alerts, and what becomes of them."""
    at, told, events = 0.0, list[Event](), list[Event]()
    for number in range(draw(st.integers(1, 20))):
        at += draw(st.floats(0, 250))
        if told and draw(st.booleans()):
            kinds = [EventKind.RESOLVED, EventKind.ACKNOWLEDGED, EventKind.REOPENED, EventKind.RAISED]
            one = draw(st.sampled_from(told))
            events.append(then(one, draw(st.sampled_from(kinds)), at, "ann", severity=draw(st.sampled_from(Severity))))
        else:
            events.append(fired(number, at, **draw(LABELS)))
            told.append(events[-1])
    return events


@settings(deadline=None)
@given(events=stories(), restarts=st.sets(st.integers(0, 20)), mode=st.sampled_from(ResolveOn))
def test_a_restart_in_the_middle_changes_nothing(events: list[Event], restarts: set[int], mode: ResolveOn) -> None:
    through, stopped = Kept(Correlation(resolve_on=mode)), Kept(Correlation(resolve_on=mode))
    through.feed(*events, at_once=4)
    for number, event in enumerate(events):
        if number in restarts:
            stopped.restart()
        stopped.feed(event)
    assert stopped.incidents == through.incidents
    assert stopped.members == through.members
    # In whatever order incidents are told of that have changed together.
    assert sorted(map(str, (news for _, news in stopped.news))) == sorted(map(str, (news for _, news in through.news)))


def test_it_is_resolved_with_the_last_open_alert_and_opens_again_with_one() -> None:
    kept = Kept()
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events, resolved(events[0], 10))
    assert kept.only().state is IncidentState.OPEN
    kept.feed(resolved(events[1], 1_000))
    assert kept.only().state is IncidentState.RESOLVED
    assert kept.only().resolved_at is not None
    kept.feed(then(events[0], EventKind.REOPENED, 5_000, "bob"))
    assert (kept.only().state, kept.only().resolved_at) == (IncidentState.OPEN, None)
    assert kept.only().story[-1].what is Happening.REOPENED


def test_on_first_it_is_resolved_with_the_alert_that_began_first_whatever_the_others_do() -> None:
    kept = Kept(Correlation(resolve_on=ResolveOn.FIRST))
    events = [fired(1, host="h1"), fired(2, 5, host="h1"), fired(3, 9, host="h1")]
    kept.feed(*events, resolved(events[1], 10))
    assert kept.only().state is IncidentState.OPEN
    kept.feed(then(events[0], EventKind.EXPIRED, 20))
    assert (kept.only().state, kept.only().open_alerts) == (IncidentState.RESOLVED, 1)
    kept.feed(fired(4, 21, began_s=-5, host="h1"))
    assert kept.only().state is IncidentState.OPEN


def test_on_all_the_ends_of_its_alerts_do_not_resolve_it() -> None:
    kept = Kept(Correlation(resolve_on=ResolveOn.ALL))
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events, all_resolved(events, 10))
    assert (kept.only().state, kept.only().open_alerts) == (IncidentState.OPEN, 0)


def test_one_event_about_many_is_one_of_each_and_tells_its_end_once() -> None:
    kept = Kept()
    events = [fired(number, number, host="h1") for number in range(4)]
    kept.feed(*events, all_resolved(events, 10))
    assert kept.only().state is IncidentState.RESOLVED
    assert [moment.what for _, moment in kept.news].count(Happening.RESOLVED) == 1


def test_it_is_acknowledged_when_nobody_waits_any_more_and_a_new_alert_waits() -> None:
    kept = Kept()
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events, *(then(event, EventKind.ACKNOWLEDGED, 10, "ann") for event in events))
    assert kept.only().state is IncidentState.ACKNOWLEDGED
    kept.feed(fired(3, 20, host="h1"))
    assert kept.only().state is IncidentState.OPEN


def test_a_raised_alert_raises_its_incident_and_words_alone_change_nothing() -> None:
    kept = Kept()
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events, then(events[1], EventKind.RAISED, 9, severity=Severity.CRITICAL))
    assert kept.only().severity is Severity.CRITICAL
    before = kept.only()
    kept.feed(then(events[1], EventKind.COMMENTED, 10), then(events[1], EventKind.REPEATED, 11))
    assert kept.only() == before
    kept.restart()
    assert kept.only() == before


def test_what_is_full_takes_no_more_and_the_next_incident_begins() -> None:
    kept = Kept()
    kept.feed(*(fired(number, number / 100, host="h1") for number in range(MEMBERS_MAX + 3)), at_once=100)
    assert sorted(map(len, kept.partition())) == [3, MEMBERS_MAX]


def test_a_chain_that_goes_on_for_more_than_a_day_is_another_incident() -> None:
    kept = Kept()
    times = range(0, SPAN_US // SECOND_US + 900, 290)
    # Each shares something with the one before alone: what all share would tell nothing.
    labels = [{"host": f"h{number // 2}", "service": f"s{(number + 1) // 2}"} for number in range(len(times))]
    kept.feed(*(fired(number, at, **labels[number]) for number, at in enumerate(times)), at_once=50)
    assert len(kept.partition()) == 2


def test_of_too_many_alerts_the_first_are_forgotten_and_counted() -> None:
    kept = Kept()
    kept.feed(*(fired(number, 1, host=f"h{number}") for number in range(RECENT_MAX + 2)), at_once=500)
    assert kept.machine.forgotten == 2
    kept.feed(fired(50_000, 2, host="h0"))
    assert kept.incidents == {}


def test_what_is_ahead_of_a_clock_that_was_set_back_is_not_remembered_until_it_is_there_again() -> None:
    kept = Kept()
    kept.feed(fired(1, 100_000, host="h1"), fired(2, 100_001, host="h1"))
    kept.feed(fired(3, 0, host="h1"), fired(4, 2_000, host="h2"), fired(5, 2_001, host="h2"))
    assert kept.partition() == {together(1, 2), together(4, 5)}
    assert kept.machine.oldest == 4, "else each restart would read everything since again"
    kept.restart()
    kept.feed(fired(6, 2_002, host="h2"))
    assert kept.partition() == {together(1, 2), together(4, 5, 6)}


def test_rules_that_go_together_tie_unless_a_label_says_that_they_are_about_different_things() -> None:
    kept = Kept(learned=learned_of([("cpu", "latency")]))
    kept.feed(fired(1, rule="cpu", host="h1"), fired(2, 5, rule="latency", host="h2"))
    assert kept.incidents == {}
    kept.feed(fired(3, 6, rule="latency", framework="shop"))
    assert kept.partition() == {together(1, 3)}
    assert kept.only().story[-1].note == "goes with rule cpu"
    assert kept.only().frameworks == ("shop", "web")


def test_rules_that_were_found_together_in_threes_are_pairs_of_each_other() -> None:
    learned = learned_of([("a", "b", "c"), ("c", "d")])
    assert learned.partners["a"] == {"b", "c"}
    assert learned.partners["c"] == {"a", "b", "d"}


def test_switched_off_nothing_new_belongs_together_and_what_does_still_ends() -> None:
    kept = Kept()
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events)
    kept.settings = Correlation(enabled=False)
    kept.restart()
    kept.feed(fired(3, 6, host="h1"), all_resolved(events, 10))
    assert kept.partition() == {together(1, 2)}
    assert kept.only().state is IncidentState.RESOLVED


def test_what_was_missed_is_made_good_by_how_the_alerts_are_now() -> None:
    kept = Kept()
    events = [fired(1, host="h1"), fired(2, 5, host="h1")]
    kept.feed(*events)
    over = {event.alert.id: resolved(event, 9).alert for event in events}
    kept.machine.refresh(over | {"unknown": events[0].alert}, at=kept.only().started_at + 9 * SECOND_US)
    kept.keep()
    assert kept.only().state is IncidentState.RESOLVED
    kept.machine.refresh(over, at=kept.only().started_at)
    kept.machine.refresh({events[0].alert.id: events[0].alert}, at=kept.only().started_at)
    kept.keep()
    assert kept.only().state is IncidentState.OPEN


def test_a_value_that_is_everybodys_ties_nobody_and_one_that_one_burst_had_does() -> None:
    kept = Kept(Correlation(labels=("env", "host")))
    for window in range(WINDOWS_LEAST + 1):
        kept.feed(fired(window * 2, window * 1_000, env="prod", host=f"a{window}"))
        kept.feed(fired(window * 2 + 1, window * 1_000 + 1, env="test" if window else "prod", host=f"b{window}"))
    burst = [fired(1_000 + number, 20_000 + number, host="h1", env="prod") for number in range(30)]
    kept.feed(*burst)
    assert frozenset(event.alert.id for event in burst) in kept.partition()
    kept.feed(fired(2_000, 30_000, env="prod", host="x"), fired(2_001, 30_001, env="prod", host="y"))
    assert not any(alert_id(2_000) in group for group in kept.partition())


def test_a_name_that_is_a_serial_number_ties_nobody() -> None:
    kept = Kept(Correlation(labels=("order",)))
    kept.feed(*(fired(number, number * 400, order=f"o{number}") for number in range(60)), at_once=10)
    kept.feed(fired(100, 40_000, order="same"), fired(101, 40_001, order="same"))
    assert kept.incidents == {}


def test_many_hosts_with_an_alert_each_are_no_serial_numbers() -> None:
    kept = Kept()
    kept.feed(*(fired(number, number * 400, host=f"h{number}") for number in range(60)), at_once=10)
    kept.feed(fired(100, 40_000, host="same"), fired(101, 40_001, host="same"))
    assert kept.partition() == {together(100, 101)}
