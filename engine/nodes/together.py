"""What this node has because there are others: bus, membership, forwarding, relay, news; and how it is put together.

With one process there is none of it, and nothing else of the engine asks whether there is. Each part says what it owns;
here is who is handed what. Runs as a supervisor of its own, between the store and the channels: a channel that starts
finds out who owns it. `drain` is called first when the engine stops, while everything else still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
import trio

from actors.bell import Bell
from actors.derived import DerivedStreams
from actors.forwarding import Forwarding
from actors.ports import Clock
from actors.registry import Registry
from actors.remote import RemoteKit
from actors.roster import EndWhere
from actors.supervisor import ChildSpec, Started, Strategy, Supervisor
from engine.access.identity import Identity
from engine.bus import Bus, Gap
from engine.bus.topics import inbox_of
from engine.cache.cache import Cache
from engine.configuration.config import Config
from engine.ids import new_id
from engine.jobs.works import node_name
from engine.nodes.keys import OurSeals
from engine.nodes.membership import Membership
from engine.nodes.news import News
from engine.nodes.post import Post
from engine.nodes.questions import Questions
from engine.nodes.receipts import Receipts
from engine.nodes.record import Record
from engine.nodes.relay import Relay
from engine.shelf.live import LiveObjects
from engine.stores import CommittedEvents, Store
from engine.stores.nodes import NodeRow
from engine.telemetry.metrics import Metrics
from protocol.forwarding import Answered, Forward, NodesChanged

log = structlog.get_logger()

# Others take our workspaces over meanwhile; a store that does not answer is not waited for.
DRAIN_S = 1.0
# Of the part of a node's id that no other run of a process has.
RUN_CHARS = 8


def node_id(name: str) -> str:
    """A name for this run of the process, which nobody else ever has."""
    return f"{name or node_name()}.{new_id()[-RUN_CHARS:]}"


@dataclass(frozen=True)
class Ground:
    """What there is with one node, too."""

    store: Store
    registry: Registry
    derived: DerivedStreams
    cache: Cache
    live: LiveObjects
    identity: Identity
    end_where: EndWhere
    clock: Clock


class Nodes:
    """The parts of it, and what the rest of the engine calls."""

    def __init__(self, config: Config, bus: Bus, me: NodeRow, ground: Ground) -> None:
        """Raises ConfigError if there is no secret that nodes could share."""
        self.bus = bus
        self.post = Post(me.id, bus, OurSeals(ground.identity.authenticator))
        self.membership = Membership(ground.store, me, self._announce)
        self.forwarding = Forwarding(me.id, ground.registry.cell, ground.registry.is_ours, self.post.send, ground.clock)
        self.receipts = Receipts(self.post, self.membership.others, new_id)
        self.news = News(
            self.post,
            self.receipts,
            ground.store,
            ground.live,
            ground.identity,
            ground.end_where,
            ground.registry,
            ground.derived,
        )
        self.questions = Questions(self.post, new_id, ground.clock)
        self.relay = Relay(self.post, ground.registry, ground.derived, ground.cache)
        # Rung when other workspaces may have become ours.
        self.gained = Bell()
        self._registry = ground.registry
        self.post.on(Forward, self.forwarding.asked)
        self.post.on(Answered, self.forwarding.answered)
        self.post.on(NodesChanged, lambda letter: self.membership.look())
        ground.registry.share(
            self.membership.owner_of, RemoteKit(self.forwarding.forward, answer_s=config.api.answer_s)
        )
        self.membership.on_change(ground.registry.reown)
        self.membership.on_change(self.gained.ring)
        self.record = Record(ground.store, lambda: self.membership.is_ours(""))
        self.membership.on_change(self.record.look)
        self.news.others_started = self.gained.ring
        self.membership.on_lapse = ground.registry.doubt
        self.membership.on_left = self.relay.look_everywhere
        # Requests that are lost are sent again by who asked.
        self.post.follow(inbox_of(me.id), _not_needed)
        self.news.follow()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls this whenever other workspaces may have become ours."""
        self.membership.on_change(listener)

    def committed(self, one: CommittedEvents) -> None:
        """Our store's feed."""
        self.relay.committed(one)

    def statistics(self) -> Mapping[str, float]:
        """Figures of all parts."""
        parts = {
            "membership": self.membership.statistics(),
            "forwarding": self.forwarding.statistics(),
            "letters": self.post.statistics(),
            "relay": self.relay.statistics(),
            "news": self.news.statistics(),
            "questions": self.questions.statistics(),
            "receipts": self.receipts.statistics(),
        }
        found = {f"{part}_{name}": number for part, numbers in parts.items() for name, number in numbers.items()}
        return found | {"channels_elsewhere": self._registry.elsewhere}

    async def run(self, status: Started, metrics: Metrics) -> None:
        """Runs the parts: the bus first, because the others speak over it."""
        children = [
            ChildSpec("bus", self.bus.run),
            ChildSpec("news", self.news.run),
            ChildSpec("membership", self.membership.run, start_deadline_s=float("inf")),
            ChildSpec("record", self.record.run),
        ]
        await Supervisor(children, Strategy.ONE_FOR_ONE, metrics).run(status)

    async def drain(self) -> None:
        """Others decide from now on; bounded by DRAIN_S."""
        with trio.move_on_after(DRAIN_S) as scope:
            await self.membership.drain()
        if scope.cancelled_caught:
            log.warning("drain_not_announced", after_s=DRAIN_S)

    def _announce(self) -> None:
        self.post.news(NodesChanged(origin=self.post.node))


def _not_needed(gap: Gap) -> None:
    """Nothing is lost for good with it."""
