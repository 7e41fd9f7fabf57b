"""Engines that notify, in virtual time: with people, endpoints, and a sender that writes down what it is handed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import trio

from engine.notify.ports import Outcome, Sent
from engine.parts import Parts
from engine.stores.deliveries import LedgerLine
from engine.verbs.people import Deed
from protocol.changes import Action
from protocol.endpoints import Endpoint
from protocol.notify import Channel, Outgoing
from protocol.times import SECOND_US
from tocsin.testing import engines
from tocsin.testing.engines import EngineUnderTest, a_config, an_engine

# Far from the end of a minute, an hour and a day: digests are sent then, by the wall clock.
BEGINS_US = int(datetime(2026, 11, 18, 10, 7, 12, tzinfo=UTC).timestamp()) * SECOND_US
PAGER = Endpoint(id="pager", channel=Channel.WEBHOOK)


class Sink:
    """A sender that takes what it gets, or answers what the test says."""

    def __init__(self) -> None:
        self.got: list[Outgoing] = []
        self.answer: Callable[[Outgoing], Outcome] = lambda message: Sent(is_delivered=True)

    async def send(self, message: Outgoing) -> Outcome:
        """Writes it down."""
        self.got.append(message)
        return self.answer(message)

    def told(self) -> list[str]:
        """Of what, and by which channel whom."""
        return [f"{each.change.value} {each.channel.value} {each.recipient.name}" for each in self.got]


class Notified:
    """An engine with somebody to tell."""

    def __init__(self, under_test: EngineUnderTest, sink: Sink) -> None:
        self.engine = under_test
        self.sink = sink

    @property
    def parts(self) -> Parts:
        """What the engine is made of."""
        parts: Parts = self.engine.engine._up
        return parts

    @property
    def workspace(self) -> str:
        """Its own."""
        return str(self.engine.engine.config.workspace)

    async def make(self, shelf: str, **fields: Any) -> None:
        """Makes an object, as an administrator does."""
        await getattr(self.parts.shelves, shelf).create(self.engine.principal(), fields)

    def endpoint(self, endpoint: Endpoint = PAGER) -> None:
        """There is an endpoint from now on."""
        self.parts.outbound.book.put(self.workspace, endpoint.id, endpoint)

    async def ring(self, **fields: Any) -> str:
        """Rings; the alert's id. What follows from it is done."""
        result = await self.engine.ring(**fields)
        await self.settle()
        return str(result.alert_id)

    async def act(self, action: str, *alert_ids: str, by: str = "ann", **fields: Any) -> None:
        """Somebody does something about alerts."""
        await self.engine.engine.service.act(
            self.engine.principal(by), alert_ids, Deed(action=Action(action), **fields)
        )
        await self.settle()

    async def settle(self) -> None:
        """Jobs that are due now are done: workers look each second at least."""
        for _ in range(4):
            await self.engine.pass_time(1.1)

    async def ledger(self, alert_id: str) -> list[str]:
        """The lines of an alert: who, of what, and what came of it."""
        lines: list[LedgerLine] = await self.parts.store.deliveries(self.workspace, alert_id, 0, 100)
        return [
            " ".join(
                (
                    line.delivery.change.value,
                    line.delivery.channel.value,
                    line.delivery.recipient.name,
                    line.delivery.state.value,
                    *([line.delivery.why.value] if line.delivery.why else []),
                )
            )
            for line in lines
        ]


@asynccontextmanager
async def a_notified_engine(**settings: Any) -> AsyncIterator[Notified]:
    """An engine whose channels all lead to one sink, but for that in the app, at ten in the morning. Needs
    `mock_clock`."""
    async with AsyncExitStack() as stack:
        with patch.object(engines, "now_us", lambda: BEGINS_US):
            engine = await stack.enter_async_context(an_engine(a_config(**settings)))
        notified = Notified(engine, Sink())
        for channel in (Channel.EMAIL, Channel.SLACK, Channel.WEBHOOK):
            notified.parts.notifications.senders[channel] = notified.sink
        yield notified
        await trio.lowlevel.checkpoint()
