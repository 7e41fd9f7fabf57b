"""The engine for asyncio programs: in a thread with a trio loop of its own, with the verbs as awaitables.

    async with tocsin.aio.Engine(config) as engine:
        who = engine.principal("shop")
        (result,) = await engine.service.trigger(who, [TriggerInput(framework_id="web", title="Checkout is slow")])
        async with engine.client(who) as client:          # live, from now on
            await client.subscribe("web")
            async for message in client.alerts(): ...

The engine over there is `engine.app.Engine`, unchanged: its doors listen, its verbs, results and errors are the same.
What ends it ends the block, as under trio; what ends the block, or the loop, ends it within 10 s.

Live alerts come by the ordinary client over the engine's own socket. Decided against a way past the socket: rights,
recovery, back-pressure and the price of a slow reader (3008, then recovery) would have to be made a second time, and
one more message encoded is nothing beside the hop between the threads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import trio

from engine import app
from engine.access.audit import TrailPage
from engine.access.auth import DEFAULT_TTL_S
from engine.access.certificate import trusting_our_own
from engine.access.identity import IssuedToken
from engine.configuration.config import Config
from engine.core.health import Health
from engine.stores import AlertPage, AlertQuery, RecipientPage, RowPage
from engine.verbs.people import Deed
from engine.world import World
from protocol.commands import Ring
from protocol.hints import BroadcastTo
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Alert, Principal
from tocsin.aio.analytics import AlertCounts, Incidents, Insights, Patterns, Predictions, Reports
from tocsin.aio.bridge import CALLS_MAX, Bridge
from tocsin.aio.client import Client
from tocsin.aio.thread import TrioThread
from tocsin.client import ClientLimits

R = TypeVar("R")


class Engine:
    """A whole Tocsin engine for an asyncio program; use it as `async with Engine(config) as engine:`.

    Making one raises ConfigError, entering it StoreRefused or ConfigError; the block ends with TooManyRestarts if a
    part crashed too often. Calls raise what they raise under trio, NotRunning outside the block, Busy when `calls_max`
    are under way, RuntimeError from another loop. `world` and `clock` (trio's) are for tests: `tocsin.testing`.
    """

    def __init__(
        self,
        config: Config,
        world: World | None = None,
        *,
        calls_max: int = CALLS_MAX,
        clock: trio.abc.Clock | None = None,
    ) -> None:
        self._engine = app.Engine(config, world)
        self._bridge = Bridge(lambda: self._engine, "engine", calls_max)
        self._thread = TrioThread("tocsin-engine", clock)
        self.config = config
        self.service = Service(self._bridge)
        self.alert_counts = AlertCounts(self._bridge)
        self.patterns = Patterns(self._bridge)
        self.incidents = Incidents(self._bridge)
        self.predictions = Predictions(self._bridge)
        self.insights = Insights(self._bridge)
        self.reports = Reports(self._bridge)

    async def __aenter__(self) -> Engine:
        if not self._thread.is_new:
            raise RuntimeError("a tocsin.aio engine is used once; make another one")
        self._thread.start()
        try:
            await self._bridge.enter(self._thread)
        except BaseException:
            self._thread.end()
            raise
        return self

    async def __aexit__(self, crash: type[BaseException] | None, *_: Any) -> None:
        try:
            await self._bridge.leave(crash)
        finally:
            self._thread.end(wait=crash is not GeneratorExit)

    @property
    def ws_url(self) -> str:
        """Where WebSocket clients connect."""
        return self._engine.ws_url

    @property
    def http_url(self) -> str:
        """Where the API is served."""
        return self._engine.http_url

    def principal(self, user: str, role: str = "admin", workspace: str | None = None) -> Principal:
        """Who this program speaks as."""
        return self._engine.principal(user, role, workspace)

    async def broadcast(self, to: BroadcastTo, target: str, message: str, who: Principal | None = None) -> int:
        """As `Engine.broadcast` under trio."""
        return await self.call(lambda engine: engine.broadcast(to, target, message, who))

    async def issue_token(
        self,
        workspace: str,
        user: str,
        role: str = "admin",
        ttl_s: int = DEFAULT_TTL_S,
        channels: Sequence[str] | None = None,
    ) -> str:
        """A token for a client of this engine; `channels` limits it to these frameworks."""

        async def issue(engine: app.Engine) -> str:
            return engine.issue_token(workspace, user, role, ttl_s, channels)

        return await self.call(issue)

    async def statistics(self) -> dict[str, Any]:
        """Counters of the engine, and of the calls to it: `bridge`."""

        async def collect(engine: app.Engine) -> dict[str, Any]:
            return engine.statistics()

        return await self.call(collect) | {"bridge": self._bridge.statistics()}

    async def health(self) -> Health:
        """As `Engine.health` under trio."""

        async def look(engine: app.Engine) -> Health:
            return engine.health()

        return await self.call(look)

    def client(self, who: Principal, limits: ClientLimits | None = None) -> Client:
        """A client of this engine for `async with`: what happens, live, as far as `who` may see it."""

        async def token() -> str:
            return await self.issue_token(who.workspace, who.user, who.role, channels=who.channels)

        return Client(self.ws_url, token, limits=limits, ssl_context=trusting_our_own(self.config))

    async def call(self, work: Callable[[app.Engine], Awaitable[R]]) -> R:
        """What `work(engine)` comes to, awaited in the engine's trio loop: for what has no verb here.

        Such as `await engine.call(lambda inner: inner.administration.unrevoke(who, kind, target))`.
        """
        return await self._bridge.call(work)


class Service:
    """The verbs of `engine.service.Service`; each says there what it does and raises."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        # The service itself is looked up over there: while the store restarts there is none, and that is an error too.
        self._call = bridge.call

    async def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a one-use ticket is; another node may have made it. Raises Unauthorized."""
        return await self._call(lambda engine: engine.service.redeem(ticket))

    async def exchange(self, ticket: str, address: str = "") -> IssuedToken:
        """A short-lived token for a ticket, which is used up; on record with the address."""
        return await self._call(lambda engine: engine.service.exchange(ticket, address))

    async def trigger(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """Rings; answers after the commit, one result per input, in order."""
        return await self._call(lambda engine: engine.service.trigger(who, tuple(inputs)))

    async def read(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """Holds readings against the rules of their frameworks; one result per reading, in order."""
        return await self._call(lambda engine: engine.service.read(who, tuple(readings)))

    async def report(self, who: Principal, reports: Sequence[tuple[str, Ring]]) -> list[ItemResult]:
        """Rings for a source that re-sends: pairs of framework and a Ring whose `source` is set."""
        return await self._call(lambda engine: engine.service.report(who, tuple(reports)))

    async def preview(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """What would happen to these triggers now, and why; nothing happens."""
        return await self._call(lambda engine: engine.service.preview(who, tuple(inputs)))

    async def preview_readings(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """The same for readings, each as if it came alone."""
        return await self._call(lambda engine: engine.service.preview_readings(who, tuple(readings)))

    async def reported_in(self, who: Principal, ring: Ring) -> list[str]:
        """The frameworks, of those that this token reaches, where what this Ring is about is open, in order."""
        return await self._call(lambda engine: engine.service.reported_in(who, ring))

    async def acknowledge_reported(self, who: Principal, framework: str, ring: Ring) -> ItemResult:
        """Somebody looks after what this Ring reported, whatever its id is; idempotent."""
        return await self._call(lambda engine: engine.service.acknowledge_reported(who, framework, ring))

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does this about up to 10,000 alerts; one result per alert, in order. Idempotent."""
        return await self._call(lambda engine: engine.service.act(who, tuple(alert_ids), deed))

    async def acknowledge(
        self, who: Principal, alert_ids: Sequence[str], notes: str | None = None, noise: bool | None = None
    ) -> list[ItemResult]:
        """Somebody looks after these alerts; idempotent. `noise`: whether they should not have rung."""
        return await self._call(lambda engine: engine.service.acknowledge(who, tuple(alert_ids), notes, noise))

    async def resolve(
        self, who: Principal, alert_ids: Sequence[str], notes: str | None = None, noise: bool | None = None
    ) -> list[ItemResult]:
        """These alerts are over; idempotent. `noise`: whether they should not have rung."""
        return await self._call(lambda engine: engine.service.resolve(who, tuple(alert_ids), notes, noise))

    async def matching(self, who: Principal, query: AlertQuery) -> list[str]:
        """The ids of all alerts that a query means, newest first. Raises BadRequest if they are too many for a bulk."""
        return await self._call(lambda engine: engine.service.matching(who, query))

    async def story(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> TrailPage:
        """What people did about an alert, newest first, and when it fired. Raises UnknownChannel as `alert` does."""
        return await self._call(lambda engine: engine.service.story(who, alert_id, cursor, limit))

    async def alerts(self, who: Principal, query: AlertQuery) -> AlertPage:
        """A page of the workspace's alerts, newest first."""
        return await self._call(lambda engine: engine.service.alerts(who, query))

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        """One alert. Raises UnknownChannel if this workspace (or this token) has no such alert."""
        return await self._call(lambda engine: engine.service.alert(who, alert_id))

    async def recipients(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        """Who says to have received and seen an alert, and when. Raises UnknownChannel as `alert` does."""
        return await self._call(lambda engine: engine.service.recipients(who, alert_id, cursor, limit))

    async def mark_read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these notifications (None: all): how many he had not, and how many are unread yet."""
        return await self._call(lambda engine: engine.service.mark_read(who, None if keys is None else tuple(keys)))

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        """A page of the open alerts, newest first, each with the label sets of its sources. Raises BadRequest."""
        return await self._call(lambda engine: engine.service.open_rows(who, cursor))
