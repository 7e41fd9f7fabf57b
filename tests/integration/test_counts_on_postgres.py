"""Counts of alerts on a real Postgres: the benchmark's comparison with counting by hand, and its month, with fewer."""

from __future__ import annotations

import pytest
import trio

from benchmarks import counts, month
from benchmarks.month_fill import fill_postgres
from benchmarks.options import Options
from tests.support.postgres_server import PostgresDatabase


async def test_counts_of_random_late_and_changing_alerts_are_what_counting_by_hand_says(
    postgres_database: PostgresDatabase,
) -> None:
    rows, different, *_ = await counts.compare(postgres_database.url, 5_000)
    assert rows > 4_000
    assert different == 0


def test_a_month_is_asked_of_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month, "SHORT_ALERTS", 500)
    report = month.run(Options(short=True, runs=1))
    assert report.warnings == []
    assert [check.figure for check in report.checks] == ["slowest_ms", "postgres_slowest_ms"]
    assert all(report.figures[f"postgres_{name}_ms"] > 0 for name in month.QUESTIONS)


def test_a_database_that_was_brought_is_filled_with_the_engines_login_and_keeps_its_indexes(
    postgres_database: PostgresDatabase,
) -> None:
    indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'alert'"
    before = postgres_database.server.sql(indexes, postgres_database.name)
    fill_postgres(postgres_database.url, 500, is_owner=False)
    assert postgres_database.server.sql(indexes, postgres_database.name) == before
    assert trio.run(month.count_all, postgres_database.url, 500) > 0
