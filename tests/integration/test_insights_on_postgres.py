"""Insights and recommendations on Postgres: what SQLite keeps, it keeps as well."""

from __future__ import annotations

from pathlib import Path

from protocol.insights import Measure, RecommendationState
from tests.support.insights import ANN, an_insight_bench
from tests.support.postgres_server import PostgresDatabase


async def test_on_postgres_too_what_is_applied_does_what_was_promised(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    async with an_insight_bench(tmp_path, postgres_database.url) as bench:
        await bench.spikes()
        await bench.mark()
        run = await bench.run()
        assert (run.frameworks, run.unknown, run.alerts, run.tried) == (1, 0, 14, 1)
        insight = (await bench.verbs.get(ANN, "web")).insight
        assert insight.health is not None and insight.health < 100.0
        one = (await bench.open())[Measure.WAIT]
        assert await bench.tried(one) == (one.promise.before.fired, one.promise.before.notified)
        assert (await bench.deciding.apply(ANN, one.id)).state is RecommendationState.APPLIED
        assert await bench.tried(one) == (one.promise.after.fired, one.promise.after.notified)
        others = await bench.open()
        assert {each.is_outdated for each in others.values()} == {True}
        silence = others[Measure.SILENCE]
        await bench.deciding.dismiss(ANN, silence.id, "we need it")
        assert (await bench.verbs.recommendation(ANN, silence.id)).state is RecommendationState.DISMISSED


async def test_on_postgres_too_what_was_applied_or_rings_no_more_is_not_recommended(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    async with an_insight_bench(tmp_path, postgres_database.url) as bench:
        await bench.spikes()
        await bench.run()
        found, shelves = await bench.open(), bench.engine.shelves
        await shelves.frameworks.archive(ANN, "web", is_archived=True)
        assert await bench.open() == {}
        assert (await bench.listed(RecommendationState.GONE)).keys() == found.keys()
        await shelves.frameworks.archive(ANN, "web", is_archived=False)
        assert await bench.open() == found
        await bench.deciding.apply(ANN, found[Measure.WIDEN_WINDOW].id)
        run = await bench.run()
        assert (run.alerts, run.tried, run.gone, await bench.open()) == (14, 0, len(found) - 1, {})
