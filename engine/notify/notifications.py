"""The part of the engine that notifies people: who decides, who sends, and the jobs by which they do it.

`engine.parts` builds it and hands its kinds of jobs to the workers. Senders are added by channel; what no sender is
there for is refused with the reason in the ledger, and not silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from actors.ports import Clock
from engine.core.firing import Cron
from engine.jobs.kinds import Kind
from engine.jobs.scheduler import Schedule
from engine.notify.book import NotifyBook
from engine.notify.digests import Digests
from engine.notify.escalation import Escalations
from engine.notify.grouping import Grouping
from engine.notify.ports import Renderer, Sender
from engine.notify.router import Router
from engine.notify.sending import Sending, Tools
from engine.notify.stream_word import SayOnStream
from engine.orders import StandingOrders
from engine.shelf.directory import USER
from engine.shelf.live import ObjectFigures, readable
from engine.shelf.preferences import ESCALATION
from engine.shelf.shelves import Shelves
from engine.stores import Store
from protocol.jobs import PRIO_MEDIUM
from protocol.notify import Channel


@dataclass(frozen=True)
class Notifications:
    """All of it, on one store."""

    # By channel; who adds one later adds it here.
    senders: dict[Channel, Sender]
    renderer: Renderer
    book: NotifyBook
    escalations: Escalations
    router: Router
    sending: Sending
    digests: Digests

    @property
    def kinds(self) -> list[Kind[Any]]:
        """Its kinds of jobs, but for those of schedules."""
        return [self.router.kind, *self.escalations.kinds, *self.sending.kinds]

    def follow(self, shelves: Shelves, figures: ObjectFigures) -> None:
        """Keeps in memory what it must know at once. Before `LiveObjects.load`."""
        shelves.live.follow(USER, self.book.follow_people())
        chains = partial(readable, shelves.escalations.kind, figures=figures)
        shelves.live.follow(ESCALATION, self.escalations.follow(chains))


def digest_schedule(digests: Digests) -> Schedule:
    """Looks every ten minutes for what was put aside and not sent."""
    return Schedule(name="digests", cron=Cron("*/10 * * * *"), kind=digests.kind, prio=PRIO_MEDIUM)


def build_notifications(
    store: Store,
    orders: StandingOrders,
    book: NotifyBook,
    senders: dict[Channel, Sender],
    renderer: Renderer,
    say: SayOnStream,
    clock: Clock,
    grouping: Grouping | None = None,
) -> Notifications:
    """Nothing of it runs yet. Without `grouping` each alert is told by itself, whatever incident it is part of."""
    escalations = Escalations(store, book, say, clock)
    return Notifications(
        senders=senders,
        renderer=renderer,
        book=book,
        escalations=escalations,
        router=Router(store, orders, book, escalations, clock, grouping),
        sending=Sending(Tools(store, senders, renderer, clock)),
        digests=Digests(store, clock),
    )
