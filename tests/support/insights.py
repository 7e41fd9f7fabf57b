"""An engine with a clock that is set by hand, a rule that troubles people, and what is asked of its insights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.analytics.build import Insights
from engine.analytics.insight_runs import InsightRun
from engine.app import Engine
from engine.ids import IdSource
from engine.stores import AlertQuery
from engine.verbs.insights import RecommendationsWanted
from engine.verbs.people import Deed
from engine.world import World
from protocol.changes import Action
from protocol.directory import HealthCategory
from protocol.insights import (
    Basis,
    Because,
    CategoryHealth,
    Contribution,
    Insight,
    Measure,
    Promise,
    Recommendation,
    RecommendationState,
    Trend,
    Tried,
)
from protocol.items import ReadingInput
from protocol.model import Principal
from protocol.times import SECOND_US, parse_rfc3339, rfc3339
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


def an_insight(framework: str, now: int, health: float | None) -> Insight:
    """One of the day of `now` (microseconds); health None: unknown."""
    worst = Contribution(because=Because.ALERTS, source="cpu", points=40.5, text="error alerts", alert_ids=("a",))
    return Insight(
        framework_id=framework,
        day=rfc3339(now)[:10],
        at=rfc3339(now),
        health=health,
        risk=None if health is None else 20.0,
        categories=(CategoryHealth(category=HealthCategory.COST, health=health),),
        pulled_down=() if health is None else (worst,),
        risks=() if health is None else (worst,),
        trends=(Trend(days=7, change=-3.5), Trend(days=30, change=None, note="needs scores of 12 days, has 3")),
    )


def a_recommendation(number: int, now: int, framework: str = "web") -> Recommendation:
    """For the first version of the rule `cpu`; its id is `r1` for number 1."""
    before, after = Tried(fired=106, notified=212), Tried(fired=7, notified=14)
    return Recommendation(
        id=f"r{number}",
        measure=Measure.WAIT,
        framework_id=framework,
        rule_id="cpu",
        rule_version=1,
        title="Let cpu hold",
        reason="over at once",
        change={"for_s": 60.0},
        promise=Promise(basis=Basis.ALERTS, since=rfc3339(now), until=rfc3339(now), before=before, after=after),
        found_at=rfc3339(now),
    )
