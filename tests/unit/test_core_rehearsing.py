"""Previews of lists: each item is judged after those before it, as it would be if they really came; nothing changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.flapping import Flapping
from engine.core.rehearsing import TOLD_RULES_MAX
from engine.core.seriesroom import FORGET_US
from engine.core.watching import loudness
from protocol.commands import Observe, Preview, Ring
from protocol.items import ItemResult
from protocol.model import Reason, Severity, Status
from protocol.orders import Orders
from protocol.previews import Previewed, TooDear
from protocol.rules import MilestoneRule, NoData, SuppressBy, ThresholdRule
from tests.support.quieted import OFFICE, START, Channel, silence
from tests.unit.test_core_previewing import CPU, DISK, GOAL, LONG, OFF, holding

Command = Ring | Observe
_RINGS = {Status.FIRED, Status.REPEATED}
SHARED = ThresholdRule(
    id="shared", framework="f", metric="load", threshold=90.0, suppress_by=SuppressBy.RULE, suppression_s=0.0
)
SILENT = ThresholdRule(id="silent", framework="f", metric="m", threshold=9.0, no_data=NoData.ALERT, no_data_s=60.0)


def channel_of(*more: ThresholdRule | MilestoneRule, **policy: object) -> Channel:
    channel = Channel(**policy)
    channel.orders = Orders(rules=(CPU, OFF, LONG, GOAL, OFFICE, *more))
    channel.build()
    return channel


def previewed(channel: Channel, *commands: Command) -> list[Previewed]:
    """A list is previewed, and nothing is stored, told or due for it."""
    due = channel.machine.next_due()
    results = channel.send(Preview(commands=commands))
    assert (channel.decision.rows, channel.decision.events, channel.decision.is_durable) == ((), (), False)
    assert channel.machine.next_due() == due
    assert all(isinstance(each, Previewed) for each in results)
    return results  # type: ignore[return-value]


def reasons(results: list[Previewed] | list[ItemResult]) -> list[Reason]:
    return [each.reason for each in results]


def test_the_second_of_two_equal_triggers_is_the_duplicate_of_the_first() -> None:
    first, second = previewed(channel_of(), DISK, DISK)
    assert (first.reason, second.reason) == (Reason.FIRED, Reason.DUPLICATE)
    assert (first.alert_id, second.alert_id) == (None, None), "there is no such alert"
    assert second.checks[3].text == "alert of item 1 is open, its window ends at 2026-01-05T12:05:00.000000Z"


def test_a_louder_one_raises_the_alert_that_is_open_and_what_follows_is_its_duplicate() -> None:
    channel = channel_of()
    alert_id = channel.ring().alert_id
    louder = replace(DISK, severity=Severity.CRITICAL)
    results = previewed(channel, DISK, louder, louder)
    assert reasons(results) == [Reason.DUPLICATE, Reason.RAISED, Reason.DUPLICATE]
    assert {each.alert_id for each in results} == {alert_id}


def test_readings_are_heard_one_after_the_other() -> None:
    channel = channel_of()
    readings = [Observe(metric="cpu", value=value, at=channel.now) for value in (95.0, 96.0, 40.0, 95.0)]
    found = previewed(channel, *readings)
    assert reasons(found) == [Reason.FIRED, Reason.DUPLICATE, Reason.RESOLVED, Reason.COOLDOWN]
    assert reasons(channel.send(*readings)) == reasons(found)


def test_a_budget_is_spent_by_the_first_and_who_waits_already_goes_before_all() -> None:
    bells = [Ring(title=str(number)) for number in range(3)]
    channel = channel_of(storm_per_minute=2)
    assert reasons(previewed(channel, *bells)) == [Reason.FIRED, Reason.FIRED, Reason.STORM]
    channel.send(*bells)
    channel.now += 1
    assert reasons(previewed(channel, Ring(title="new"))) == [Reason.STORM]


def test_one_alert_for_all_series_is_over_with_the_last_of_them() -> None:
    channel = channel_of(SHARED)
    hot = [Observe(metric="load", value=95.0, at=channel.now, labels={"host": host}) for host in ("h1", "h2")]
    channel.send(*hot)
    fine = [replace(each, value=10.0) for each in hot]
    answers = [[each.status for each in previewed(channel, *some)] for some in ([fine[0]], fine)]
    assert answers == [[Status.BELOW_THRESHOLD], [Status.BELOW_THRESHOLD, Status.RESOLVED]]


def test_two_alerts_of_one_reading_are_two_and_the_first_spends_the_budget_of_the_second() -> None:
    channel = channel_of(storm_per_minute=2)
    both = [Ring(title="disk"), Observe(metric="sold", value=120.0, at=channel.now)]
    answers = [
        [(each.status, each.reason) for each in said] for said in (previewed(channel, *both), channel.send(*both))
    ]
    assert answers[0] == answers[1]


def test_of_several_rules_each_answer_is_its_own_and_says_what_it_met() -> None:
    louder = ThresholdRule(id="cpu2", framework="f", metric="cpu", threshold=80.0)
    channel = channel_of(louder, storm_per_minute=1)
    (found,) = previewed(channel, Observe(metric="cpu", value=99.0, at=channel.now))
    assert (found.rule_id, found.reason) == ("cpu", Reason.FIRED)
    assert [(each.rule_id, each.reason, holding(each)) for each in found.rules] == [
        ("cpu", Reason.FIRED, []),
        ("cpu2", Reason.STORM, [Reason.STORM]),
    ]


def test_a_reading_that_is_refused_is_heard_by_no_rule_and_says_why() -> None:
    channel = channel_of()
    (found,) = previewed(channel, Observe(metric="cpu", value=99.0, at=channel.now + 10**12))
    assert (found.reason, found.rules, found.checks) == (Reason.INVALID, (), ())
    assert "ahead of the engine's clock" in str(found.message)


hosts = st.sampled_from(["h1", "h2"])
rings = st.builds(
    lambda rule, host, severity, value: Ring(
        rule_id=rule, title=None if rule else "disk", labels={"host": host}, severity=severity, current_value=value
    ),
    st.sampled_from([None, "cpu", "off", "office", "nobody"]),
    hosts,
    st.sampled_from([None, *Severity]),
    st.sampled_from([None, 50.0, 95.0]),
)
readings = st.builds(
    lambda metric, host, value, ago: Observe(metric=metric, value=value, at=START - ago * 10**6, labels={"host": host}),
    st.sampled_from(["cpu", "load", "slow", "sold", "m", "none"]),
    hosts,
    st.sampled_from([0.0, 2.0, 60.0, 120.0]),
    st.sampled_from([0, 0, 0, 7]),
)
lists = st.lists(st.one_of(rings, readings), min_size=1, max_size=8)
policies = st.sampled_from(
    [{}, {"suppression_s": 0.0}, {"storm_per_minute": 2}, {"suppression_s": 0.0, "flapping": Flapping()}]
)


@settings(max_examples=200, deadline=None)
@given(past=lists, after_s=st.sampled_from([0, 1, 61, 301]), coming=lists, policy=policies, is_silenced=st.booleans())
def test_a_list_is_foreseen_as_it_then_is(
    past: list[Command], after_s: int, coming: list[Command], policy: dict[str, object], is_silenced: bool
) -> None:
    channel = channel_of(SHARED, SILENT, **policy)
    channel.send(*past)
    if is_silenced:
        channel.quiet(silence(host="h1"))
    channel.wait(after_s)
    later = [replace(each, at=each.at + after_s * 10**6) if isinstance(each, Observe) else each for each in coming]
    foreseen = previewed(channel, *later)
    real = channel.send(*later)
    assert [(each.status, each.reason, each.message) for each in foreseen] == [
        (each.status, each.reason, each.message) for each in real
    ]
    for each in foreseen:
        assert each.checks == () or holding(each)[:1] == ([] if each.status in _RINGS else [each.reason])
        assert each.rules == () or each == replace(max(each.rules, key=loudness), rules=each.rules)


def outcomes(results: Sequence[ItemResult]) -> list[tuple[Status, Reason, str]]:
    return [(each.status, each.reason, each.message or "") for each in results]


def load(value: float, host: str) -> Observe:
    return Observe(metric="load", value=value, at=START, labels={"host": host})


LOAD = ThresholdRule(id="load", framework="f", metric="load", threshold=90.0)


def foreseen(channel: Channel, *commands: Command) -> list[tuple[Status, Reason, str]]:
    """What is foreseen and what then happens are the same, refusals with their figures included."""
    before = outcomes(previewed(channel, *commands))
    assert outcomes(channel.send(*commands)) == before
    return before


def test_what_finds_no_window_in_a_full_channel_is_foreseen() -> None:
    channel = channel_of(windows_max=2)
    channel.ring(title="a")
    found = foreseen(channel, Ring(title="a"), Ring(title="b"), Ring(title="c"))
    assert [reason for _, reason, _ in found] == [Reason.DUPLICATE, Reason.FIRED, Reason.BUSY]
    assert found[2][2].startswith("channel_windows: 2 open alerts and windows in this channel, limit 2;")


def test_labels_without_end_are_refused_in_a_preview_too() -> None:
    channel = channel_of(LOAD, reading_series_max=2)
    channel.send(load(1.0, "h1"))
    found = foreseen(channel, load(1.0, "h1"), load(1.0, "h2"), load(1.0, "h3"))
    assert [status for status, _, _ in found] == [Status.BELOW_THRESHOLD] * 2 + [Status.REJECTED]
    assert found[2][2].startswith("reading_series: 2 series")


@pytest.mark.parametrize(
    ("limit", "says"), [("rule_series_max", "rule_series: 2 "), ("rule_states_max", "rule_states: 2 ")]
)
def test_a_series_that_its_rule_or_the_channel_has_no_room_for_is_foreseen(limit: str, says: str) -> None:
    channel = channel_of(LOAD, **{limit: 2})
    channel.send(load(95.0, "h1"))
    found = foreseen(channel, load(95.0, "h1"), load(95.0, "h2"), load(95.0, "h3"))
    assert [reason for _, reason, _ in found] == [Reason.DUPLICATE, Reason.FIRED, Reason.BUSY]
    assert found[2][2].startswith(says)


@pytest.mark.parametrize("limit", ["rule_series_max", "rule_states_max"])
def test_series_that_would_be_forgotten_make_room_in_a_preview_too(limit: str) -> None:
    channel = channel_of(LOAD, **{limit: 3})
    channel.send(load(1.0, "h1"), load(1.0, "h2"), load(95.0, "h3"))
    channel.now += FORGET_US
    assert {status for status, _, _ in foreseen(channel, *(load(95.0, host) for host in ("h4", "h2", "h5")))} == {
        Status.FIRED,
        Status.REJECTED,
    }


def test_series_of_other_rules_make_room_in_a_preview_too() -> None:
    other = ThresholdRule(id="other", framework="f", metric="other", threshold=90.0)
    channel = channel_of(LOAD, other, rule_states_max=2)
    channel.send(Observe(metric="other", value=1.0, at=START), load(95.0, "h1"))
    channel.now += FORGET_US
    assert [reason for _, reason, _ in foreseen(channel, load(95.0, "h2"))] == [Reason.FIRED]


def test_of_very_many_rules_the_loudest_are_told_and_the_others_counted() -> None:
    rules = [ThresholdRule(id=f"r{n}", framework="f", metric="load", threshold=n % 101) for n in range(202)]
    (found,) = previewed(channel_of(*rules), load(50.0, "h1"))
    assert (len(found.rules), found.more_rules) == (TOLD_RULES_MAX, 102)
    assert {each.status for each in found.rules} == {Status.FIRED}
    assert (found.status, found.rule_id) == (Status.FIRED, "r0")


def test_a_list_that_rules_would_hear_too_often_is_not_judged_at_all() -> None:
    rules = [ThresholdRule(id=f"r{n}", framework="f", metric="load", threshold=90.0) for n in range(500)]
    channel = channel_of(*rules)
    channel.send(load(1.0, "h1"))
    assert len(previewed(channel, *[load(1.0, "h1")] * 2, DISK)) == 3
    results = channel.send(Preview(commands=(load(1.0, "h1"),) * 3))
    assert all(isinstance(each, TooDear) for each in results)
    assert [each.message for each in results] == [
        "rules would hear readings 1500 times or more in this preview, limit 1000: send fewer readings at a time, "
        "or readings that fewer rules watch"
    ] * 3
