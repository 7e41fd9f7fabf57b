"""The engine as whoever embeds it sees it, `tocsin serve` included: started, asked for its verbs, stopped.

Owns the identity and the figures, which outlive everything that runs; what runs is `engine.tree`. Past the restart
intensity the engine ends with TooManyRestarts, never half-dead; `tocsin serve` then exits with 70.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import trio

from engine.access.administration import Administration
from engine.access.auth import DEFAULT_TTL_S, Authenticator
from engine.access.certificate import Certificate
from engine.access.claims import Expected
from engine.access.identity import Identity
from engine.access.key_files import load_keys
from engine.access.roles import own_principal
from engine.analytics.build import Insights
from engine.clocks import StoreClock
from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.configuration.folder import prepare_data_folder
from engine.core.health import Health
from engine.ids import IdSource, new_id, now_us
from engine.jobs.handed import HandOver
from engine.jobs.schedules import ScheduleVerbs
from engine.jobs.verbs import JobVerbs
from engine.notify.verbs import NotifyVerbs
from engine.parts import Parts
from engine.service import Service
from engine.shelf.shelves import Shelves
from engine.stores.postgres.connect import is_postgres
from engine.stores.sqlite.file import Database
from engine.telemetry.metrics import Metrics
from engine.tree import Tree
from engine.verbs.analytics import AnalyticsVerbs
from engine.verbs.incidents import Incidents
from engine.verbs.operators import Operators
from engine.verbs.patterns import PatternVerbs
from engine.verbs.predictions import PredictionVerbs
from engine.verbs.reports import ReportVerbs
from engine.verbs.workflows import Workflows
from engine.world import World
from protocol.hints import BroadcastTo
from protocol.model import Principal
from protocol.times import SECOND_US


class Engine:
    """A whole Tocsin engine. `async with Engine(config) as engine:` under trio runs it until the block ends.

    Inside the block `engine.service` has the verbs of alerts, `shelves`, `workflows`, `jobs`, `schedules`, `later`,
    `notifications` and `incidents` those of what they are called, `alert_counts`, `patterns`, `predictions`, `insights`
    and `reports` what the alerts mean, `engine.administration` and `engine.operators` those of administrators,
    `engine.identity` knows who may come in, `engine.ws_url` and `engine.http_url` say where it listens.
    The block ends with TooManyRestarts if a part crashed too often, with ConfigError or StoreRefused if it cannot
    start.
    """

    # What runs; the simulation's has no HTTP server.
    tree: ClassVar[type[Tree]] = Tree

    def __init__(self, config: Config, world: World | None = None) -> None:
        _check_store(config)
        prepare_data_folder(config)
        self.config = config
        self._world = _by_the_store(world or World(), config)
        self.metrics = Metrics(frameworks_max=config.metrics.framework_labels_max)
        self.identity = self._make_identity()
        self._tree = self.tree(config, self._world, self.metrics, self.identity)
        self._running: Any = None

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
        return self._tree.doors.ws_url

    @property
    def http_url(self) -> str:
        """Where the API is; empty before it is known."""
        return self._tree.doors.http_url

    @property
    def certificate(self) -> Certificate | None:
        """What both ports show to clients; None: they are plain."""
        return self._tree.doors.certificate

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

    @property
    def alert_counts(self) -> AnalyticsVerbs:
        """Alerts by time, by hour of the week, by rule. Raises StoreUnavailable while the store is not open."""
        return self._up.alert_counts

    @property
    def patterns(self) -> PatternVerbs:
        """What the alerts have in common, and what people say of it. Raises StoreUnavailable as the others."""
        return self._up.analytics.patterns

    @property
    def reports(self) -> ReportVerbs:
        """One's own weekly report: look at it, have it sent. Raises StoreUnavailable as the others."""
        return self._up.weekly.verbs

    @property
    def predictions(self) -> PredictionVerbs:
        """What is expected of rules and of tomorrow, what came of it, and how good that was."""
        return self._up.predictions

    @property
    def jobs(self) -> JobVerbs:
        """The verbs of jobs and queues. Raises StoreUnavailable while the store is not open."""
        return self._up.jobs

    @property
    def schedules(self) -> ScheduleVerbs:
        """The verbs of schedules; `schedules.shelf` makes and changes them. Raises StoreUnavailable as the others."""
        return self._up.schedules

    @property
    def later(self) -> HandOver:
        """Triggers, and the generation of workflows' alerts, to be done later: each is a job. Raises StoreUnavailable
        as the others."""
        return self._up.handed

    @property
    def insights(self) -> Insights:
        """How frameworks are, and what is recommended: `insights.verbs`, `insights.deciding`."""
        return self._up.insights

    @property
    def incidents(self) -> Incidents:
        """The verbs of incidents: alerts that belong together. Raises StoreUnavailable as the others."""
        return self._up.incidents

    @property
    def notifications(self) -> NotifyVerbs:
        """Who was told of an alert, and what people were told in the app. Raises StoreUnavailable as the others.

        Endpoints, preferences and escalation chains are `shelves`.
        """
        return self._up.notify_verbs

    async def reload(self) -> None:
        """Reads certificate and keys again. What cannot be used is logged and counted, and the old stays in force."""
        if self.certificate is not None:
            await trio.to_thread.run_sync(self.certificate.renew)
        await self._tree.keys.reload()

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
        return own_principal(workspace or self.config.workspace, user, role)

    def statistics(self) -> dict[str, Any]:
        """Counters of the gateway, the channels, the store and the supervision tree."""
        return self._tree.statistics()

    def health(self) -> Health:
        """How well this process is: the score of 0 to 100, what each part takes of it, and what to do. Under trio."""
        return self._tree.own_health.health()

    @property
    def _up(self) -> Parts:
        return self._tree.up

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        """The engine's nursery. What ends the engine, or the block, comes out as it is, not wrapped in a group."""
        crash: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._tree.run)
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


def _by_the_store(world: World, config: Config) -> World:
    """On a shared store everything here goes by its clock, and what is sorted by ids is sorted by it too."""
    if not is_postgres(config.store_url) or world.clock is not now_us:
        return world
    clock = StoreClock()
    return replace(world, clock=clock, new_id=IdSource(clock) if world.new_id is new_id else world.new_id)


def _check_store(config: Config) -> None:
    """Raises ConfigError if the store's URL means no store."""
    if is_postgres(config.store_url):
        return  # what is wrong with it, the database says
    try:
        Database.of_url(config.store_url)
    except ValueError as fault:
        raise ConfigError("store", str(fault)) from fault
