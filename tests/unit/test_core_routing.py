"""Who is told of a change, by which channel, and when."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.agenda import NEVER
from engine.core.routing import (
    USUAL,
    Answer,
    Heard,
    News,
    Person,
    Routed,
    heard,
    next_digest,
    quiet_until,
    route,
)
from protocol.endpoints import Endpoint
from protocol.model import Severity
from protocol.notify import CHANGE_OF, Change, Channel, DeliveryState, Recipient, Why
from protocol.preferences import Digest, DigestFrequency, Preference, QuietHours
from protocol.times import SECOND_US, parse_rfc3339
from tests.support.alerts import an_alert
from tests.support.deliveries import a_delivery

HOUR_US = 3_600 * SECOND_US
NOON = parse_rfc3339("2026-01-05T12:00:00Z")
MIDNIGHT = parse_rfc3339("2026-01-05T00:00:00Z")
HOOK = Endpoint(id="hook", channel=Channel.WEBHOOK, name="the pager")
ANN = Person(id="ann", email="ann@example.org", slack_id="U1", zone="Europe/Berlin")
TOLD = Heard(was_told=True)
ALL = (Channel.IN_APP, Channel.EMAIL, Channel.SLACK)


def news(change: Change = Change.FIRED, severity: Severity = Severity.ERROR, **fields: Any) -> News:
    return News(change=change, alert=an_alert(severity=severity, framework_id="web"), **fields)


def prefers(**fields: Any) -> Person:
    return replace(ANN, preference=Preference(id="ann", **fields))


def everything(**fields: Any) -> Person:
    return prefers(channels=dict.fromkeys(Severity, ALL), **fields)


def hook(what: News, endpoint: Endpoint = HOOK, told: Heard | None = None, now: int = NOON) -> Routed:
    known = {} if told is None else {(endpoint.channel, f"endpoint:{endpoint.id}"): told}
    (routed,) = route(what, [endpoint], [], known, now)
    return routed


def to(
    what: News, person: Person, told: Heard | None = None, now: int = NOON
) -> dict[Channel, tuple[Answer, Why | None, int | None]]:
    known = {} if told is None else {(channel, f"user:{person.id}"): told for channel in ALL}
    return {each.channel: (each.answer, each.why, each.due) for each in route(what, [], [person], known, now)}


SEND = (Answer.SEND, None, None)


def no(why: Why) -> tuple[Answer, Why, None]:
    return Answer.SUPPRESS, why, None


# Endpoints.


def test_an_endpoint_without_filters_is_sent_what_begins() -> None:
    assert hook(news()) == Routed(channel=Channel.WEBHOOK, recipient=Recipient(endpoint="hook"), answer=Answer.SEND)


@pytest.mark.parametrize(
    ("endpoint", "what", "why"),
    [
        (replace(HOOK, enabled=False), news(), Why.DISABLED),
        (replace(HOOK, min_severity=Severity.CRITICAL), news(), Why.SEVERITY),
        (replace(HOOK, frameworks=("db",)), news(), Why.FRAMEWORK),
        (HOOK, news(rule_notify=("other",)), Why.RULE),
    ],
)
def test_what_an_endpoint_does_not_take_is_not_sent_to_it(endpoint: Endpoint, what: News, why: Why) -> None:
    assert (hook(what, endpoint).answer, hook(what, endpoint).why) == (Answer.SUPPRESS, why)


@pytest.mark.parametrize("name", ["hook", "the pager"])
def test_an_endpoint_that_the_rule_names_by_id_or_name_is_sent_it(name: str) -> None:
    assert hook(news(rule_notify=("other", name))).answer is Answer.SEND


def test_filters_that_fit_let_through() -> None:
    endpoint = replace(HOOK, min_severity=Severity.ERROR, frameworks=("db", "web"))
    assert hook(news(), endpoint).answer is Answer.SEND


def test_whoever_heard_the_beginning_hears_the_rest_whatever_his_filters_are_by_then() -> None:
    endpoint = replace(HOOK, min_severity=Severity.CRITICAL, frameworks=("db",))
    assert hook(news(Change.RESOLVED), endpoint, TOLD).answer is Answer.SEND
    assert hook(news(Change.RESOLVED), replace(endpoint, enabled=False), TOLD).why is Why.DISABLED


@pytest.mark.parametrize("change", [change for change in Change if not change.is_start])
def test_of_what_follows_only_who_heard_the_beginning_hears(change: Change) -> None:
    assert hook(news(change)).why is Why.NOT_TOLD
    assert hook(news(change), told=TOLD).answer is Answer.SEND
    assert set(to(news(change), everything()).values()) == {no(Why.NOT_TOLD)}
    assert set(to(news(change), everything(), TOLD).values()) == {SEND}


def test_to_whom_an_alert_is_given_is_between_people() -> None:
    assert list(route(news(Change.ASSIGNED), [HOOK], [], {}, NOON)) == []
    assert to(news(Change.ASSIGNED), everything())[Channel.EMAIL] == SEND


# People.


@pytest.mark.parametrize("severity", list(Severity))
def test_who_has_said_nothing_is_told_in_the_app_and_by_mail_of_what_will_not_wait(severity: Severity) -> None:
    routed = to(news(severity=severity), ANN)
    assert {channel for channel, answer in routed.items() if answer == SEND} == set(USUAL[severity])
    assert {answer for answer in routed.values() if answer != SEND} == {no(Why.PREFERENCE)}


@pytest.mark.parametrize("chosen", [chosen for n in range(4) for chosen in itertools.combinations(ALL, n)])
def test_exactly_the_chosen_channels_are_used(chosen: tuple[Channel, ...]) -> None:
    routed = to(news(), prefers(channels={Severity.ERROR: chosen}))
    assert {channel: answer == SEND for channel, answer in routed.items()} == {
        channel: channel in chosen for channel in ALL
    }


def test_a_chosen_channel_without_an_address_is_explained_and_another_one_is_not_mentioned() -> None:
    person = replace(everything(), slack_id="")
    assert to(news(), person)[Channel.SLACK] == no(Why.NO_ADDRESS)
    assert Channel.SLACK not in to(news(), replace(ANN, slack_id=""))


def test_a_channel_that_was_given_up_meanwhile_still_brings_the_end() -> None:
    person = prefers(channels={Severity.ERROR: ()})
    assert to(news(Change.RESOLVED), person, TOLD)[Channel.EMAIL] == SEND


def test_nobody_is_told_of_what_he_did_himself() -> None:
    assert to(news(Change.ASSIGNED, by="ann"), everything())[Channel.EMAIL] == no(Why.OWN_ACT)
    assert to(news(Change.ASSIGNED, by="bob"), everything())[Channel.EMAIL] == SEND


# Quiet hours and digests.
NIGHT = QuietHours(start="22:00", end="07:00")
HOURLY = Digest(frequency=DigestFrequency.HOURLY, up_to=Severity.ERROR)


def test_in_quiet_hours_what_can_wait_waits_for_their_end_by_the_persons_clock() -> None:
    routed = to(news(), everything(quiet_hours=NIGHT), now=MIDNIGHT)
    # 07:00 in Berlin.
    assert routed[Channel.EMAIL] == (Answer.DIGEST, Why.QUIET_HOURS, MIDNIGHT + 6 * HOUR_US)
    assert routed[Channel.IN_APP] == SEND


def test_outside_of_quiet_hours_nothing_waits() -> None:
    assert to(news(), everything(quiet_hours=NIGHT))[Channel.EMAIL] == SEND


def test_what_is_severe_enough_passes_quiet_hours() -> None:
    assert to(news(severity=Severity.CRITICAL), everything(quiet_hours=NIGHT), now=MIDNIGHT)[Channel.EMAIL] == SEND


@pytest.mark.parametrize("change", [Change.ESCALATED, Change.REMINDER, Change.TEST])
def test_what_is_urgent_passes_quiet_hours_and_digests(change: Change) -> None:
    person = everything(quiet_hours=NIGHT, digest=HOURLY)
    assert to(news(change, by="ann"), person, now=MIDNIGHT)[Channel.EMAIL] == SEND


def test_quiet_hours_without_an_end_let_nothing_through() -> None:
    always = QuietHours(start="00:00", end="00:00")
    assert to(news(), everything(quiet_hours=always))[Channel.EMAIL] == no(Why.QUIET_HOURS)


def test_what_a_digest_gathers_is_not_sent_at_once() -> None:
    routed = to(news(), everything(digest=HOURLY), now=NOON + 1)
    assert routed[Channel.EMAIL] == (Answer.DIGEST, Why.DIGEST, NOON + HOUR_US)
    assert routed[Channel.IN_APP] == SEND


def test_what_is_too_severe_for_the_digest_is_sent_at_once() -> None:
    assert to(news(severity=Severity.CRITICAL), everything(digest=HOURLY))[Channel.EMAIL] == SEND


def test_a_digest_in_quiet_hours_waits_for_their_end() -> None:
    routed = to(news(), everything(quiet_hours=NIGHT, digest=HOURLY), now=MIDNIGHT)
    assert routed[Channel.EMAIL] == (Answer.DIGEST, Why.QUIET_HOURS, MIDNIGHT + 6 * HOUR_US)


def test_nobody_without_quiet_hours_is_quiet() -> None:
    assert quiet_until(Preference(id="ann"), "UTC", NOON) is None
    assert quiet_until(Preference(id="ann", quiet_hours=QuietHours(start="00:00", end="00:00")), "UTC", 0) == NEVER


# Storms.


def test_what_a_storm_holds_back_is_told_with_all_of_its_minute() -> None:
    for second in (1, 30, 59):
        routed = hook(news(in_storm=True), now=NOON + second * SECOND_US)
        assert (routed.answer, routed.why, routed.due) == (Answer.DIGEST, Why.STORM, NOON + 60 * SECOND_US)
    assert to(news(in_storm=True), everything())[Channel.EMAIL][:2] == (Answer.DIGEST, Why.STORM)


def test_the_end_of_what_a_storm_held_back_is_told_at_once() -> None:
    assert hook(news(Change.RESOLVED, in_storm=True), told=TOLD).answer is Answer.SEND


def test_what_was_told_with_its_storm_is_not_told_when_its_turn_comes_but_when_it_gets_worse() -> None:
    told = Heard(was_told=True, in_storm=True)
    assert hook(news(Change.REPEATED), told=told).why is Why.STORM
    assert hook(news(Change.RAISED), told=told).answer is Answer.SEND
    assert hook(news(Change.REPEATED), told=TOLD).answer is Answer.SEND


# What was heard.


@pytest.mark.parametrize("state", list(DeliveryState))
def test_what_was_told_or_will_be_counts_as_heard(state: DeliveryState) -> None:
    known = heard([a_delivery(state=state)])
    is_heard = state not in (DeliveryState.FAILED, DeliveryState.SUPPRESSED)
    assert known == ({(Channel.EMAIL, "user:ann"): Heard(was_told=True)} if is_heard else {})


def test_once_in_a_storm_is_in_a_storm() -> None:
    lines = [a_delivery(why=Why.STORM, due=1), a_delivery(version="2")]
    assert heard(lines)[Channel.EMAIL, "user:ann"].in_storm


@pytest.mark.parametrize("state", [DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.FAILED])
def test_what_was_not_told_with_its_last_storm_is_told_when_its_turn_comes(state: DeliveryState) -> None:
    first = a_delivery(why=Why.STORM, due=1, state=DeliveryState.SENT)
    is_lost = state is DeliveryState.FAILED
    last = a_delivery(version="2", why=Why.GAVE_UP if is_lost else Why.STORM, due=2, state=state)
    told = heard([first, last])[Channel.EMAIL, "user:ann"]
    assert told == Heard(was_told=True, in_storm=not is_lost)
    assert (hook(news(Change.REPEATED), told=told).answer is Answer.SEND) == is_lost
    assert heard([replace(last, state=DeliveryState.FAILED)]) == {}


# When digests come.


def test_there_may_be_no_digest() -> None:
    assert next_digest(Digest(), "UTC", NOON) is None


@pytest.mark.parametrize(
    ("zone", "hour", "now", "due"),
    [
        ("UTC", 8, "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z"),
        ("UTC", 8, "2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z"),
        ("Europe/Berlin", 8, "2026-01-05T06:00:00Z", "2026-01-05T07:00:00Z"),
        ("Europe/Berlin", 8, "2026-07-05T05:00:00Z", "2026-07-05T06:00:00Z"),
        # The night before summer time: 24 hours later would be 09:00.
        ("Europe/Berlin", 8, "2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"),
        # An hour that is skipped, and one that comes twice.
        ("Europe/Berlin", 2, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", 2, "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z"),
        ("Asia/Kolkata", 8, "2026-01-05T02:00:00Z", "2026-01-05T02:30:00Z"),
        ("UTC", 8, "2028-02-28T09:00:00Z", "2028-02-29T08:00:00Z"),
    ],
)
def test_a_daily_digest_comes_at_its_hour_by_the_wall_clock(zone: str, hour: int, now: str, due: str) -> None:
    digest = Digest(frequency=DigestFrequency.DAILY, hour=hour)
    assert next_digest(digest, zone, parse_rfc3339(now)) == parse_rfc3339(due)


def test_changes_of_the_stream_have_the_same_words() -> None:
    assert all(kind.value == change.value for kind, change in CHANGE_OF.items())


def test_an_endpoint_that_a_step_names_is_told_whatever_it_takes_by_itself_unless_it_is_off() -> None:
    picky = Endpoint(id="boss", channel=Channel.WEBHOOK, min_severity=Severity.CRITICAL, frameworks=("db",))
    step = news(Change.ESCALATED, rule_notify=("boss",))
    assert [routed.answer for routed in route(step, [picky], [], {}, NOON)] == [Answer.SEND]
    off = replace(picky, enabled=False)
    assert [routed.why for routed in route(step, [off], [], {}, NOON)] == [Why.DISABLED]


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-01-05T20:59:59Z", None),
        ("2026-01-05T21:00:00Z", "2026-01-06T06:00:00Z"),
        # The night in which an hour is skipped, and the one in which an hour comes twice.
        ("2026-03-28T23:30:00Z", "2026-03-29T05:00:00Z"),
        ("2026-10-24T22:30:00Z", "2026-10-25T06:00:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-25T06:00:00Z"),
        ("2026-10-25T06:00:00Z", None),
    ],
)
def test_quiet_hours_go_over_midnight_and_end_by_the_wall_clock(now: str, ends: str | None) -> None:
    preference = Preference(id="ann", quiet_hours=QuietHours(start="22:00", end="07:00"))
    until = quiet_until(preference, "Europe/Berlin", parse_rfc3339(now))
    assert until == (None if ends is None else parse_rfc3339(ends))


def test_quiet_hours_of_some_days_belong_to_the_evening_on_which_they_begin() -> None:
    preference = Preference(id="ann", quiet_hours=QuietHours(start="22:00", end="07:00", days=("fri",)))
    saturday = parse_rfc3339("2026-01-10T03:00:00Z")
    assert quiet_until(preference, "UTC", saturday) == parse_rfc3339("2026-01-10T07:00:00Z")
    assert quiet_until(preference, "UTC", saturday + 24 * HOUR_US) is None


# Incidents.

MAIL = Endpoint(id="desk", channel=Channel.EMAIL, address="desk@example.org")
KNOWS = {(Channel.EMAIL, "endpoint:desk"): Severity.ERROR.rank, (Channel.EMAIL, "user:ann"): Severity.ERROR.rank}
# At noon five minutes begin.
LATER = (Answer.DIGEST, Why.GROUPED, NOON + 300 * SECOND_US)


def desk(what: News, told: Heard | None = None) -> tuple[Answer, Why | None, int | None]:
    known = {} if told is None else {(Channel.EMAIL, "endpoint:desk"): told}
    (routed,) = route(what, [MAIL], [], known, NOON)
    return routed.answer, routed.why, routed.due


@pytest.mark.parametrize("change", [Change.FIRED, Change.REPEATED, Change.REOPENED])
def test_what_joins_an_incident_that_was_told_of_goes_with_what_else_joins_it(change: Change) -> None:
    assert desk(news(change, grouped=KNOWS)) == LATER
    assert to(news(change, grouped=KNOWS), everything())[Channel.EMAIL] == LATER


def test_what_is_more_severe_than_all_that_was_told_of_it_passes_and_so_does_what_is_raised() -> None:
    assert desk(news(severity=Severity.CRITICAL, grouped=KNOWS)) == SEND
    assert desk(news(Change.RAISED, grouped=KNOWS)) == SEND
    assert desk(news(grouped={(Channel.EMAIL, "endpoint:other"): 3})) == SEND


def test_machines_and_the_list_in_the_app_get_each_by_itself() -> None:
    told = {(Channel.WEBHOOK, "endpoint:hook"): 3, (Channel.IN_APP, "user:ann"): 3}
    assert hook(news(grouped=told)).answer is Answer.SEND
    assert to(news(grouped=told), everything())[Channel.IN_APP] == SEND


@pytest.mark.parametrize("change", [Change.ESCALATED, Change.REMINDER])
def test_what_is_urgent_waits_for_no_others(change: Change) -> None:
    assert desk(news(change, grouped=KNOWS)) == SEND


def test_whoever_was_told_of_the_alert_by_itself_follows_it_and_who_was_not_hears_its_end_with_the_others() -> None:
    alone, together = Heard(was_told=True), Heard(was_told=True, in_group=True)
    assert desk(news(Change.REPEATED, grouped=KNOWS), alone) == SEND
    assert desk(news(Change.RESOLVED), alone) == SEND
    assert desk(news(Change.RESOLVED), together) == LATER
    assert desk(news(Change.RAISED, severity=Severity.CRITICAL, grouped=KNOWS), together) == SEND


def test_what_was_told_last_says_whether_it_is_followed_by_itself() -> None:
    line = a_delivery("a1", channel=Channel.EMAIL, recipient=Recipient(endpoint="desk"))
    with_others = replace(line, why=Why.GROUPED, due=5, state=DeliveryState.QUEUED)
    assert heard([with_others])[Channel.EMAIL, "endpoint:desk"].in_group
    assert heard([with_others, replace(line, change=Change.RESOLVED)])[Channel.EMAIL, "endpoint:desk"].in_group
    assert not heard([with_others, replace(line, change=Change.RAISED)])[Channel.EMAIL, "endpoint:desk"].in_group


def test_of_several_reasons_to_wait_the_longest_counts() -> None:
    hourly = everything(digest=Digest(frequency=DigestFrequency.HOURLY, up_to=Severity.CRITICAL))
    assert to(news(grouped=KNOWS), hourly)[Channel.EMAIL][:2] == (Answer.DIGEST, Why.DIGEST)
