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
        silence = (await bench.open())[Measure.SILENCE]
        await bench.deciding.dismiss(ANN, silence.id, "we need it")
        assert (await bench.verbs.recommendation(ANN, silence.id)).state is RecommendationState.DISMISSED
