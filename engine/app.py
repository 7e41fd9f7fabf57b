"""Wires the engine: every part, who gets what, and the one ordered list that is the supervision tree.

The children start in the order of the list and stop in reverse; when one crashes, it and those after it are restarted
(rest-for-one): parts hold what was made by those before them. Past the restart intensity the engine ends with
TooManyRestarts, never half-dead; `tocsin serve` then exits with 70.
"""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio

from actors.roster import Roster
from actors.supervisor import ChildSpec, Started, Strategy, Supervisor, TooManyRestarts
from actors.ticker import TICK_S
from engine.administration import Administration
from engine.auth import DEFAULT_TTL_S, Authenticator
from engine.certificate import Certificate
from engine.claims import Expected
from engine.config import Config
from engine.doors import Doors
from engine.fields import ConfigError
from engine.folder import prepare_data_folder
from engine.gauges import Watched, watch_engine
from engine.identity import Identity
from engine.key_files import load_keys
from engine.key_watch import KeyWatch
from engine.lag import LoopLag
from engine.memory import MemoryGuard
from engine.metrics import Metrics
from engine.operators import Operators
from engine.parts import Parts, build, retention_of, roster_limits, turns
from engine.patience import answered
from engine.service import Service
from engine.shelves import Shelves
from engine.sources.host import watch_host
from engine.stores import CommittedEvents, Store
from engine.stores.sqlite_file import Database
from engine.suppressed import WRITE_EVERY_S
from engine.unsettled import start_unsettled
from engine.workflows import Workflows
from engine.world import World
from protocol.errors import Busy, StoreRefused, StoreUnavailable
from protocol.hints import BroadcastTo
from protocol.items import ItemResult, ReadingInput
from protocol.model import Principal
from protocol.times import SECOND_US

log = structlog.get_logger()

NEVER_EXPIRES = 2**53
FATAL = (ConfigError, StoreRefused)


class Engine:
    """A whole Tocsin engine. `async with Engine(config) as engine:` under trio runs it until the block ends.

    Inside the block `engine.service` has all verbs, `engine.administration` and `engine.operators` those of
    administrators, `engine.identity` knows who may come in, `engine.ws_url` and `engine.http_url` say where it listens.
    The block ends with TooManyRestarts if a part crashed too often, with ConfigError or StoreRefused if it cannot
    start.
    """

    def __init__(self, config: Config, world: World | None = None) -> None:
        _check_store(config)
        prepare_data_folder(config)
        self.config = config
        self._world = world or World()
        self.metrics = Metrics(frameworks_max=config.metrics.framework_labels_max)
        self.identity = self._make_identity()
        self._parts: Parts | None = None
        self._roster = Roster(self.metrics, roster_limits(config.gateway))
        self._keys = KeyWatch(config, self.identity, self._roster.end_where)
        self._memory = MemoryGuard(config.gateway.memory_soft_bytes, self._roster.overloaded)
        self._doors = Doors(config, self._world, self.metrics, self._roster, lambda: self._up)
        self._lag = LoopLag(self.metrics.loop_lagged)
        self._helpers = Supervisor(self._helper_children(), Strategy.ONE_FOR_ONE, self.metrics)
        self._sources = Supervisor(self._source_children(), Strategy.ONE_FOR_ONE, self.metrics)
        self._supervisor = Supervisor(self._children(), Strategy.REST_FOR_ONE, self.metrics)
        self._running: Any = None
        watch_engine(
            self.metrics, Watched(self._roster, self._doors, self._keys, self.identity, self._lag), lambda: self._parts
        )

    def _make_identity(self) -> Identity:
        authenticator = Authenticator(
            load_keys(self.config).ring,
            lambda: self._world.clock() // SECOND_US,
            Expected(self.config.identity.issuer, self.config.identity.audience),
            lambda reason: self.metrics.not_let_in(reason.value),
        )
        return Identity(authenticator, self._world.clock, self.config.identity)

    async def __aenter__(self) -> Engine:
        self._running = self._run()
        await self._running.__aenter__()
        return self

    async def __aexit__(self, *crash: Any) -> bool | None:
        done: bool | None = await self._running.__aexit__(*crash)
        return done

    @property
    def ws_url(self) -> str:
        """Where WebSocket clients connect; empty before it is known."""
        return self._doors.ws_url

    @property
    def http_url(self) -> str:
        """Where the API is; empty before it is known."""
        return self._doors.http_url

    @property
    def certificate(self) -> Certificate | None:
        """What both ports show to clients; None: they are plain."""
        return self._doors.certificate

    @property
    def service(self) -> Service:
        """The verbs. Raises StoreUnavailable while the store is not open."""
        return self._up.service

    @property
    def shelves(self) -> Shelves:
        """What people make and change: rules, silences ... Raises StoreUnavailable while the store is not open."""
        return self._up.shelves

    @property
    def administration(self) -> Administration:
        """The administrators' verbs. Raises StoreUnavailable while the store is not open."""
        return self._up.administration

    @property
    def workflows(self) -> Workflows:
        """The verbs of workflows. Raises StoreUnavailable while the store is not open."""
        return self._up.workflows

    async def reload(self) -> None:
        """Reads certificate and keys again. What cannot be used is logged and counted, and the old stays in force."""
        if self.certificate is not None:
            await trio.to_thread.run_sync(self.certificate.renew)
        await self._keys.reload()

    @property
    def operators(self) -> Operators:
        """The operators' verbs: connections, and the audit trail. Raises StoreUnavailable while the store is not
        open."""
        return self._up.operators

    async def broadcast(self, to: BroadcastTo, target: str, message: str, who: Principal | None = None) -> int:
        """Tells whoever is connected now: a client, the followers of a framework or project, a user, a workspace; how
        many there were. `who`: the embedding program itself, if not given. Raises TocsinError."""
        return await self._up.broadcasts.send(who or self.principal("engine"), to, target, message)

    def issue_token(
        self,
        workspace: str,
        user: str,
        role: str = "admin",
        ttl_s: int = DEFAULT_TTL_S,
        channels: Sequence[str] | None = None,
    ) -> str:
        """A token for a client of this engine; `channels` limits it to these frameworks."""
        return self.identity.authenticator.issue(workspace, user, role, ttl_s, channels)

    def principal(self, user: str, role: str = "admin", workspace: str | None = None) -> Principal:
        """Who an embedding program, or a source of the engine's own, speaks as."""
        return Principal(workspace=workspace or self.config.workspace, user=user, role=role, expires_at=NEVER_EXPIRES)

    def statistics(self) -> dict[str, Any]:
        """Counters of the gateway, the channels, the store and the supervision tree."""
        parts = self._parts
        return {
            "gateway": self._roster.statistics(),
            "channels": parts.registry.statistics() if parts else {},
            "store": parts.store.statistics() if parts else {},
            "supervision": self._supervisor.statistics() | self._helpers.statistics() | self._sources.statistics(),
        }

    @property
    def _up(self) -> Parts:
        if self._parts is None:
            raise StoreUnavailable("the engine is starting or stopping; try again in a moment")
        return self._parts

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        """The engine's nursery. What ends the engine, or the block, comes out as it is, not wrapped in a group."""
        crash: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._supervise)
                try:
                    yield
                except Exception as fault:  # only put aside until the nursery, which would wrap it, is over
                    crash = fault
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            if crash is None and len(group.exceptions) == 1:
                raise group.exceptions[0] from group.exceptions[0].__cause__
            raise
        if crash is not None:
            raise crash

    async def _supervise(self, task_status: trio.TaskStatus[None]) -> None:
        await self._supervisor.run(task_status)  # type: ignore[arg-type]  # trio's status takes None only, so do we

    def _children(self) -> Sequence[ChildSpec]:
        """The tree, in order of start. A crash of a helper or a source is its own affair; sockets stay up."""
        drain_s = self.config.gateway.drain_s + self.config.gateway.close_s
        return [
            # Checking a large file, or waiting for a store that is away, takes as long as it takes.
            ChildSpec("store", self._run_store, fatal=FATAL, start_deadline_s=math.inf),
            ChildSpec("channels", self._run_channels, start_deadline_s=math.inf),
            ChildSpec("helpers", self._helpers.run, fatal=(TooManyRestarts,), start_deadline_s=math.inf),
            ChildSpec("sources", self._sources.run, fatal=(TooManyRestarts,), start_deadline_s=math.inf),
            ChildSpec("http", self._doors.run_http, fatal=FATAL),
            ChildSpec("gateway", self._doors.run_gateway, fatal=FATAL, stop_deadline_s=drain_s),
        ]

    def _helper_children(self) -> Sequence[ChildSpec]:
        return [
            ChildSpec("derived", self._run_derived),
            ChildSpec("presence", self._run_presence),
            ChildSpec("recipients", self._run_recipients),
            ChildSpec("upkeep", self._run_upkeep),
            ChildSpec("quiet", self._run_quiet),
            ChildSpec("rollups", self._run_rollups),
            ChildSpec("keys", self._keys.run),
            ChildSpec("ticker", self._run_ticker),
            ChildSpec("lag", self._lag.run),
        ]

    def _source_children(self) -> Sequence[ChildSpec]:
        return [ChildSpec("host", self._run_host)] if self.config.watch_host else []

    async def _run_store(self, status: Started) -> None:
        async with self._world.open_store(
            self.config.store_url,
            retention=retention_of(self.config),
            clock=self._world.clock,
            on_commit=self.metrics.committed,
            cache_bytes=self.config.store_cache_bytes,
        ) as store:
            # Before any door opens: who was revoked stays outside.
            self.identity.revocations.load(await answered(store.revocations, "the revocations"))
            parts = self._build(store)
            await parts.shelves.live.load()
            self._parts = parts
            store.set_feed(self._feed)
            status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._parts = None

    def _build(self, store: Store) -> Parts:
        parts = build(store, self.config, self._world, self.identity, self.metrics, self._roster)
        gateway = self.config.gateway
        parts.ticker.every(gateway.heartbeat_s / turns(gateway.heartbeat_s), self._ping)
        parts.ticker.every(TICK_S, self._memory.look)
        parts.ticker.every(WRITE_EVERY_S, self.metrics.suppressed.write)
        parts.ticker.every(gateway.position_s / turns(gateway.position_s), parts.proofs.prove)
        return parts

    def _feed(self, committed: Sequence[CommittedEvents]) -> None:
        parts = self._parts
        if parts is not None:
            for one in committed:
                parts.derived.post(one.workspace, one.events)
                for key in one.moved:
                    parts.registry.moved(key)

    async def _run_derived(self, status: Started) -> None:
        await self._up.derived.run(status)

    async def _run_presence(self, status: Started) -> None:
        await self._up.presence.run(status)

    async def _run_recipients(self, status: Started) -> None:
        await self._up.recipients.run(status)

    async def _run_channels(self, status: Started) -> None:
        parts = self._up
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_unsettled, parts.store, parts.registry)
            await parts.registry.run(status)

    async def _run_upkeep(self, status: Started) -> None:
        await self._up.upkeep.run(status)

    async def _run_quiet(self, status: Started) -> None:
        await self._up.quiet_keeper.run(status)

    async def _run_rollups(self, status: Started) -> None:
        await self._up.rollups.run(status)

    async def _run_ticker(self, status: Started) -> None:
        await self._up.ticker.run(status)

    def _ping(self) -> None:
        self._roster.ping_next()

    async def _run_host(self, status: Started) -> None:
        service, who = self._up.service, self.principal("host", "producer")

        async def submit(readings: Sequence[ReadingInput]) -> None:
            results: list[ItemResult] = await service.read(who, readings)
            if any(result.reason.value == "busy" for result in results):
                raise Busy("the host's channel is full")

        async with trio.open_nursery() as nursery:
            await nursery.start(
                functools.partial(
                    watch_host,
                    submit,
                    self.config.host.framework,
                    self.config.host.interval_s,
                    data_path=str(self.config.data),
                )
            )
            status.started()


def _check_store(config: Config) -> None:
    """Raises ConfigError if the store's URL means no store."""
    try:
        Database.of_url(config.store_url)
    except ValueError as fault:
        raise ConfigError("store", str(fault)) from fault
