"""From an alert to whoever is told of it: a whole engine in virtual time, a sender that writes down what it gets."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.core.noting import routing_jobs
from engine.notify.ports import NotAsked, Outcome, Refused, Sent, TryLater
from engine.notify.senders import TryoutOutcome
from engine.sections.alerting import Storm
from protocol.endpoints import Endpoint
from protocol.errors import StoreUnavailable
from protocol.jobs import Queue
from protocol.model import ChannelKey, Event, EventKind, Severity
from protocol.notify import Channel, Outgoing, Why
from protocol.times import SECOND_US, rfc3339
from tests.support.alerts import an_alert
from tests.support.notified import Notified, Sink, a_notified_engine


def an_event(alert_id: str, at: int) -> Event:
    """Somebody acknowledges."""
    return Event(offset=1_000, kind=EventKind.ACKNOWLEDGED, alert=an_alert(id=alert_id), at=rfc3339(at), by="bob")


CRITICAL = {"severity": "critical"}


async def with_ann(notified: Notified, at_home: str = "UTC", **preference: Any) -> None:
    """Ann is on call for everything that the framework `web` is."""
    await notified.make("users", id="ann", email="ann@example.org", zone=at_home)
    await notified.make("teams", id="ops", members=["ann"], rota={"starts_on": "2020-01-01", "order": ["ann"]})
    await notified.make("frameworks", id="web", owner="ops")
    if preference:
        await notified.make("preferences", id="ann", **preference)


async def test_an_alert_reaches_an_endpoint_and_the_ledger_says_so(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        alert = await notified.ring()
        assert notified.sink.told() == ["fired webhook endpoint:pager"]
        assert await notified.ledger(alert) == ["fired webhook endpoint:pager delivered"]


async def test_where_nobody_can_be_told_no_job_is_made(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.ring()
        counts = await notified.parts.store.queue_counts()
        assert sum(each.completed + each.waiting for each in counts.values()) == 0


async def test_whoever_heard_the_beginning_hears_the_end_under_other_keys(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        alert = await notified.ring()
        await notified.act("resolve", alert)
        assert notified.sink.told() == ["fired webhook endpoint:pager", "resolved webhook endpoint:pager"]
        assert len({message.key for message in notified.sink.got}) == 2


async def test_whoever_did_not_hear_the_beginning_does_not_hear_the_end(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint(Endpoint(id="loud", channel=Channel.WEBHOOK, min_severity=Severity.CRITICAL))
        alert = await notified.ring()
        await notified.act("resolve", alert)
        assert notified.sink.told() == []
        assert await notified.ledger(alert) == ["fired webhook endpoint:loud suppressed severity"]


async def test_a_silenced_alert_tells_nobody_and_rings_when_the_silence_is_over(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await notified.make(
            "silences",
            matchers=[{"name": "framework_id", "operator": "=", "value": "web"}],
            ends_at=rfc3339(notified.parts.clock() + 600 * SECOND_US),
            comment="at work",
        )
        alert = await notified.ring()
        assert notified.sink.told() == []
        await notified.engine.pass_time(600)
        await notified.settle()
        assert notified.sink.told() == ["repeated webhook endpoint:pager"]
        assert await notified.ledger(alert) == ["repeated webhook endpoint:pager delivered"]


async def test_the_end_that_a_silence_held_back_is_told_after_it_and_keeps_nobody_waiting(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        first = await notified.ring(title="one")
        await notified.make(
            "silences",
            matchers=[{"name": "framework_id", "operator": "=", "value": "web"}],
            ends_at=rfc3339(notified.parts.clock() + 600 * SECOND_US),
            comment="at work",
        )
        await notified.settle()
        await notified.act("resolve", first)
        assert notified.sink.told() == ["fired webhook endpoint:pager"]
        assert notified.sink.told() == ["fired webhook endpoint:pager"]
        # Nobody heard that this one began: its acknowledgement is looked at at once, though an older job waits.
        bell = await notified.ring(title="two", severity="critical")
        store, key = notified.parts.store, (notified.workspace, "web")
        await store.enqueue(routing_jobs(ChannelKey(*key), [an_event(bell, notified.parts.clock())]))
        await notified.settle()
        assert await notified.ledger(bell) == ["acknowledged webhook endpoint:pager suppressed not_told"]
        await notified.engine.pass_time(600)
        await notified.settle()
        assert "resolved webhook endpoint:pager" in notified.sink.told()


async def test_who_is_on_call_is_told_as_he_prefers(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_ann(notified, channels={"critical": ["email"]})
        alert = await notified.ring(**CRITICAL)
        assert notified.sink.told() == ["fired email user:ann"]
        assert notified.sink.got[0].address == "ann@example.org"
        assert await notified.ledger(alert) == [
            "fired in_app user:ann suppressed preference",
            "fired email user:ann delivered",
        ]


async def test_all_of_the_team_that_owns_a_framework_are_told_where_nobody_is_on_call(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        for user in ("ann", "bob"):
            await notified.make("users", id=user, email=f"{user}@example.org")
        await notified.make("teams", id="ops", members=["ann", "bob"])
        await notified.make("frameworks", id="web", owner="ops")
        await notified.ring(**CRITICAL)
        assert sorted(notified.sink.told()) == ["fired email user:ann", "fired email user:bob"]


async def test_an_alert_whose_owner_assignee_and_endpoint_are_not_there_says_so_at_its_beginning(
    mock_clock: None,
) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        await notified.make("frameworks", id="web", owner="ops")
        rule = {"kind": "threshold", "id": "cpu", "framework": "web", "metric": "cpu", "threshold": 90}
        await notified.make("rules", **rule, notify=["nope"])
        alert = await notified.ring(rule_id="cpu", **CRITICAL)
        begun = ["fired in_app team:ops suppressed unknown", "fired webhook endpoint:nope suppressed unknown"]
        assert await notified.ledger(alert) == begun
        await notified.act("assign", alert, assignee="ghost")
        assert await notified.ledger(alert) == [*begun, "assigned in_app user:ghost suppressed unknown"]
        await notified.act("resolve", alert)
        assert len(await notified.ledger(alert)) == 3


async def test_who_acknowledges_is_not_told_of_it_and_has_answered(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_ann(notified, channels={"critical": ["email"]})
        alert = await notified.ring(**CRITICAL)
        await notified.act("acknowledge", alert)
        assert notified.sink.told() == ["fired email user:ann"]
        ledger = await notified.ledger(alert)
        assert "fired email user:ann acknowledged" in ledger
        assert "acknowledged email user:ann suppressed own_act" in ledger


async def test_a_target_that_says_later_is_tried_again_under_the_same_key(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        notified.sink.answer = lambda message: TryLater(30.0, "429: too many")
        alert = await notified.ring()
        assert await notified.ledger(alert) == ["fired webhook endpoint:pager queued"]
        notified.sink.answer = Sink().answer
        await notified.engine.pass_time(30)
        await notified.settle()
        assert len(notified.sink.got) == 2
        assert len({message.key for message in notified.sink.got}) == 1
        assert await notified.ledger(alert) == ["fired webhook endpoint:pager delivered"]


async def test_a_target_that_refuses_is_not_tried_again(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        notified.sink.answer = lambda message: Refused("400: no such hook")
        alert = await notified.ring()
        await notified.engine.pass_time(600)
        assert len(notified.sink.got) == 1
        assert await notified.ledger(alert) == ["fired webhook endpoint:pager failed refused"]


@pytest.mark.parametrize("why", [Why.DISABLED, Why.UNKNOWN])
async def test_what_waits_for_an_endpoint_that_is_off_or_gone_meanwhile_is_no_failure(
    mock_clock: None, why: Why
) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        notified.sink.answer = lambda message: NotAsked("nobody was asked", why)
        alert = await notified.ring()
        assert await notified.ledger(alert) == [f"fired webhook endpoint:pager suppressed {why.value}"]
        assert (await notified.parts.store.queue_counts())[Queue.NOTIFICATION].failed == 0


async def test_a_target_that_fails_again_and_again_is_given_up_and_hears_no_end(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        notified.sink.answer = lambda message: TryLater(None, "no answer")
        alert = await notified.ring()
        await notified.engine.pass_time(600)
        assert len(notified.sink.got) == 5
        await notified.act("resolve", alert)
        assert len(notified.sink.got) == 5
        assert (await notified.ledger(alert))[0] == "fired webhook endpoint:pager failed gave_up"


async def test_what_a_digest_gathers_is_sent_once_together_and_not_at_once(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_ann(notified, channels={"warning": ["email"]}, digest={"frequency": "hourly", "up_to": "error"})
        first = await notified.ring(title="one")
        await notified.ring(title="two")
        assert notified.sink.told() == []
        assert "fired email user:ann queued digest" in await notified.ledger(first)
        await notified.engine.pass_time(3_600)
        await notified.settle()
        assert notified.sink.told() == ["digest email user:ann"]
        assert sorted(alert.title for alert in notified.sink.got[0].alerts) == ["one", "two"]
        assert notified.sink.got[0].why is Why.DIGEST
        assert "fired email user:ann delivered digest" in await notified.ledger(first)


@pytest.mark.parametrize(("zone", "reads_in"), [(None, "Europe/Berlin"), ("Asia/Dubai", "Asia/Dubai")])
async def test_who_has_a_zone_reads_times_in_it(mock_clock: None, zone: str | None, reads_in: str) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await with_ann(notified, at_home="Europe/Berlin", channels={"warning": ["email"]}, zone=zone)
        await notified.ring()
        zones = {message.channel: message.zone for message in notified.sink.got}
        assert zones == {Channel.WEBHOOK: "UTC", Channel.EMAIL: reads_in}


async def test_a_storm_is_told_as_one_digest_and_its_alerts_not_once_more(mock_clock: None) -> None:
    async with a_notified_engine(storm=Storm(alerts_per_minute=2)) as notified:
        notified.endpoint()
        for number in range(6):
            await notified.engine.ring(title=f"bell {number}")
        await notified.settle()
        # The minute of the digest may end meanwhile: it is the wall clock's.
        assert notified.sink.told()[:2] == ["fired webhook endpoint:pager"] * 2
        await notified.engine.pass_time(600)
        assert notified.sink.told() == ["fired webhook endpoint:pager"] * 2 + ["digest webhook endpoint:pager"]
        assert len(notified.sink.got[-1].alerts) == 4
        assert notified.sink.got[-1].why is Why.STORM


async def test_a_digest_does_not_follow_one_of_its_alerts(mock_clock: None) -> None:
    async with a_notified_engine(storm=Storm(alerts_per_minute=2)) as notified:
        notified.endpoint()
        notified.sink.answer = lambda message: Sent(is_delivered=True, reference=message.change.value)
        for number in range(4):
            await notified.engine.ring(title=f"bell {number}")
        await notified.engine.pass_time(600)
        single, digest = notified.sink.got[0], notified.sink.got[-1]
        await notified.act("resolve", single.alerts[0].id, digest.alerts[0].id)
        # They are sent at the same time, in whichever order.
        previous = {each.alerts[0].id: each.previous for each in notified.sink.got[-2:]}
        assert previous == {single.alerts[0].id: "fired", digest.alerts[0].id: None}


async def test_a_chain_goes_on_until_somebody_acknowledges(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await with_ann(notified, channels={"critical": ["email"]})
        await notified.make("users", id="bob", email="bob@example.org")
        await notified.make(
            "escalations",
            id="all",
            steps=[{"after_s": 300, "users": ["bob"]}, {"after_s": 300, "endpoints": ["boss"]}],
        )
        notified.endpoint(Endpoint(id="boss", channel=Channel.WEBHOOK, frameworks=("nothing",)))
        alert = await notified.ring(**CRITICAL)
        await notified.engine.pass_time(310)
        assert notified.sink.told() == ["fired email user:ann", "escalated email user:bob"]
        await notified.act("acknowledge", alert)
        await notified.engine.pass_time(3_600)
        assert "escalated webhook endpoint:boss" not in notified.sink.told()


async def test_each_step_of_a_chain_is_told_once_and_repeated_as_often_as_it_says(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="bob", email="bob@example.org")
        await notified.make("escalations", id="all", steps=[{"after_s": 60, "users": ["bob"]}], repeat=2)
        await notified.ring(**CRITICAL)
        await notified.engine.pass_time(3_600)
        assert notified.sink.told() == ["escalated email user:bob"] * 3


async def test_whoever_was_told_is_reminded_until_it_is_over(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await notified.make("escalations", id="all", remind_every_s=600)
        alert = await notified.ring(**CRITICAL)
        await notified.engine.pass_time(1_300)
        assert notified.sink.told() == ["fired webhook endpoint:pager"] + ["reminder webhook endpoint:pager"] * 2
        await notified.act("resolve", alert)
        await notified.engine.pass_time(3_600)
        assert notified.sink.told()[3:] == ["resolved webhook endpoint:pager"]


async def test_a_test_that_meets_a_bug_says_so_and_quotes_no_secret(mock_clock: None) -> None:
    secret = "https://hooks.example.com/T0/xyzzy"

    def broken(message: Outgoing) -> Outcome:
        raise ValueError(f"cannot post to {secret}")

    async with a_notified_engine() as notified:
        await notified.make("endpoints", id="ops", channel="email", address="ops@example.com")
        notified.sink.answer = broken
        with capture_logs() as logged:
            said = await notified.parts.tryout.try_out(notified.engine.principal(), "ops")
        assert (said.outcome, said.cause) == (TryoutOutcome.TRY_LATER, "the sender failed: ValueError")
        assert "broken" in str(logged) and secret not in str((logged, said))


async def test_a_test_while_the_store_is_away_is_answered_as_any_request_is(mock_clock: None) -> None:
    def away(message: Outgoing) -> Outcome:
        raise StoreUnavailable("the store is away")

    async with a_notified_engine() as notified:
        await notified.make("endpoints", id="ops", channel="email", address="ops@example.com")
        notified.sink.answer = away
        with pytest.raises(StoreUnavailable):
            await notified.parts.tryout.try_out(notified.engine.principal(), "ops")
