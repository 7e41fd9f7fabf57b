"""Counts of alerts on a real Postgres: the benchmark's comparison with counting by hand, and its month, with fewer."""

from __future__ import annotations

import pytest
import trio

from benchmarks import analytics
from tests.support.postgres_server import PostgresDatabase


async def test_counts_of_random_late_and_changing_alerts_are_what_counting_by_hand_says(
    postgres_database: PostgresDatabase,
) -> None:
    assert await analytics.exact(postgres_database.url, 5_000) > 4_000


async def test_a_filled_database_is_counted_and_asked(
    postgres_database: PostgresDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    await trio.to_thread.run_sync(analytics.fill_postgres, postgres_database.owner_url, 500)
    await analytics.month(postgres_database.url)
    assert capsys.readouterr().out.startswith("counted 500 alerts")
