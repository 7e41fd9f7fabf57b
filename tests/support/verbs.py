"""The engine's verbs on a store in memory and real channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors.cell import ChannelLimits
from actors.cell_actor import ChannelKit
from actors.registry import Registry
from actors.throttle import RateLimits
from engine.access.auth import Authenticator
from engine.access.identity import Identity
from engine.access.quotas import Quotas, WiderRates
from engine.core.channel import machine_factory
from engine.core.turn import Policy
from engine.ids import IdSource
from engine.orders import StandingOrders
from engine.others import NoOthers
from engine.service import Service
from engine.stores import Store, open_store
from engine.telemetry.metrics import Metrics
from protocol.items import ItemResult, TriggerInput
from protocol.model import ChannelKey, Principal, Reason, Severity, Status
from protocol.rules import ThresholdRule
from protocol.times import SECOND_US
from tests.support.actors import START_US, clock, start

SECRET = b"s" * 32
RULE = ThresholdRule(id="hot", framework="checkout", metric="cpu", threshold=90.0, severity=Severity.ERROR)
UNKNOWN_ID = "01946c2e-7d00-7000-8000-000000000000"


def who(role: str = "admin", workspace: str = "acme", channels: tuple[str, ...] | None = None) -> Principal:
    return Principal(workspace=workspace, user="ann", role=role, expires_at=2**40, channels=channels)


ANN = who()


class Switch:
    """A store that can be away, and one whose answer to `locate` can be held up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_available = self.is_reachable = True
        self.located: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def locate(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, ChannelKey]:
        self.located += alert_ids
        return await self._store.locate(workspace, alert_ids)


class Bench:
    """A service and what it is made of."""

    def __init__(self, store: Switch, **limits: Any) -> None:
        channels_max = limits.pop("channels_max", 100)
        policy = limits.pop("policy", Policy())
        workspace_items_per_s = limits.pop("workspace_items_per_s", 500_000.0)
        self.store = store
        self.metrics = Metrics(version="0")
        self.machine = machine_factory(policy)
        orders = StandingOrders([RULE], "acme").of
        kit = ChannelKit(store, self.machine, clock, IdSource(clock), self.metrics, ChannelLimits(**limits), orders)
        self.registry = Registry(kit, channels_max=channels_max)
        authenticator = Authenticator(SECRET, lambda: START_US // SECOND_US)
        self.token = authenticator.issue("acme", "ann", "viewer")
        wider = WiderRates(workspace_items_per_s=workspace_items_per_s)
        quotas = Quotas(RateLimits(), wider, self.metrics.refused, trio.current_time)
        identity = Identity(authenticator, clock)
        self.service = Service(store, self.registry, identity, self.metrics, clock, 10.0, quotas, NoOthers())

    def goes_away(self) -> None:
        """The store does not answer, and a channel is trying."""
        self.store.is_available = False
        self.registry.cell(ChannelKey("acme", "held")).away = "gone"

    async def ring(self, *frameworks: str, by: Principal = ANN, **fields: Any) -> list[ItemResult]:
        return await self.service.trigger(by, [a_trigger(each, **fields) for each in frameworks])

    async def rung(self, framework: str = "checkout", **fields: Any) -> str:
        """The id of a new alert."""
        ((result),) = await self.ring(framework, **fields)
        assert result.status is Status.FIRED
        return result.alert_id or ""

    def figure(self, name: str) -> float | None:
        """A metric's value, by its name with labels, as a scrape shows it."""
        lines = self.metrics.render().decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), None)


def a_trigger(framework: str = "checkout", **fields: Any) -> TriggerInput:
    return TriggerInput(framework_id=framework, **{"title": "CPU is hot", **fields})


@asynccontextmanager
async def a_bench(is_running: bool = True, **limits: Any) -> AsyncIterator[Bench]:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        bench = Bench(Switch(store), **limits)
        if is_running:
            await start(nursery, bench.registry.run)
        yield bench
        nursery.cancel_scope.cancel()


@pytest.fixture
async def bench():
    async with a_bench() as bench:
        yield bench


def reasons(results: Sequence[ItemResult]) -> list[Reason]:
    return [result.reason for result in results]
