"""Notifications in the app: told on a person's stream, kept in his list."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio
from msgspec.structs import replace

from engine.stores.jobs import JobQuery
from protocol import messages as m
from protocol.endpoints import Endpoint
from protocol.errors import Busy, StoreUnavailable
from protocol.hints import Notification
from protocol.jobs import Queue
from protocol.model import Severity
from protocol.notify import Channel
from tests.support.notified import Notified, a_notified_engine
from tests.support.sockets import Peer
from tocsin import Client


async def test_whoever_follows_his_stream_is_told_and_how_much_he_has_not_read(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        host, _, port = notified.engine.ws_url.removeprefix("ws://").rpartition(":")
        with trio.socket.socket() as sock:
            await sock.connect((host, int(port)))
            ann = Peer(sock)
            await ann.upgrade()
            await ann.say({"type": "auth", "token": await notified.engine.token("ann")})
            await ann.say({"type": "subscribe", "channel": "user"})
            assert isinstance(await ann.hear(), m.AuthSuccess)
            assert isinstance(await ann.hear(), m.Subscribed)
            await notified.ring(assigned_to="ann", title="disk full")
            assert isinstance(await ann.hear(), m.AlertMessage)
            told = await ann.hear()
        assert isinstance(told, Notification)
        assert (told.kind, told.text, told.unread) == ("fired", "[WARNING] disk full", 1)
        (line,) = await notified.parts.store.in_app(notified.workspace, "ann", None, 10)
        assert told.key == line.delivery.key


def http(notified: Notified, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=notified.engine.http_url, headers={"Authorization": f"Bearer {token}"}, timeout=170
    )


async def test_a_persons_list_is_his_own_and_he_says_what_he_has_read(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        for name in ("ann", "bob"):
            await notified.make("users", id=name)
        for title in ("one", "two", "three"):
            await notified.ring(assigned_to="ann", title=title)
        async with http(notified, await notified.engine.token("ann", "viewer")) as ann:
            first = (await ann.get("/api/v1/notifications?limit=2")).json()
            assert [item["alert"]["title"] for item in first["items"]] == ["three", "two"]
            assert (first["unread"], first["items"][0]["is_read"]) == (3, False)
            rest = (await ann.get(f"/api/v1/notifications?cursor={first['next_cursor']}")).json()
            assert ([item["alert"]["title"] for item in rest["items"]], rest["next_cursor"]) == (["one"], None)
            one = await ann.post("/api/v1/notifications/read", json={"keys": [first["items"][0]["key"]]})
            assert one.json() == {"read": 1, "unread": 2, "unknown": []}
            assert (await ann.get("/api/v1/notifications")).json()["unread"] == 2
            assert (await ann.post("/api/v1/notifications/read", json={})).json() == {
                "read": 2,
                "unread": 0,
                "unknown": [],
            }
        async with http(notified, await notified.engine.token("bob")) as bob:
            assert (await bob.get("/api/v1/notifications")).json() == {"items": [], "next_cursor": None, "unread": 0}


async def test_a_token_for_other_frameworks_shows_that_there_was_something_and_not_what(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        await notified.ring(assigned_to="ann")
        who = replace(notified.engine.principal("ann"), channels=("db",))
        page = await notified.parts.notify_verbs.in_app(who, None, 10)
        assert (len(page.lines), page.alerts) == (1, {})


async def test_the_ledger_of_an_alert_says_in_sentences_who_was_told_and_who_was_not(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        alone = await notified.ring(title="alone")
        notified.endpoint()
        notified.endpoint(Endpoint(id="loud", channel=Channel.WEBHOOK, min_severity=Severity.CRITICAL))
        alert = await notified.ring(title="heard")
        async with http(notified, await notified.engine.token("ann")) as ann:
            found = (await ann.get(f"/api/v1/alerts/{alert}/deliveries?limit=1")).json()
            assert (found["items"][0]["recipient"], found["explanation"]) == ("endpoint:loud", None)
            assert "only more severe alerts" in found["items"][0]["explanation"]
            rest = (await ann.get(f"/api/v1/alerts/{alert}/deliveries?cursor={found['next_cursor']}")).json()
            assert [item["explanation"] for item in rest["items"]] == ["The target has taken it."]
            assert rest["items"][0]["key"] == notified.sink.got[0].key
            nobody = (await ann.get(f"/api/v1/alerts/{alone}/deliveries")).json()
            assert (nobody["items"], "Nobody was told" in nobody["explanation"]) == ([], True)
            assert (await ann.get(f"/api/v1/alerts/{'0' * 36}/deliveries")).status_code == 404
            text = (await ann.get("/metrics")).text
        assert 'notifications_sent_total{channel="webhook",status="delivered"} 1.0' in text
        assert 'notifications_sent_total{channel="webhook",status="suppressed"} 1.0' in text


async def test_an_alert_whose_routing_was_cancelled_says_so_and_no_more_once_it_is_done(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        notified.endpoint()
        await notified.parts.store.pause(Queue.NOTIFICATION, True)
        alert = await notified.ring()
        (job,) = await notified.parts.store.jobs(JobQuery(kind="route"))
        async with http(notified, await notified.engine.token("ann")) as ann:

            async def explanation() -> Any:
                return (await ann.get(f"/api/v1/alerts/{alert}/deliveries")).json()["explanation"]

            assert "the queue notification is paused" in await explanation()
            await notified.parts.store.cancel(None, job.id)
            assert f"job {job.id}, which was to decide who is, was cancelled" in await explanation()
            await notified.parts.store.redrive(None, job.id)
            await notified.parts.store.pause(Queue.NOTIFICATION, False)
            await notified.settle()
            assert await explanation() is None


async def test_what_was_read_is_said_over_the_wire_and_answered(mock_clock: None) -> None:
    heard: list[Notification] = []
    async with a_notified_engine() as notified:
        for name in ("ann", "bob"):
            await notified.make("users", id=name)
        token = await notified.engine.token("ann", "viewer")
        async with Client(notified.engine.ws_url, token, on_notification=heard.append) as ann:
            await ann.subscribe("user")
            await notified.ring(assigned_to="bob", title="not hers")
            for title in ("one", "two", "three"):
                await notified.ring(assigned_to="ann", title=title)
            await ann.ping()
            assert [(notice.kind, notice.unread) for notice in heard] == [("fired", 1), ("fired", 2), ("fired", 3)]
            keys = [notice.key for notice in heard[:2]]
            answers = [await ann.mark_read(each) for each in (keys, [*keys, "nobody's"], None)]
            assert [(answer.read, answer.unread) for answer in answers] == [(2, 1), (0, 1), (1, 0)]
        assert await notified.parts.store.unread(notified.workspace, "bob") == 1


async def test_a_store_that_is_away_refuses_what_was_read_and_the_conversation_goes_on(mock_clock: None) -> None:
    async with (
        a_notified_engine() as notified,
        Client(notified.engine.ws_url, await notified.engine.token("ann")) as ann,
    ):

        async def away(*_: object) -> int:
            raise StoreUnavailable("the store is away")

        notified.parts.store.read = away  # type: ignore[method-assign,assignment]
        with pytest.raises(Busy, match="the store is away"):
            await ann.mark_read()
        assert await ann.ping() >= 0
