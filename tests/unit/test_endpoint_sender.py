"""What is sent to endpoints arrives signed and at the pace of its target; what a target does is an outcome."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from standardwebhooks.webhooks import Webhook as Oracle
from standardwebhooks.webhooks import WebhookVerificationError
from trio.testing import MockClock

from engine.configuration.config import Config
from engine.core.breaker import FAILURES_MAX, PROBE_US
from engine.notify.answers import Gone
from engine.notify.connector import Connector
from engine.notify.endpoints import EndpointShelf
from engine.notify.health import PACES
from engine.notify.outbound import Outbound
from engine.notify.ports import EngineBusy, NotAsked, Outcome, Refused, Sent, TryLater
from engine.notify.sealing import Sealer
from engine.notify.senders import endpoint_senders
from engine.sections.notify import Notify
from protocol.endpoints import Endpoint, TargetHealth
from protocol.errors import StoreUnavailable
from protocol.model import Alert, AlertState, Severity
from protocol.notify import Change, Channel, Outgoing, Recipient, Rendered, Why
from protocol.times import SECOND_US, rfc3339
from tests.support.http_sink import Sink, a_sink, answer, break_off, hang
from tests.support.shelves import NOTIFY, Desk, a_desk, who
from tests.support.stores import NOW

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
TOKEN = "xoxb-1234567890-abcdefghij"


def an_alert(**fields: Any) -> Alert:
    fields = {
        "id": "a1",
        "framework_id": "web",
        "severity": Severity.ERROR,
        "state": AlertState.ACTIVE,
        "current_value": 950.0,
        "threshold_value": 500.0,
        "title": "Search is slow",
        "occurrences": 1,
        "triggered_at": "2026-01-05T09:00:00.000000Z",
        "last_seen_at": "2026-01-05T09:00:00.000000Z",
        "notification_sent": False,
        "labels": {"host": "h1"},
    } | fields
    return Alert(**fields)


def a_message(key: str = "msg_1", **fields: Any) -> Outgoing:
    fields = {
        "workspace": "acme",
        "channel": Channel.WEBHOOK,
        "recipient": Recipient(endpoint="e"),
        "change": Change.FIRED,
        "alerts": (an_alert(),),
        "at": NOW,
        "rendered": Rendered(subject="Search is slow", text="950 > 500"),
    } | fields
    return Outgoing(key=key, **fields)


@dataclass
class Post:
    """Endpoints in a store in memory, a server to send to, and the sender between them; `desk.now`: the wall clock."""

    desk: Desk
    sink: Sink
    outbound: Outbound
    senders: Any = None
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def shelf(self) -> EndpointShelf:
        return self.desk.shelves.endpoints

    async def made(self, **given: Any) -> Endpoint:
        given = {"id": "e", "channel": "webhook", "url": self.sink.url("/hook"), "secret": KEY} | given
        return (await self.shelf.create(who(), given)).value

    async def sends(self, message: Outgoing | None = None) -> Outcome:
        message = message or a_message()
        return await self.senders[message.channel].send(message)

    def passes(self, seconds: float) -> None:
        self.desk.now[0] += int(seconds * SECOND_US)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(seconds)

    def is_set(self, ahead_s: float) -> None:
        """Somebody sets the clock of the day; no time passes."""
        self.desk.now[0] += int(ahead_s * SECOND_US)

    async def health(self) -> TargetHealth:
        health = (await self.shelf.get(who(), "e")).once["health"]
        assert isinstance(health, TargetHealth)
        return health


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    notify = msgspec.structs.replace(NOTIFY, allow_private=("127.0.0.1/32",), apprise_schemes=("json",))
    async with a_sink() as sink, a_desk(notify=notify) as desk:
        config = Config(data=Path("data"), notify=notify)
        post = Post(desk, sink, desk.outbound)
        post.senders = endpoint_senders(desk.outbound, desk.shelves.endpoints, config, lambda: desk.now[0])
        yield post
        await desk.outbound.outside.connector.aclose()


async def test_a_message_arrives_signed_as_standard_webhooks_says(post: Post) -> None:
    await post.made()
    assert await post.sends() == Sent(is_delivered=True)
    [got] = post.sink.got
    assert (got.headers["webhook-id"], got.headers["content-type"]) == ("msg_1", "application/json")
    # The oracle compares the time of the message with the clock of this machine.
    assert got.headers["webhook-timestamp"] == str(NOW // SECOND_US)
    assert verified(got, KEY) == got.json
    with pytest.raises(WebhookVerificationError):
        verified(got, "whsec_" + base64.b64encode(b"x" * 32).decode())


def verified(got: Any, key: str) -> Any:
    """What the reference implementation of Standard Webhooks makes of a request, at the time that it names."""
    oracle = Oracle(key)
    moment = int(got.headers["webhook-timestamp"])
    signed = oracle.sign(got.headers["webhook-id"], as_datetime(moment), got.body.decode())
    if signed not in got.headers["webhook-signature"].split():
        raise WebhookVerificationError("no matching signature")
    return got.json


def as_datetime(moment: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC)


async def test_the_oracle_itself_takes_what_is_signed_now(post: Post) -> None:
    import time

    await post.made()
    post.desk.now[0] = int(time.time() * SECOND_US)
    await post.sends()
    [got] = post.sink.got
    assert Oracle(KEY).verify(got.body, got.headers) == got.json
    with pytest.raises(WebhookVerificationError):
        Oracle(KEY).verify(got.body + b" ", got.headers)


async def test_while_a_key_is_rotated_each_receiver_finds_its_signature(post: Post, mock_clock: MockClock) -> None:
    await post.made()
    held = await post.shelf.rotate(who(), "e", keep_s=60)
    await post.sends()
    post.passes(61)
    await post.sends(a_message("msg_2"))
    first, second = post.sink.got
    for key in (KEY, held.once["secret"]):
        assert verified(first, key)
    assert verified(second, held.once["secret"])
    with pytest.raises(WebhookVerificationError):
        verified(second, KEY)


async def test_a_second_attempt_has_the_same_id_and_a_time_of_its_own(post: Post, mock_clock: MockClock) -> None:
    await post.made()
    post.sink.behave.append(answer(500))
    assert await post.sends() == TryLater(None, "answered 500")
    post.passes(2)
    assert isinstance(await post.sends(), Sent)
    first, second = post.sink.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 2


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (answer(204, b""), Sent(is_delivered=True)),
        (answer(500, b"oh\nno"), TryLater(None, "answered 500 (oh)")),
        (answer(503), TryLater(None, "answered 503")),
        (answer(503, Retry_After="7"), TryLater(7.0, "answered 503")),
        (answer(408), TryLater(None, "answered 408")),
        (answer(425), TryLater(None, "answered 425")),
        (answer(429, Retry_After="12"), TryLater(12.0, "answered 429")),
        (answer(429, Retry_After="0"), TryLater(1.0, "answered 429")),
        (answer(429, Retry_After="999999"), TryLater(3600.0, "answered 429")),
        (answer(429, Retry_After="Thu, 01 Jan 2099 00:00:00 GMT"), TryLater(3600.0, "answered 429")),
        (answer(429, Retry_After="soon"), TryLater(30.0, "answered 429")),
        (answer(429), TryLater(30.0, "answered 429")),
        (
            answer(302, Location="http://10.0.0.1/"),
            Refused("answered 302: redirects are not followed, write down where it leads"),
        ),
        (answer(400, b'{"error": "bad"}\x00'), Refused('answered 400 ({"error": "bad"})')),
        (answer(401), Refused("answered 401")),
        (answer(404), Refused("answered 404")),
    ],
)
async def test_an_answer_says_whether_and_when_to_try_again(post: Post, behaviour: Any, outcome: Outcome) -> None:
    await post.made()
    post.sink.behave.append(behaviour)
    assert await post.sends() == outcome


async def test_a_server_without_an_answer_is_tried_again(post: Post, autojump_clock: MockClock) -> None:
    await post.made()
    post.sink.behave.extend([break_off, hang])
    for words in ("ended the connection", "silent for 10 s"):
        outcome = await post.sends()
        assert isinstance(outcome, TryLater) and outcome.after_s is None and words in outcome.cause


async def test_a_target_that_is_gone_is_switched_off_and_not_asked_again(post: Post) -> None:
    await post.made()
    post.sink.behave.append(answer(410))
    assert await post.sends() == Gone("answered 410: it is gone")
    kept = (await post.shelf.get(who(), "e")).value
    assert (kept.enabled, kept.why_off) == (False, "answered 410: it is gone")
    assert await post.sends() == NotAsked("the endpoint is switched off: answered 410: it is gone", Why.DISABLED)
    assert len(post.sink.got) == 1


async def test_a_store_that_is_away_does_not_hide_that_the_target_is_gone(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.made()
    post.sink.behave.append(answer(410))

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(post.desk.store, "change_objects", away)
    outcome = await post.sends()
    assert isinstance(outcome, Refused) and "gone" in outcome.cause


async def test_after_five_failures_in_a_row_only_a_probe_goes_out_each_half_minute(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * (FAILURES_MAX + 1))
    for number in range(FAILURES_MAX):
        assert await post.sends(a_message(f"m{number}")) == TryLater(None, "answered 500")
    waiting = await post.sends(a_message("m5"))
    assert waiting == TryLater(PROBE_US / SECOND_US, "5 failures in a row: answered 500")
    assert len(post.sink.got) == FAILURES_MAX
    assert (await post.health()).circuit.value == "open"
    post.passes(30)
    assert await post.sends(a_message("m5")) == TryLater(None, "answered 500")
    assert isinstance(await post.sends(a_message("m6")), TryLater)
    assert len(post.sink.got) == FAILURES_MAX + 1
    post.passes(30)
    assert isinstance(await post.sends(a_message("m6")), Sent)
    assert isinstance(await post.sends(a_message("m7")), Sent)
    health = await post.health()
    assert (health.circuit.value, health.sent, health.failed) == ("closed", 2, FAILURES_MAX + 1)
    assert health.last_cause == "answered 500"


async def test_what_raises_again_and_again_opens_the_circuit_too(
    post: Post, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.made()

    async def broken(*_: Any) -> Any:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(post.outbound.outside.connector, "post", broken)
    for _ in range(FAILURES_MAX):
        with pytest.raises(OverflowError):
            await post.sends()
    waiting = await post.sends()
    assert waiting == TryLater(PROBE_US / SECOND_US, "5 failures in a row: the sender failed: OverflowError")


async def test_for_what_this_engine_has_no_room_the_target_is_not_blamed(
    post: Post, autojump_clock: trio.testing.MockClock
) -> None:
    await post.made()
    await post.made(id="slow")
    narrow = Connector(Notify(allow_private=("127.0.0.1/32",)), connections_max=1)
    outbound = replace(post.outbound, outside=replace(post.outbound.outside, connector=narrow))
    config = Config(data=Path("data"))
    post.senders = endpoint_senders(outbound, post.shelf, config, lambda: post.desk.now[0])
    post.sink.behave.append(hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post.sends, a_message("m0", recipient=Recipient(endpoint="slow")))
        await post.sink.wait_for(1)
        for number in range(1, FAILURES_MAX + 2):
            busy = await post.sends(a_message(f"m{number}"))
            # No attempt, and the same message again in a second.
            assert busy == EngineBusy(1.0, "this engine is busy: all of its 1 connections are in use")
        nursery.cancel_scope.cancel()
    health = await post.health()
    assert (health.circuit.value, health.failed, health.held_until, health.last_cause) == ("closed", 0, None, "")
    await narrow.aclose()


async def test_a_refusal_is_an_answer_and_opens_no_circuit(post: Post) -> None:
    await post.made()
    post.sink.behave.extend([answer(404)] * (FAILURES_MAX + 2))
    for number in range(FAILURES_MAX + 2):
        assert await post.sends(a_message(f"m{number}")) == Refused("answered 404")


async def test_a_change_of_the_endpoint_closes_its_circuit(post: Post) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * FAILURES_MAX)
    for number in range(FAILURES_MAX):
        await post.sends(a_message(f"m{number}"))
    await post.shelf.patch(who(), "e", {"name": "mended"}, None)
    assert isinstance(await post.sends(a_message("m9")), Sent)


async def test_a_pause_that_a_target_asks_for_holds_for_all_messages_to_it_and_no_other(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made()
    await post.made(id="f")
    post.sink.behave.append(answer(429, Retry_After="20"))
    await post.sends(a_message("m1"))
    assert await post.sends(a_message("m2")) == TryLater(20.0, "the target asked for a pause")
    assert isinstance(await post.sends(a_message("m3", recipient=Recipient(endpoint="f"))), Sent)
    assert (await post.health()).held_until == rfc3339(NOW + 20 * SECOND_US)
    post.passes(20)
    assert (await post.health()).held_until is None
    assert isinstance(await post.sends(a_message("m2")), Sent)


HOURS_S = 2 * 3_600.0


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_clock_that_was_wrong_for_a_moment_holds_no_message_up(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.is_set(ahead_s)
    assert isinstance(await post.sends(), Sent)
    post.is_set(-ahead_s)
    room = int(PACES[Channel.WEBHOOK][1])
    assert [type(await post.sends(a_message(f"m{number}"))) for number in range(room - 1)] == [Sent] * (room - 1)


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_pause_is_as_long_as_was_asked_for_whatever_becomes_of_the_clock(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.is_set(ahead_s)
    post.sink.behave.append(answer(429, Retry_After="20"))
    await post.sends(a_message("m1"))
    post.is_set(-ahead_s)
    assert await post.sends(a_message("m2")) == TryLater(20.0, "the target asked for a pause")
    assert (await post.health()).held_until == rfc3339(NOW + 20 * SECOND_US)
    post.passes(20)
    assert isinstance(await post.sends(a_message("m2")), Sent)


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
async def test_a_circuit_has_its_probe_after_half_a_minute_whatever_becomes_of_the_clock(
    post: Post, mock_clock: MockClock, ahead_s: float
) -> None:
    await post.made()
    post.sink.behave.extend([answer(500)] * FAILURES_MAX)
    post.is_set(ahead_s)
    for number in range(FAILURES_MAX):
        await post.sends(a_message(f"m{number}"))
    post.is_set(-ahead_s)
    assert isinstance(await post.sends(a_message("m5")), TryLater)
    post.passes(30)
    assert isinstance(await post.sends(a_message("m5")), Sent)


async def test_slack_is_sent_one_message_a_second_and_the_next_says_how_many_wait(
    post: Post, mock_clock: MockClock
) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))

    async def sends(key: str) -> Outcome:
        return await post.sends(a_message(key, channel=Channel.SLACK))

    assert isinstance(await sends("m1"), Sent)
    waits = [await sends(f"m{number}") for number in (2, 3, 4)]
    assert [wait.after_s for wait in waits if isinstance(wait, TryLater)] == [1.0, 2.0, 3.0]
    assert (await post.health()).waiting == 3
    post.passes(1)
    assert [isinstance(await sends(f"m{number}"), Sent) for number in (2, 3)] == [True, False]
    assert "2 more messages wait for their turn" in post.sink.got[-1].json["text"]
    post.passes(2)
    assert [isinstance(await sends(f"m{number}"), Sent) for number in (3, 4)] == [True, True]
    assert "wait" not in post.sink.got[-1].json["text"]


async def test_a_critical_message_is_the_next_one_however_many_wait(post: Post, mock_clock: MockClock) -> None:
    await post.made(channel="slack", secret="", url=post.sink.url("/services/x"))
    critical = an_alert(severity=Severity.CRITICAL)

    async def after_s(key: str, **fields: Any) -> float | None:
        outcome = await post.sends(a_message(key, channel=Channel.SLACK, **fields))
        return outcome.after_s if isinstance(outcome, TryLater) else 0.0

    waits = [await after_s(f"m{number}") for number in range(50)]
    assert waits[-1] == 49.0
    assert await after_s("digest", alerts=(critical,), change=Change.DIGEST) == waits[-1] + 1, "it has waited already"
    assert [await after_s(key, alerts=(critical,)) for key in ("c1", "c2")] == [1.0, 2.0]
    post.passes(1)
    assert await after_s("c1", alerts=(critical,)) == 0.0


async def test_an_endpoint_that_is_not_there_or_of_another_channel_or_workspace_is_refused(post: Post) -> None:
    await post.made()
    gone = NotAsked("there is no such endpoint any more", Why.UNKNOWN)
    assert await post.sends(a_message(recipient=Recipient(endpoint="none"))) == gone
    assert await post.sends(a_message(channel=Channel.SLACK)) == gone
    assert await post.sends(a_message(workspace="other")) == gone
    assert await post.sends(a_message(recipient=Recipient(user="ann"))) == Refused(
        "people are not reached by webhook, only endpoints are"
    )
    assert post.sink.got == []


async def test_one_that_is_switched_off_by_hand_is_not_sent_to(post: Post) -> None:
    await post.made(enabled=False)
    assert await post.sends() == NotAsked("the endpoint is switched off", Why.DISABLED)


async def test_an_address_that_is_not_allowed_any_more_is_refused_when_it_is_sent_to(post: Post) -> None:
    await post.made()
    strict = replace(post.outbound.outside, connector=Connector(Notify()))
    config = Config(data=Path("data"))
    senders = endpoint_senders(replace(post.outbound, outside=strict), post.shelf, config, lambda: NOW)
    outcome = await senders[Channel.WEBHOOK].send(a_message())
    assert isinstance(outcome, Refused) and "not on the public internet" in outcome.cause
    assert post.sink.got == []


async def test_a_key_that_is_missing_is_said_and_tried_again(post: Post) -> None:
    await post.made()
    other = replace(post.outbound.outside, sealer=Sealer(b"another secret, 32 bytes long or more", Path("none")))
    shelf = EndpointShelf(post.shelf.kind, post.shelf._kit, other)
    senders = endpoint_senders(post.outbound, shelf, Config(data=Path("data")), lambda: NOW)
    outcome = await senders[Channel.WEBHOOK].send(a_message())
    assert isinstance(outcome, TryLater) and outcome.after_s is None and "restore that key" in outcome.cause


async def test_what_is_counted_of_endpoints_can_be_read(post: Post) -> None:
    await post.made()
    await post.sends()
    figures = post.outbound.statistics()
    assert (figures["requests"], figures["endpoints"], figures["circuits_open"], figures["messages_paced"]) == (
        1,
        1,
        0,
        0,
    )
