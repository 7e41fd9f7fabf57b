"""What runs while an engine runs, and what a crash of it means: the one ordered list that is the supervision tree.

The children start in the order of the list and stop in reverse; when one crashes, it and those after it are restarted
(rest-for-one): parts hold what was made by those before them. Helpers and sources are trees of their own, one for one.
Owns what outlives those runs (roster, doors, keys, memory guard), and the parts, which are made when the store was
opened and gone when it is closed: who comes in between is told to try again.
"""

from __future__ import annotations

import functools
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
import trio

from actors.bell import Bell
from actors.patience import answered, pause
from actors.roster import Roster
from actors.supervisor import ChildSpec, Started, Strategy, Supervisor, TooManyRestarts
from actors.ticker import TICK_S
from engine.access.identity import Identity
from engine.access.key_watch import KeyWatch
from engine.access.roles import SYSTEM_WORKSPACE
from engine.bounds import retention_of, roster_limits, turns
from engine.bus.build import needs_foreign
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.doors import Doors
from engine.foreign import ForeignLoop
from engine.jobs.works import node_name, stop_s
from engine.keepers.unsettled import keep_starting
from engine.parts import Parts, build
from engine.sections.watching import OWN_FRAMEWORK
from engine.sources.handing import Submit
from engine.sources.host import nearest_there, watch_host
from engine.sources.own import OwnSource
from engine.stages import Base
from engine.stores import CommittedEvents, Store
from engine.telemetry.gauges import Watched, watch_engine
from engine.telemetry.lag import LoopLag
from engine.telemetry.lately import LOOK_EVERY_S
from engine.telemetry.memory import MemoryGuard
from engine.telemetry.metrics import Metrics
from engine.telemetry.own_health import SHARED, OwnHealth
from engine.telemetry.suppressed import WRITE_EVERY_S
from engine.tracing.opening import NotFollowing, open_tracing
from engine.verbs.system import SupervisorShown, supervisor_shown
from engine.world import World
from protocol.errors import Busy, NotYet, StoreRefused, StoreUnavailable
from protocol.items import ItemResult, ReadingInput
from protocol.model import NEVER_EXPIRES, Principal

log = structlog.get_logger()

# All helpers: the jobs, and a moment for the others. With less, the store would be closed before they are handed back.
HELPERS_STOP_MORE_S = 1.0
FATAL = (ConfigError, StoreRefused)

Run = Callable[[Started], Awaitable[None]]


class Tree:
    """The supervision tree of one engine."""

    def __init__(self, config: Config, world: World, metrics: Metrics, identity: Identity) -> None:
        self._config = config
        self._world = world
        self._metrics = metrics
        self._identity = identity
        self.parts: Parts | None = None
        self._has_been_up = False
        self._roster = Roster(metrics, roster_limits(config.gateway))
        self.keys = KeyWatch(config, identity, self._roster.end_where)
        self._memory = MemoryGuard(config.gateway.memory_soft_bytes, self._roster.overloaded)
        self._following = open_tracing(config.tracing, node_name(), config.store_url, world.spans_to)
        if not isinstance(self._following, NotFollowing):
            metrics.watch("traces", self._following.statistics)
            metrics.on_drained = self._following.tracer.drained
        self._lag = LoopLag(metrics.loop_lagged)
        self.own_health = OwnHealth(metrics, lambda: self.parts)
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
        self._sources = Supervisor(self._source_children(), Strategy.ONE_FOR_ONE, metrics)
        self._supervisor = Supervisor(self._children(), Strategy.REST_FOR_ONE, metrics)
        foreign = self._foreign if needs_foreign(config) else None
        watched = Watched(self._roster, self.doors, self.keys, identity, self._lag, foreign)
        watch_engine(metrics, watched, lambda: self.parts)
        self._own_source: OwnSource | None = None
        metrics.watch("own_source", lambda: self._own_source.statistics() if self._own_source else {})
        metrics.watch("health_score", lambda: self.own_health.health().score)
        metrics.add(self.own_health.families)

    @property
    def up(self) -> Parts:
        """What there is now. Raises StoreUnavailable while the store is not open."""
        if self.parts is None:
            raise StoreUnavailable("the engine is starting or stopping; try again in a moment")
        return self.parts

    def statistics(self) -> dict[str, Any]:
        """Counters of the gateway, the channels, the store and the supervision tree."""
        parts = self.parts
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
            ChildSpec("store", self._run_store, fatal=FATAL, start_deadline_s=math.inf),
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
        return [
            ChildSpec("derived", self._part(lambda parts: parts.derived.run)),
            ChildSpec("presence", self._part(lambda parts: parts.presence.run)),
            ChildSpec("recipients", self._part(lambda parts: parts.recipients.run)),
            ChildSpec("upkeep", self._part(lambda parts: parts.upkeep.run)),
            ChildSpec("quiet", self._part(lambda parts: parts.quiet_keeper.run)),
            ChildSpec("incidents", self._part(lambda parts: parts.incident_keeper.run)),
            ChildSpec("rollups", self._part(lambda parts: parts.rollups.run)),
            ChildSpec("counting", self._part(lambda parts: parts.counting.run)),
            ChildSpec("uptime", self._part(lambda parts: parts.analytics.uptime.run)),
            ChildSpec("cache", self._part(lambda parts: parts.cache.run)),
            ChildSpec("keys", self.keys.run),
            ChildSpec("ticker", self._part(lambda parts: parts.ticker.run)),
            ChildSpec("lag", self._lag.run),
            # Before the workers, so that it ends after them.
            ChildSpec("outbound", self._part(lambda parts: parts.outbound.run)),
            ChildSpec("mail", self._part(lambda parts: parts.mail.mailer.run)),
            ChildSpec(
                "workers",
                self._part(lambda parts: parts.works.workers.run),
                stop_deadline_s=stop_s(self._config.jobs),
            ),
            ChildSpec("queue-gauges", self._part(lambda parts: parts.works.gauges.run)),
            ChildSpec("scheduler", self._part(lambda parts: parts.works.scheduler.run)),
        ]

    def _source_children(self) -> Sequence[ChildSpec]:
        return [
            *([ChildSpec("host", self._run_host)] if self._config.watch_host else []),
            *([ChildSpec("own", self._run_own)] if self._config.watch_self else []),
        ]

    def _part(self, run_of: Callable[[Parts], Run]) -> Run:
        """Runs one of the parts that there are when it is started."""

        async def run(status: Started) -> None:
            await run_of(self.up)(status)

        return run

    async def _run_store(self, status: Started) -> None:
        """A database that does not answer ends a start. Later it is an outage: it is waited for, as always."""
        attempt = 0
        while True:
            try:
                return await self._run_open_store(status)
            except NotYet as fault:
                if not self._has_been_up:
                    raise
                attempt += 1
                log.warning("store_is_not_opened_again_yet", attempt=attempt, cause=str(fault))
                await pause(attempt)

    async def _run_open_store(self, status: Started) -> None:
        async with self._world.open_store(
            self._config.store_url,
            retention=retention_of(self._config),
            clock=self._world.clock,
            on_commit=self._metrics.committed,
            cache_bytes=self._config.store_cache_bytes,
            foreign=self._foreign if needs_foreign(self._config) else None,
        ) as store:
            # Before any door opens: who was revoked stays outside.
            self._identity.revocations.load(await answered(store.revocations, "the revocations"))
            parts = self._build(store)
            await parts.shelves.live.load()
            self.parts = parts
            store.set_feed(self._feed)
            self._has_been_up = True
            status.started()
            try:
                await trio.sleep_forever()
            finally:
                self.parts = None

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
        gateway = self._config.gateway
        parts.ticker.every(gateway.heartbeat_s / turns(gateway.heartbeat_s), self._roster.ping_next)
        parts.ticker.every(TICK_S, self._memory.look)
        parts.ticker.every(LOOK_EVERY_S, self.own_health.look)
        parts.ticker.every(WRITE_EVERY_S, self._metrics.suppressed.write)
        parts.ticker.every(gateway.position_s / turns(gateway.position_s), parts.proofs.prove)
        return parts

    def _feed(self, committed: Sequence[CommittedEvents]) -> None:
        parts = self.parts
        if parts is not None:
            parts.cache.told(committed)
            for one in committed:
                if one.events:
                    parts.derived.post(one.workspace, one.events)
                else:
                    parts.derived.look_all(one.workspace.__eq__)
                if parts.nodes is not None:
                    parts.nodes.committed(one)
                for key in one.moved:
                    parts.registry.moved(key)

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

    async def _run_host(self, status: Started) -> None:
        submit = _submitting(self.up, own_principal(self._config.workspace, "host", "producer"))
        async with trio.open_nursery() as nursery:
            await nursery.start(
                functools.partial(
                    watch_host,
                    submit,
                    self._config.host.framework,
                    self._config.host.interval_s,
                    data_path=str(nearest_there(self._config.data)),
                )
            )
            status.started()

    async def _run_own(self, status: Started) -> None:
        parts, config = self.up, self._config
        submit = _submitting(parts, own_principal(SYSTEM_WORKSPACE, OWN_FRAMEWORK, "producer"))
        # Alone, a process that was started again is still the same to those who look at its alerts.
        node = config.node or (node_name() if parts.nodes is not None else socket.gethostname())
        source = OwnSource(
            submit, self.own_health.readings, node, SHARED, functools.partial(parts.registry.is_ours, "")
        )
        async with trio.open_nursery() as nursery:
            self._own_source = await nursery.start(source.run)
            status.started()


def _submitting(parts: Parts, who: Principal) -> Submit:
    """How a source of ours hands its readings over."""

    async def submit(readings: Sequence[ReadingInput]) -> None:
        results: list[ItemResult] = await parts.service.read(who, readings)
        if any(result.reason.value == "busy" for result in results):
            raise Busy(f"the channel of the source {who.user} is full")

    return submit


def own_principal(workspace: str, user: str, role: str) -> Principal:
    """Who speaks without a token: an embedding program, or a source of the engine's own."""
    return Principal(workspace=workspace, user=user, role=role, expires_at=NEVER_EXPIRES)
