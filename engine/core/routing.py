"""Who is told of a change of an alert, by which channel, and when: the one point at which all of it is decided. Pure.

    the alert ─▶ the endpoint's filters, or the person's channels for this severity ─▶ was the start told? ─▶ storm
              ─▶ its incident ─▶ quiet hours ─▶ digest ─▶ send

Each channel of each recipient gets one answer: send, put aside for a digest, or not at all and why. So what is in a
digest is never told at once as well. Whoever was told that something began is told that it ended, whatever his filters
say by then; whoever was not is not ("done only if start was sent"). What is quieted never comes here, but for what a
storm holds back: that is put aside, and told together a minute later. An escalation passes quiet hours and digests:
it exists because nobody has reacted. What belongs to an incident of which people were told goes with what else joins
that, a few minutes later, unless it is more severe than all that they were told of it; machines get each by itself, and
the app's list is quiet anyway.

Decided against: asking preferences where messages are sent (by then an hour may have passed, and a digest would know
nothing of what went at once); a digest in the app (its list is quiet by itself).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from engine.core.agenda import NEVER
from engine.core.rules.schedule import hours_of
from protocol.endpoints import Endpoint
from protocol.model import Alert, Severity
from protocol.notify import PERSONAL, TOLD, Change, Channel, Delivery, DeliveryState, Recipient, Why
from protocol.preferences import Digest, DigestFrequency, Preference
from protocol.rules import ActiveHours
from protocol.times import SECOND_US

# Whoever has not said otherwise: the app's list for everything, a mail for what will not wait until he looks.
USUAL = {
    Severity.INFO: (Channel.IN_APP,),
    Severity.WARNING: (Channel.IN_APP,),
    Severity.ERROR: (Channel.IN_APP, Channel.EMAIL),
    Severity.CRITICAL: (Channel.IN_APP, Channel.EMAIL),
}
# Changes that concern people alone, and those that are sent at once whatever the hour.
_PERSONAL = frozenset({Change.ASSIGNED})
_URGENT = frozenset({Change.ESCALATED, Change.REMINDER, Change.TEST})
# How long a storm gathers: Alertmanager's group_wait is half of it, the budget is one of a minute.
STORM_GATHERS_US = 60 * SECOND_US
# How long what joins an incident is gathered: Alertmanager's group_interval.
GROUP_GATHERS_US = 300 * SECOND_US
# Whom one message for many is a relief.
_GROUPED = frozenset({Channel.EMAIL, Channel.SLACK, Channel.APPRISE})
# Where a channel and a recipient stand, by both.
Place = tuple[Channel, str]
_NOBODY: Mapping[Place, int] = {}


class Person(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Somebody whom an alert concerns: where he is, and what he prefers."""

    id: str
    email: str = ""
    slack_id: str = ""
    zone: str = "UTC"
    preference: Preference | None = None

    @property
    def reads_in(self) -> str:
        """The zone of his hours and digests, and of the times that he reads."""
        return (self.preference.zone if self.preference is not None else None) or self.zone

    def address(self, channel: Channel) -> str:
        """Where he is by this channel; empty: nowhere. The app needs no more than his name."""
        return {Channel.EMAIL: self.email, Channel.SLACK: self.slack_id, Channel.IN_APP: self.id}.get(channel, "")


class News(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What has happened: the alert after it, by whom, and the endpoints that its rule names (empty: all).

    `in_storm`: a storm held it back. `grouped`: who was told at once of its incident, and the highest severity of that.
    """

    change: Change
    alert: Alert
    by: str | None = None
    rule_notify: tuple[str, ...] = ()
    in_storm: bool = False
    grouped: Mapping[Place, int] = _NOBODY


class Answer(Enum):
    """What is to be done."""

    SEND = "send"
    DIGEST = "digest"
    SUPPRESS = "suppress"


class Routed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer for one channel of one recipient. `due`: when its digest is (microseconds)."""

    channel: Channel
    recipient: Recipient
    answer: Answer
    why: Why | None = None
    due: int | None = None


class Heard(NamedTuple):
    """What a recipient has heard of an alert by one channel, or will."""

    was_told: bool = False
    # It is in a digest of a storm, or will be.
    in_storm: bool = False
    # Its beginning went, or will go, with what else joined its incident.
    in_group: bool = False


_NOTHING = Heard()


def heard(deliveries: Iterable[Delivery]) -> dict[Place, Heard]:
    """What was told of one alert, by channel and recipient."""
    known: dict[Place, Heard] = {}
    for each in deliveries:
        hear(known, each)
    return known


def hear(known: dict[Place, Heard], delivery: Delivery) -> None:
    """Adds the next delivery of the alert. What waits to be sent will be: that counts."""
    place = (delivery.channel, delivery.recipient.name)
    before = known.get(place, _NOTHING)
    if delivery.state in TOLD or delivery.state is DeliveryState.QUEUED:
        in_group = delivery.why is Why.GROUPED if delivery.change.is_start else before.in_group
        in_storm = delivery.why is Why.STORM or before.in_storm
        known[place] = Heard(was_told=True, in_storm=in_storm, in_group=in_group)
    elif delivery.state is DeliveryState.FAILED and delivery.due is not None and before.in_storm:
        # An earlier storm was told of; of the last one he has heard nothing.
        known[place] = before._replace(in_storm=False)


def route(
    news: News, endpoints: Sequence[Endpoint], people: Sequence[Person], known: Mapping[Place, Heard], now: int
) -> Iterator[Routed]:
    """An answer for each channel of each recipient that there is; one at a time, because there may be many."""
    if news.change not in _PERSONAL:
        for endpoint in endpoints:
            yield _to_endpoint(news, endpoint, known, now)
    for person in people:
        yield from _to_person(news, person, known, now)


def _to_endpoint(news: News, endpoint: Endpoint, known: Mapping[Place, Heard], now: int) -> Routed:
    recipient = Recipient(endpoint=endpoint.id)
    told = known.get((endpoint.channel, recipient.name), _NOTHING)
    why = _unheard(news, told) or _refusal(news, endpoint, told)
    if why is not None:
        return Routed(channel=endpoint.channel, recipient=recipient, answer=Answer.SUPPRESS, why=why)
    place = (endpoint.channel, recipient.name)
    put_aside = {Why.STORM: _storm_due(news, now), Why.GROUPED: _group_due(news, place, told, now)}
    return _sent(endpoint.channel, recipient, put_aside)


def is_named(endpoint: Endpoint, names: Collection[str]) -> bool:
    """Whether it is one of these."""
    return any(name in names for name in endpoint.names)


def _refusal(news: News, endpoint: Endpoint, told: Heard) -> Why | None:
    """Why an endpoint does not take this, by its own filters."""
    if not endpoint.enabled:
        return Why.DISABLED
    if told.was_told or news.change is Change.ESCALATED:
        # Whoever wrote a step that names it means it, whatever it takes by itself.
        return None
    if news.rule_notify and not is_named(endpoint, news.rule_notify):
        return Why.RULE
    if endpoint.frameworks and news.alert.framework_id not in endpoint.frameworks:
        return Why.FRAMEWORK
    return Why.SEVERITY if news.alert.severity.rank < endpoint.min_severity.rank else None


def _unheard(news: News, told: Heard) -> Why | None:
    """Why somebody is not told of what follows, or once more."""
    if not news.change.is_start and not told.was_told:
        return Why.NOT_TOLD
    # Its turn has come: it is told with the others of the storm, unless that has failed.
    return Why.STORM if told.in_storm and news.change is Change.REPEATED else None


def _storm_due(news: News, now: int) -> int | None:
    """When that which a storm holds back is told (microseconds); None: it does not hold this back."""
    if not news.in_storm or news.change.is_end:
        return None
    # All of a minute together, whoever was first.
    return (now // STORM_GATHERS_US + 1) * STORM_GATHERS_US


def _group_due(news: News, place: Place, told: Heard, now: int) -> int | None:
    """When that which belongs to a known incident is told (microseconds); None: not with others."""
    if place[0] not in _GROUPED or news.change in _URGENT | _PERSONAL or news.change is Change.RAISED:
        return None
    if news.change.is_start:
        # Whoever was told of this alert by itself follows it.
        highest = None if told.was_told and not told.in_group else news.grouped.get(place)
        is_held = highest is not None and news.alert.severity.rank <= highest
    else:
        is_held = told.in_group
    # All of these minutes together, whoever was first.
    return (now // GROUP_GATHERS_US + 1) * GROUP_GATHERS_US if is_held else None


def _sent(channel: Channel, recipient: Recipient, put_aside: Mapping[Why, int | None]) -> Routed:
    """At once or, for the reason that holds longest, with a digest; not at all if that is never."""
    last = max(put_aside.items(), key=lambda reason: reason[1] or 0)
    if last[1] is None:
        return Routed(channel=channel, recipient=recipient, answer=Answer.SEND)
    if last[1] == NEVER:
        return Routed(channel=channel, recipient=recipient, answer=Answer.SUPPRESS, why=last[0])
    return Routed(channel=channel, recipient=recipient, answer=Answer.DIGEST, why=last[0], due=last[1])


def _to_person(news: News, person: Person, known: Mapping[Place, Heard], now: int) -> Iterator[Routed]:
    preference = person.preference or Preference(id=person.id)
    wanted = channels_for(preference, news.alert.severity)
    recipient = Recipient(user=person.id)
    for channel in PERSONAL:
        told = known.get((channel, recipient.name), _NOTHING)
        if channel not in wanted and not told.was_told:
            if person.address(channel) and news.change.is_start:
                yield Routed(channel=channel, recipient=recipient, answer=Answer.SUPPRESS, why=Why.PREFERENCE)
            continue
        why = _unheard(news, told) or _personal_refusal(news, person, channel)
        if why is not None:
            yield Routed(channel=channel, recipient=recipient, answer=Answer.SUPPRESS, why=why)
        else:
            yield _when(news, person, preference, channel, told, now)


def channels_for(preference: Preference, severity: Severity) -> tuple[Channel, ...]:
    """By which channels somebody wants to be told of an alert of this severity."""
    return preference.channels.get(severity, USUAL[severity])


def _personal_refusal(news: News, person: Person, channel: Channel) -> Why | None:
    if not person.address(channel):
        return Why.NO_ADDRESS
    return Why.OWN_ACT if news.by == person.id and news.change not in _URGENT else None


def _when(news: News, person: Person, preference: Preference, channel: Channel, told: Heard, now: int) -> Routed:
    """At once, or with which digest."""
    recipient, rank = Recipient(user=person.id), news.alert.severity.rank
    group_due = _group_due(news, (channel, recipient.name), told, now)
    reasons: dict[Why, int | None] = {Why.STORM: _storm_due(news, now), Why.GROUPED: group_due}
    if channel is not Channel.IN_APP and news.change not in _URGENT:
        zone = person.reads_in
        if rank < preference.quiet_below.rank:
            reasons[Why.QUIET_HOURS] = quiet_until(preference, zone, now)
        if rank <= preference.digest.up_to.rank:
            reasons[Why.DIGEST] = next_digest(preference.digest, zone, now)
    return _sent(channel, recipient, reasons)


def quiet_until(preference: Preference, zone: str, now: int) -> int | None:
    """When somebody's quiet hours end (NEVER: not at all); None: it is none of them now."""
    quiet = preference.quiet_hours
    if quiet is None:
        return None
    hours = hours_of(ActiveHours(start=quiet.start, end=quiet.end, days=quiet.days, zone=zone))
    is_quiet, until = hours.at(now)
    return until if is_quiet else None


def next_digest(digest: Digest, zone: str, now: int) -> int | None:
    """When the next digest is (microseconds); None: there are none.

    A daily one comes at its hour by the wall clock. In the night in which that hour is skipped it is as long after
    midnight as it would have been; of an hour that comes twice the first counts (PEP 495, fold 0).
    """
    if digest.frequency is DigestFrequency.OFF:
        return None
    if digest.frequency is DigestFrequency.HOURLY:
        hour_us = 3_600 * SECOND_US
        return (now // hour_us + 1) * hour_us
    today = datetime.fromtimestamp(now // SECOND_US, ZoneInfo(zone)).replace(
        hour=digest.hour, minute=0, second=0, fold=0
    )
    moment = _moment(today)
    return moment if moment > now else _moment(today + timedelta(days=1))


def _moment(local: datetime) -> int:
    return int(local.astimezone(UTC).timestamp()) * SECOND_US
