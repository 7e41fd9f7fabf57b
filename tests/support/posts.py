"""Messages that are sent to an endpoint, and the server that takes them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from engine.configuration.config import Config
from engine.notify.endpoints import EndpointShelf
from engine.notify.outbound import Outbound
from engine.notify.ports import Outcome
from engine.notify.senders import endpoint_senders
from protocol.endpoints import Endpoint, TargetHealth
from protocol.model import Alert, AlertState, Severity
from protocol.notify import Change, Channel, Outgoing, Recipient, Rendered
from protocol.times import SECOND_US
from tests.support.http_sink import Sink, a_sink
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
