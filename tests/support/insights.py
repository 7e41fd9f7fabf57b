"""An engine with a clock that is set by hand, a rule that troubles people, and what is asked of its insights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.analytics.insight_parts import Insights
from engine.analytics.insight_runs import InsightRun
from engine.analytics.insights import RecommendationsWanted
from engine.app import Engine
from engine.ids import IdSource
from engine.stores import AlertQuery
from engine.verbs.people import Deed
from engine.world import World
from protocol.changes import Action
from protocol.insights import Measure, Recommendation, RecommendationState
from protocol.items import ReadingInput
from protocol.model import Principal
from protocol.times import SECOND_US, parse_rfc3339
from tests.support.engines import a_config

START = 1_769_860_800_000_000
MINUTE_US, DAY_US = 60 * SECOND_US, 86_400 * SECOND_US
WORKSPACE = "main"
CPU = {"kind": "threshold", "id": "cpu", "framework": "web", "metric": "cpu", "threshold": 90.0, "severity": "error"}


def who(role: str = "editor", **more: Any) -> Principal:
    """Somebody of the workspace."""
    return Principal(workspace=WORKSPACE, user="ann", role=role, expires_at=2**53, **more)


ANN = who()


class Bench:
    """An engine with a clock that is set by hand, and what is asked of it."""

    def __init__(self, engine: Engine, now: list[int]) -> None:
        self.engine, self.now = engine, now
        self.insights: Insights = engine.insights
        self.verbs, self.deciding = self.insights.verbs, self.insights.deciding

    async def spikes(self, count: int = 14) -> None:
        """Each half hour the processor is busy for two minutes."""
        for _ in range(count):
            for value, minutes in ((95.0, 1), (96.0, 1), (50.0, 14), (50.0, 14)):
                await self.engine.service.read(ANN, [ReadingInput(framework_id="web", metric="cpu", value=value)])
                self.now[0] += minutes * MINUTE_US
        await self.engine._up.store.roll_up()

    async def run(self) -> InsightRun:
        """The night's job, now."""
        return await self.insights.runs.run(WORKSPACE, self.now[0])

    async def listed(self, *states: RecommendationState, asker: Principal = ANN) -> dict[Measure, Recommendation]:
        """Recommendations in these states (none: all), by measure."""
        page = await self.verbs.recommendations(asker, RecommendationsWanted(limit=50, states=states))
        return {each.measure: each for each in page.items}

    async def open(self) -> dict[Measure, Recommendation]:
        """The open ones."""
        return await self.listed(RecommendationState.OPEN)

    async def mark(self) -> None:
        """All that rang was noise."""
        page = await self.engine.service.alerts(ANN, AlertQuery(workspace=WORKSPACE, limit=500))
        deed = Deed(action=Action.COMMENT, noise=True)
        await self.engine.service.act(ANN, [alert.id for alert in page.items], deed)

    async def tried(self, one: Recommendation) -> tuple[int, int]:
        """What the API says of the rule as it is stored, over the time that the promise is about."""
        trials, promise = self.engine._up.trials, one.promise
        rule = await trials.stored_rule(ANN, one.rule_id)
        since, until = parse_rfc3339(promise.since), parse_rfc3339(promise.until)
        found = await trials.over_stored(ANN, rule, since, until, None)
        return found.told.get("fired", 0), found.notified


@asynccontextmanager
async def an_insight_bench(folder: Path, store: str = "memory:", **settings: Any) -> AsyncIterator[Bench]:
    """On this store; the rule `cpu` watches the framework `web`."""
    now = [START]
    world = World(clock=lambda: now[0], new_id=IdSource(lambda: now[0]))
    async with Engine(a_config(folder, store=store, **settings), world) as engine:
        await engine.shelves.rules.create(ANN, CPU)
        await engine.shelves.frameworks.create(ANN, {"id": "web", "metrics": {"cpu": "performance"}})
        yield Bench(engine, now)
