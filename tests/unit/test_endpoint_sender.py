"""What is sent to endpoints arrives signed; what a target does is an outcome."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Oracle
from standardwebhooks.webhooks import WebhookVerificationError
from trio.testing import MockClock

from engine.configuration.config import Config
from engine.notify.answers import Gone
from engine.notify.connector import Connector
from engine.notify.endpoints import EndpointShelf
from engine.notify.ports import NotAsked, Outcome, Refused, Sent, TryLater
from engine.notify.sealing import Sealer
from engine.notify.senders import endpoint_senders
from engine.sections.notify import Notify
from protocol.errors import StoreUnavailable
from protocol.notify import Channel, Recipient, Why
from protocol.times import SECOND_US
from tests.support.http_sink import answer, break_off, hang
from tests.support.posts import KEY, Post, a_message, post
from tests.support.shelves import who
from tests.support.stores import NOW

__all__ = ["post"]


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
