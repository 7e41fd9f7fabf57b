"""What runs while an engine runs, and what a crash of it means: the one ordered list that is the supervision tree.

The children start in the order of the list and stop in reverse; when one crashes, it and those after it are restarted
(rest-for-one): parts hold what was made by those before them. Helpers and sources are trees of their own, one for one.
Owns what outlives those runs (roster, doors, keys, memory guard). What is made anew with the store is `engine.opened`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio

from actors.bell import Bell
from actors.roster import Roster
from actors.supervisor import ChildSpec, Started, Strategy, Supervisor, TooManyRestarts
from actors.ticker import TICK_S
from engine.access.identity import Identity
from engine.access.key_watch import KeyWatch
from engine.bounds import retention_of, roster_limits, turns
from engine.bus.build import needs_foreign
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.doors import Doors
from engine.foreign import ForeignLoop
from engine.jobs.works import node_name, stop_s
from engine.keepers.unsettled import keep_starting
from engine.opened import OpenParts
from engine.own_sources import OwnSources
from engine.parts import Parts, build
from engine.stages import Base
from engine.stores import Store
from engine.telemetry.gauges import Watched, watch_engine
from engine.telemetry.lag import LoopLag
from engine.telemetry.lately import LOOK_EVERY_S
from engine.telemetry.memory import MemoryGuard
from engine.telemetry.metrics import Metrics
from engine.telemetry.own_health import OwnHealth
from engine.telemetry.suppressed import WRITE_EVERY_S
from engine.tracing.opening import NotFollowing, open_tracing
from engine.verbs.system import SupervisorShown, supervisor_shown
from engine.world import World
from protocol.errors import StoreRefused

# All helpers: the jobs, and a moment for the others. With less, the store would be closed before they are handed back.
HELPERS_STOP_MORE_S = 1.0
FATAL = (ConfigError, StoreRefused)


class Tree:
    """The supervision tree of one engine."""

    def __init__(self, config: Config, world: World, metrics: Metrics, identity: Identity) -> None:
        self._config = config
        self._world = world
        self._metrics = metrics
        self._identity = identity
        self._opened = OpenParts(self._open_store, self._build, identity.revocations)
        self._roster = Roster(metrics, roster_limits(config.gateway))
        self.keys = KeyWatch(config, identity, self._roster.end_where)
        self._memory = MemoryGuard(config.gateway.memory_soft_bytes, self._roster.overloaded)
        self._following = open_tracing(config.tracing, node_name(), config.store_url, world.spans_to)
        if not isinstance(self._following, NotFollowing):
            metrics.watch("traces", self._following.statistics)
            metrics.on_drained = self._following.tracer.drained
        self._lag = LoopLag(metrics.loop_lagged)
        self.own_health = OwnHealth(metrics, lambda: self._opened.now)
        self.doors = Doors(
            config,
            world,
            metrics,
            self._roster,
            lambda: self.up,
            self.own_health,
            self._following.app,
            self.supervision,
        )
        self._foreign = ForeignLoop()
        self._helpers = Supervisor(self._helper_children(), Strategy.ONE_FOR_ONE, metrics)
        own_sources = OwnSources(config, lambda: self.up, self.own_health)
        self._sources = Supervisor(own_sources.children(), Strategy.ONE_FOR_ONE, metrics)
        self._supervisor = Supervisor(self._children(), Strategy.REST_FOR_ONE, metrics)
        foreign = self._foreign if needs_foreign(config) else None
        watched = Watched(self._roster, self.doors, self.keys, identity, self._lag, foreign)
        watch_engine(metrics, watched, lambda: self._opened.now)
        metrics.watch("own_source", own_sources.statistics)
        metrics.watch("health_score", lambda: self.own_health.health().score)
        metrics.add(self.own_health.families)

    @property
    def up(self) -> Parts:
        """What there is now. Raises StoreUnavailable while the store is not open."""
        return self._opened.up

    def statistics(self) -> dict[str, Any]:
        """Counters of the gateway, the channels, the store and the supervision tree."""
        parts = self._opened.now
        return {
            "gateway": self._roster.statistics(),
            "channels": parts.registry.statistics() if parts else {},
            "store": parts.store.statistics() if parts else {},
            "supervision": self._supervisor.statistics() | self._helpers.statistics() | self._sources.statistics(),
        }

    def supervision(self) -> list[SupervisorShown]:
        """The tree as it stands: whom a crash of which part takes along, who runs, and who was restarted."""
        trees = {"engine": self._supervisor, "helpers": self._helpers, "sources": self._sources}
        return [supervisor_shown(name, each.strategy.value, each.statistics()) for name, each in trees.items()]

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Runs until cancelled, or until a child is past its restart intensity."""
        await self._supervisor.run(task_status)  # type: ignore[arg-type]  # trio's status takes None only, so do we

    def _children(self) -> Sequence[ChildSpec]:
        """The tree, in order of start. A crash of a helper or a source is its own affair; sockets stay up."""
        drain_s = self._config.gateway.drain_s + self._config.gateway.close_s
        foreign = [ChildSpec("foreign", self._foreign.run)] if needs_foreign(self._config) else []
        return [
            # First up and last down: what others do at their end is told.
            *([] if isinstance(self._following, NotFollowing) else [ChildSpec("traces", self._following.run)]),
            *foreign,
            # Before the store knows of us: whoever cannot be reached must not be a node even for a moment.
            ChildSpec("ports", self.doors.run_ports, fatal=FATAL),
            # Checking a large file, or waiting for a store that is away, takes as long as it takes.
            ChildSpec("store", self._opened.run, fatal=FATAL, start_deadline_s=math.inf),
            # Before the channels, which ask it who decides for them. The first look at the other nodes needs the store.
            ChildSpec("nodes", self._run_nodes, start_deadline_s=math.inf),
            ChildSpec("channels", self._run_channels, start_deadline_s=math.inf),
            ChildSpec(
                "helpers",
                self._helpers.run,
                fatal=(TooManyRestarts,),
                start_deadline_s=math.inf,
                stop_deadline_s=stop_s(self._config.jobs) + HELPERS_STOP_MORE_S,
            ),
            ChildSpec("sources", self._sources.run, fatal=(TooManyRestarts,), start_deadline_s=math.inf),
            ChildSpec("http", self.doors.run_http, fatal=FATAL),
            ChildSpec("gateway", self.doors.run_gateway, fatal=FATAL, stop_deadline_s=drain_s),
            # First down: while the sockets say goodbye, what is in hand can end.
            ChildSpec("claiming", self._run_claiming),
            # Even before: other nodes take our workspaces over while we still serve.
            ChildSpec("duty", self._run_duty),
        ]

    def _helper_children(self) -> Sequence[ChildSpec]:
        part = self._opened.part
        return [
            ChildSpec("derived", part(lambda parts: parts.derived.run)),
            ChildSpec("presence", part(lambda parts: parts.presence.run)),
            ChildSpec("recipients", part(lambda parts: parts.recipients.run)),
            ChildSpec("upkeep", part(lambda parts: parts.upkeep.run)),
            ChildSpec("quiet", part(lambda parts: parts.quiet_keeper.run)),
            ChildSpec("incidents", part(lambda parts: parts.incident_keeper.run)),
            ChildSpec("rollups", part(lambda parts: parts.rollups.run)),
            ChildSpec("counting", part(lambda parts: parts.counting.run)),
            ChildSpec("uptime", part(lambda parts: parts.analytics.uptime.run)),
            ChildSpec("cache", part(lambda parts: parts.cache.run)),
            ChildSpec("keys", self.keys.run),
            ChildSpec("ticker", part(lambda parts: parts.ticker.run)),
            ChildSpec("lag", self._lag.run),
            # Before the workers, so that it ends after them.
            ChildSpec("outbound", part(lambda parts: parts.outbound.run)),
            ChildSpec("mail", part(lambda parts: parts.mail.mailer.run)),
            ChildSpec(
                "workers",
                part(lambda parts: parts.works.workers.run),
                stop_deadline_s=stop_s(self._config.jobs),
            ),
            ChildSpec("queue-gauges", part(lambda parts: parts.works.gauges.run)),
            ChildSpec("scheduler", part(lambda parts: parts.works.scheduler.run)),
        ]

    def _open_store(self) -> AbstractAsyncContextManager[Store]:
        return self._world.open_store(
            self._config.store_url,
            retention=retention_of(self._config),
            clock=self._world.clock,
            on_commit=self._metrics.committed,
            cache_bytes=self._config.store_cache_bytes,
            foreign=self._foreign if needs_foreign(self._config) else None,
        )

    def _build(self, store: Store) -> Parts:
        parts = build(
            Base(
                store,
                self._config,
                self._world,
                self._identity,
                self._metrics,
                self._roster,
                self._foreign,
                self._following,
                self.doors.http_url,
            )
        )
        self._beat(parts)
        return parts

    def _beat(self, parts: Parts) -> None:
        """What is due every so often, on these parts or on what outlives them."""
        gateway = self._config.gateway
        parts.ticker.every(gateway.heartbeat_s / turns(gateway.heartbeat_s), self._roster.ping_next)
        parts.ticker.every(TICK_S, self._memory.look)
        parts.ticker.every(LOOK_EVERY_S, self.own_health.look)
        parts.ticker.every(WRITE_EVERY_S, self._metrics.suppressed.write)
        parts.ticker.every(gateway.position_s / turns(gateway.position_s), parts.proofs.prove)

    async def _run_channels(self, status: Started) -> None:
        parts = self.up
        async with trio.open_nursery() as nursery:
            gained = Bell() if parts.nodes is None else parts.nodes.gained
            nursery.start_soon(keep_starting, parts.store, parts.registry, gained)
            await parts.registry.run(status)

    async def _run_nodes(self, status: Started) -> None:
        nodes = self.up.nodes
        if nodes is not None:
            await nodes.run(status, self._metrics)
        else:
            status.started()
            await trio.sleep_forever()

    async def _run_duty(self, status: Started) -> None:
        nodes = self.up.nodes
        if nodes is not None:
            # The former run may have ended because a door crashed, and not the engine's end.
            nodes.membership.take_part()
        status.started()
        try:
            await trio.sleep_forever()
        finally:
            if nodes is not None:
                with trio.CancelScope(shield=True):
                    await nodes.drain()

    async def _run_claiming(self, status: Started) -> None:
        workers = self.up.works.workers
        workers.resume()
        status.started()
        try:
            await trio.sleep_forever()
        finally:
            workers.rest()
