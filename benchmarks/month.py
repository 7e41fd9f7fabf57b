"""`month`: how long questions about a month take where ten million alerts are counted.

A store is filled with alerts of 30 days by SQL (`month_fill`), all of them are counted, without pauses, and then each
question is asked 21 times in each run, of a store that does nothing else. On SQLite and, in turn with it, on Postgres
(one of the benchmark's own, or the migrated and empty database that `--store` names). A figure of a run is the median.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import trio

from benchmarks.control import BenchmarkError
from benchmarks.counts import AHEAD_US, BEGIN_US
from benchmarks.machine import machine_card
from benchmarks.month_fill import DAYS, fill_postgres, fill_sqlite
from benchmarks.options import Options
from benchmarks.peers import postgres
from benchmarks.random_alerts import WORKSPACE
from benchmarks.report import Figures, Goal, Report, make_report
from engine.analytics.counting import HOURS_AT_ONCE
from engine.core.analytics.calendar import DAY_US, Width, start_of
from engine.stores import Store, open_store
from engine.stores.aggregates import AggregateQuery, Dimension

ALERTS, SHORT_ALERTS = 10_000_000, 10_000
TIMES = 21
WANTED_MS = 200.0
QUESTIONS: dict[str, dict[str, Any]] = {
    "by_day": {"width": Width.DAY},
    "by_day_and_framework": {"width": Width.DAY, "group": (Dimension.FRAMEWORK,)},
    "by_day_and_severity": {"width": Width.DAY, "group": (Dimension.SEVERITY,)},
    "by_day_of_one_rule": {"width": Width.DAY, "rule_id": "rule-7"},
    "all_together": {"width": None},
    "by_rule": {"width": None, "group": (Dimension.FRAMEWORK, Dimension.RULE), "by_alerts": True, "limit": 200},
    "by_hour_without_times": {"width": Width.HOUR, "with_times": False},
}
# These are about some of the alerts.
PARTIAL = ("by_day_of_one_rule",)
CHECKS = [
    Goal("slowest_ms", "the slowest of the questions about a month (ms)", WANTED_MS),
    Goal("postgres_slowest_ms", "Postgres: the slowest of the questions about a month (ms)", WANTED_MS),
]
_PLOTTED = [
    (f"{prefix}{name}_ms", f"{what}{name.replace('_', ' ')} (ms)")
    for prefix, what in (("", ""), ("postgres_", "Postgres: "))
    for name in QUESTIONS
]


class Side(NamedTuple):
    """A store that is filled: what its figures begin with, and its URL."""

    prefix: str
    url: str


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if an alert is not counted."""
    figures = Figures(delivers=False)
    alerts = options.alerts or (SHORT_ALERTS if options.short else ALERTS)
    with ExitStack() as stack:
        place = stack.enter_context(postgres.place(options, figures))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        sides = [on_sqlite(folder, alerts)]
        if place is not None:
            sides.append(on_postgres(place, stack.enter_context(place.database()), alerts))
        for side in sides:
            figures.add(f"{side.prefix}counted_per_s", trio.run(count_all, side.url, alerts))
        for _ in range(options.runs):
            for side in sides:
                for name, took_ms in trio.run(ask_all, side.url, alerts).items():
                    figures.add(f"{side.prefix}{name}_ms", took_ms)
    conditions = {
        "alerts": alerts,
        "days": DAYS,
        "times_asked": TIMES,
        "runs": options.runs,
        "store": "SQLite" if place is None else f"SQLite; {place.what}",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    return make_report("month", conditions, figures, CHECKS, _PLOTTED)


def on_sqlite(folder: Path, alerts: int) -> Side:
    """A file in this folder, filled."""
    fill_sqlite(folder / "month.db", alerts)
    return Side("", f"sqlite:///{folder / 'month.db'}")


def on_postgres(place: postgres.Place, url: str, alerts: int) -> Side:
    """A database, filled."""
    fill_postgres(place.owner_of(url), alerts, is_owner=place.server is not None)
    return Side("postgres_", url)


async def count_all(url: str, alerts: int) -> float:
    """Counts what is there; alerts a second. Raises BenchmarkError if it is not so many."""
    async with open_store(url, clock=_long_after) as store:
        began, counted = time.perf_counter(), 0
        while (step := await store.count_alerts(HOURS_AT_ONCE, ahead_us=AHEAD_US)).hours:
            counted += step.alerts
        took = time.perf_counter() - began
    if counted != alerts:
        raise BenchmarkError(f"{counted:,} alerts were counted, not {alerts:,}")
    return counted / took


async def ask_all(url: str, alerts: int) -> dict[str, float]:
    """The median time of each question (ms), and the longest of these. Raises BenchmarkError for a wrong answer."""
    async with open_store(url, clock=_long_after) as store:
        medians = {name: await _median_ms(store, name, alerts) for name in QUESTIONS}
    return {**medians, "slowest": max(medians.values())}


async def _median_ms(store: Store, name: str, alerts: int) -> float:
    begin = start_of(Width.DAY, BEGIN_US)
    until = begin + (DAYS + 1) * DAY_US
    query = AggregateQuery(workspace=WORKSPACE, since_us=begin, until_us=until, **QUESTIONS[name])
    times = list[float]()
    for _ in range(TIMES):
        began = time.perf_counter()
        page = await store.aggregates(query)
        times.append((time.perf_counter() - began) * 1_000)
        total = sum(row.counts.alerts for row in page.rows)
        if name not in PARTIAL and total != alerts:
            raise BenchmarkError(f"{name}: {total:,} alerts, not {alerts:,}")
    return statistics.median(times)


def _long_after() -> int:
    return BEGIN_US + 40 * DAY_US
