"""Routing and sending on a real store, one job at a time: for tests of what happens between two of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.ports import Clock
from engine.core.noting import routing_jobs
from engine.jobs.desk import Desk
from engine.jobs.kinds import Kinds
from engine.notify.book import NotifyBook
from engine.notify.kept_endpoints import KeptEndpoints
from engine.notify.notifications import Notifications, build_notifications
from engine.orders import StandingOrders
from engine.stores import Store
from engine.stores.jobs import JobQuery
from engine.stores.objects import ObjectChange
from protocol.commands import Escalate
from protocol.endpoints import Endpoint
from protocol.items import ItemResult
from protocol.jobs import Claimed, JobState, Queue, Settlement
from protocol.model import Alert, ChannelKey, Event, EventKind, Reason, Status
from protocol.notify import Channel, Delivery, Outgoing, Recipient, Rendered
from protocol.times import rfc3339
from tests.support.jobs import clock, job_store
from tests.support.notified import PAGER, Sink
from tests.support.stores import KEY, a_commit, a_row, an_alert, committed

PAGER_NAME = Recipient(endpoint=PAGER.id)


class Plain:
    """A renderer that says the least."""

    async def render(self, message: Outgoing) -> Rendered:
        """The change."""
        return Rendered(subject=message.change.value, text=message.change.value)


async def _said(key: ChannelKey, command: Escalate) -> ItemResult:
    """There is no channel; whoever says a step on its stream has said it."""
    return ItemResult(status=Status.ESCALATED, reason=Reason.ESCALATED)


class Dispatch:
    """A store, those who notify on it, and whoever does their jobs by hand."""

    def __init__(self, store: Store, notifications: Notifications, sink: Sink, clock: Clock = clock) -> None:
        self.store = store
        self.notifications = notifications
        self.sink = sink
        self._desk, self._clock = Desk(Kinds(notifications.kinds), clock), clock
        # Of alerts that are stored; and of what happens to them, which is not.
        self._stored, self._offset = 0, 1_000

    async def alerts(self, count: int = 1, **fields: Any) -> list[Alert]:
        """New ones, stored; nobody is told of them yet."""
        rows = [a_row(an_alert(framework_id=KEY.framework, **fields)) for _ in range(count)]
        await committed(self.store, a_commit(base=self._stored, rows=rows))
        self._stored += count
        return [row.alert for row in rows]

    async def keep(self, kind: str, object_id: str, /, **fields: Any) -> None:
        """An object as some version of the program has stored it: nobody checks it."""
        body = json.dumps({"id": object_id, **fields})
        made = ObjectChange(
            workspace=KEY.workspace,
            kind=kind,
            id=object_id,
            body=body,
            by="eve",
            at=self._clock(),
            verb=f"create_{kind}",
        )
        await self.store.change_objects([made])

    async def note(self, kind: EventKind, *alerts: Alert, by: str | None = None) -> list[int]:
        """Something has happened to these alerts; the numbers of the jobs that route it."""
        return await self.note_all(self.event(kind, *alerts, by=by))

    async def note_all(self, *events: Event) -> list[int]:
        """All of it has happened in one decision."""
        return [made.id for made in await self.store.enqueue(routing_jobs(KEY, events))]

    def event(self, kind: EventKind, *alerts: Alert, by: str | None = None) -> Event:
        """The next one."""
        self._offset += 1
        ids = tuple(alert.id for alert in alerts)
        return Event(offset=self._offset, kind=kind, alert=alerts[0], alert_ids=ids, at=rfc3339(self._clock()), by=by)

    async def claim(self, most: int = 1) -> list[Claimed]:
        """The next jobs, as a worker takes them."""
        return await self.store.claim("n", {Queue.NOTIFICATION: most}, 30.0)

    async def do(self, claimed: Claimed) -> Settlement:
        """What comes of a job; nothing of it is stored yet."""
        return await self._desk.do(claimed)

    async def settle(self, *settlements: Settlement) -> list[bool]:
        """Now it is."""
        return await self.store.settle(settlements)

    async def work(self) -> None:
        """Does all that is due."""
        while claimed := await self.claim():
            await self.settle(*[await self.do(one) for one in claimed])

    async def lines(self, *alerts: Alert) -> list[Delivery]:
        """The ledger of these alerts."""
        found = await self.store.deliveries_of(KEY.workspace, [alert.id for alert in alerts])
        return [line for alert in alerts for line in found.get(alert.id, [])]

    async def ended(self, state: JobState) -> list[int]:
        """Jobs that ended so."""
        return [job.id for job in await self.store.jobs(JobQuery(state=state))]


@asynccontextmanager
async def a_dispatch(
    endpoints: Sequence[Endpoint] = (PAGER,),
    wrapped: type[Any] | None = None,
    url: str = "memory:",
    clock: Clock = clock,
) -> AsyncIterator[Dispatch]:
    """`wrapped`: what is to stand between those who notify and the store, which is at `url`."""
    async with job_store(clock, url) as store:
        sink = Sink()
        orders = StandingOrders((), KEY.workspace)
        seen = store if wrapped is None else wrapped(store)
        senders = dict.fromkeys((Channel.WEBHOOK, Channel.EMAIL, Channel.SLACK), sink)
        kept = KeptEndpoints()
        book = NotifyBook(orders, lambda workspace, framework: None, kept)
        parts = build_notifications(seen, orders, book, senders, Plain(), _said, clock)
        for endpoint in endpoints:
            kept.put(KEY.workspace, endpoint.id, endpoint)
        yield Dispatch(store, parts, sink, clock)
