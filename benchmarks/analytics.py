"""Counts of alerts: are they what counting by hand says, and how long does a month's question take?

    python -m benchmarks.analytics exact --alerts 1000000 [--store postgresql://…]
    python -m benchmarks.analytics month --alerts 10000000 [--store postgresql://…]
    python -m benchmarks.analytics beside --alerts 2000000 [--store postgresql://…]

`exact` writes random alerts over two months through the store's own commits, some of them late by weeks, changes some
of them again and again, has them counted in between, breaks counts off at random, and compares every row of every width
with what plain Python makes of the same alerts. `month` fills a store by SQL with alerts of 30 days and times counting
them, and questions about that month, each asked 21 times of a store that does nothing else.
"""

# ruff: noqa: S101, S311, S608  # what it asserts is its result; draws from a seed; our own words

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from benchmarks.counted_by_hand import Whose, by_store, changed, counted, merged
from engine.analytics.counting import HOURS_AT_ONCE
from engine.analytics.leisure import PAUSE_FACTOR
from engine.core.analytics.calendar import DAY_US, HOUR_US, Width, end_of, start_of
from engine.core.analytics.counts import NONE, Counts
from engine.stores import Store, open_store
from engine.stores.aggregates import AggregateQuery, Dimension
from engine.stores.tables.aggregate_hours import LOST_US
from protocol.commands import Batch
from protocol.effects import Commit, Committed, Decision
from protocol.model import Alert, AlertState, ChannelKey, Severity
from protocol.rows import Row, SuppressionWindow
from protocol.times import SECOND_US, rfc3339

BEGIN_US = 1_767_225_600 * SECOND_US  # 2026-01-01
SPAN_US = 59 * DAY_US
WORKSPACE = "bench"
KEYS = [ChannelKey(WORKSPACE, f"framework-{n}") for n in range(5)]
RULES = [None, *(f"rule-{n}" for n in range(10))]
BATCH = 240
# Alerts that may still change.
POOL = 5_000
TIMES = 21


class Clock:
    """The time of the alerts."""

    def __init__(self) -> None:
        self.now = BEGIN_US

    def __call__(self) -> int:
        """Microseconds."""
        return self.now


class Stream:
    """Random alerts of some channels, and what they come to; those in the pool may still change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pool: dict[str, Alert] = {}
        self.hours: dict[Whose, Counts] = {}
        self.made = 0
        self._offsets = dict.fromkeys(KEYS, 0)

    def commit(self, now: int, fresh: int) -> Commit:
        """So many new alerts of one channel, and changes of some that there are."""
        key = self.random.choice(KEYS)
        alerts = [self._new(key, now) for _ in range(fresh)]
        known = [alert for alert in self.pool.values() if alert.framework_id == key.framework]
        alerts += [changed(alert, now, self.random) for alert in self.random.sample(known, min(len(known), fresh // 3))]
        self.pool |= {alert.id: alert for alert in alerts}
        while len(self.pool) > POOL:
            self._settle(self.pool.pop(next(iter(self.pool))))
        base = self._offsets[key]
        rows = [Row(alert=alert, identity=alert.id, window=SuppressionWindow(until=now)) for alert in alerts]
        decision = Decision(results=(), offset=base, events=(), rows=tuple(rows))
        return Commit(key, base, Batch(f"{self.made}-{now}", now, ()), decision)

    def finish(self) -> None:
        """Nothing changes any more."""
        for alert in self.pool.values():
            self._settle(alert)
        self.pool.clear()

    def _new(self, key: ChannelKey, now: int) -> Alert:
        self.made += 1
        # One in eight comes late, by up to two weeks.
        late = self.random.randrange(14 * DAY_US) if self.random.random() < 1 / 8 else 0
        at = rfc3339(now - late)
        return Alert(
            id=f"{now // 1_000:012x}-{self.made:012x}",
            framework_id=key.framework,
            severity=self.random.choice(list(Severity)),
            state=AlertState.ACTIVE,
            current_value=97.5,
            threshold_value=90.0,
            title="Checkout is slow",
            occurrences=1,
            triggered_at=at,
            last_seen_at=at,
            notification_sent=False,
            rule_id=self.random.choice(RULES),
        )

    def _settle(self, alert: Alert) -> None:
        counts = counted(alert)
        start = start_of(Width.HOUR, _micros(alert))
        whose = Whose(start, alert.framework_id, alert.rule_id or "", alert.severity)
        self.hours[whose] = self.hours.get(whose, NONE).plus(counts)


def _micros(alert: Alert) -> int:
    from protocol.times import parse_rfc3339

    return parse_rfc3339(alert.triggered_at)


async def exact(url: str, alerts: int, seed: int = 7) -> int:
    """Compares every row; how many rows there were. Raises AssertionError if one differs."""
    clock, stream = Clock(), Stream(seed)
    async with open_store(url, clock=clock) as store:
        batches = max(alerts // (BATCH * 3 // 4), 1)
        for number in range(batches):
            clock.now = BEGIN_US + SPAN_US * number // batches
            outcome = await store.commit(stream.commit(clock.now, BATCH * 3 // 4))
            assert isinstance(outcome, Committed), outcome
            if number % 50 == 0:
                await _count_a_little(store, stream.random)
        stream.finish()
        clock.now += LOST_US + HOUR_US
        while (await store.count_alerts(64, ahead_us=10**15)).hours:
            pass
        return await _compare(store, stream.hours)


async def _count_a_little(store: Store, draw: random.Random) -> None:
    # Half of these are broken off somewhere.
    with trio.move_on_after(draw.random() / 5 if draw.random() < 0.5 else 60):
        await store.count_alerts(draw.randrange(1, 40), ahead_us=10**15)


async def _compare(store: Store, hours: dict[Whose, Counts]) -> int:
    rows = 0
    for width in Width:
        expected = hours if width is Width.HOUR else merged(hours, width)
        # A few days at a time: no reader waits longer than 5 s.
        found: dict[Whose, Counts] = {}
        since, end = start_of(width, BEGIN_US - 15 * DAY_US), end_of(width, BEGIN_US + SPAN_US + DAY_US)
        while since < end:
            until = end_of(width, since + 3 * DAY_US)
            found |= await by_store(store, WORKSPACE, width, since, until)
            since = until
        assert found == expected, f"{width}: {len(found)} rows, not {len(expected)}, or others"
        rows += len(found)
    return rows


FRAMEWORKS, RULES_OF_ONE = 20, 10
_IDS = "SELECT n, {begin} + n * {step} AS at FROM {numbers}"
_TIME_OF = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%S.000000Z', (at + {more}) / 1000000, 'unixepoch')",
    "postgres": "to_char(to_timestamp((at + {more}) / 1000000) AT TIME ZONE 'UTC',"
    ' \'YYYY-MM-DD"T"HH24:MI:SS".000000Z"\')',
}
_FILL = """
INSERT INTO alert (workspace, channel, id, identity, state, severity, rule_id, triggered_at, last_seen_at, resolved_at,
    occurrences, window_until, window_count, has_sources, body)
SELECT 1, 1 + n % {frameworks}, {id}, 'i' || n, 3, n % {rules} % 4, 'rule-' || (n % {rules}), at, at,
    at + (n * 7919 % 90000) * 1000000, 1 + n % 3, at, 0, 0,
    '{{"alert":{{"title":"Checkout is slow","acknowledged_at":"' || {taken}
    || '","resolved_by":"' || CASE WHEN n % 5 = 0 THEN 'rule' ELSE 'ann' END || '"}}}}'
FROM ({ids}) AS made
"""
_MARKS = """
INSERT INTO aggregate_hour (workspace, start, due, changed)
SELECT workspace, triggered_at - triggered_at % 3600000000, 0, 0 FROM alert GROUP BY 1, 2
"""


def _fill(kind: str, numbers: str, count: int, number_id: str) -> str:
    step = 30 * DAY_US // count
    begin = BEGIN_US - BEGIN_US % DAY_US
    taken = _TIME_OF[kind].format(more="(n * 104729 % 3600) * 1000000")
    ids = _IDS.format(begin=begin, step=step, numbers=numbers)
    frameworks, rules = FRAMEWORKS, FRAMEWORKS * RULES_OF_ONE
    return _FILL.format(frameworks=frameworks, rules=rules, id=number_id, taken=taken, ids=ids)


def fill_sqlite(path: Path, count: int) -> None:
    """As many alerts, written by SQL; only the indexes that counting needs."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'alert' AND sql IS NOT NULL"
    ).fetchall():
        if name != "alert_by_time":
            connection.execute(f"DROP INDEX {name}")
    connection.execute("BEGIN")
    connection.execute(f"INSERT INTO workspace (id, name) VALUES (1, '{WORKSPACE}')")
    for n in range(FRAMEWORKS):
        connection.execute("INSERT INTO channel (id, workspace, framework) VALUES (?, 1, ?)", (n + 1, f"framework-{n}"))
    numbers = f"(WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {count}) SELECT n FROM n)"
    connection.execute(_fill("sqlite", numbers, count, "printf('%012x', n)"))
    connection.execute(_MARKS)
    connection.execute("COMMIT")
    connection.close()


def fill_postgres(url: str, count: int) -> None:
    """The same in Postgres, which its owner has migrated; with its owner's login."""
    import asyncpg

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        names = await connection.fetch(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'alert' AND indexname NOT IN ('alert_pkey',"
            " 'alert_by_time')"
        )
        for row in names:
            await connection.execute(f"DROP INDEX {row[0]}")
        await connection.execute("SET tocsin.workspaces = '*'")
        await connection.execute(f"INSERT INTO workspace (id, name) VALUES (1, '{WORKSPACE}')")
        for n in range(FRAMEWORKS):
            await connection.execute(
                "INSERT INTO channel (id, workspace, framework) VALUES ($1, 1, $2)", n + 1, f"framework-{n}"
            )
        numbers = f"generate_series(0::bigint, {count - 1}) AS n"
        await connection.execute(_fill("postgres", numbers, count, "lpad(to_hex(n), 12, '0')"))
        await connection.execute(_MARKS)
        await connection.execute("ANALYZE")
        await connection.close()

    asyncio.run(fill())


QUESTIONS = {
    "by day": {"width": Width.DAY},
    "by day, by framework": {"width": Width.DAY, "group": (Dimension.FRAMEWORK,)},
    "by day, by severity": {"width": Width.DAY, "group": (Dimension.SEVERITY,)},
    "by day, of one rule": {"width": Width.DAY, "rule_id": "rule-7"},
    "all together": {"width": None},
    "by rule": {"width": None, "group": (Dimension.FRAMEWORK, Dimension.RULE), "by_alerts": True, "limit": 100},
    "by hour, without percentiles": {"width": Width.HOUR, "with_times": False},
}


async def month(url: str) -> None:
    """Counts what is there, then asks."""
    async with open_store(url, clock=lambda: BEGIN_US + 40 * DAY_US) as store:
        began = time.perf_counter()
        alerts = changes = 0
        while (done := await store.count_alerts(8, ahead_us=10**15)).hours:
            alerts, changes = alerts + done.alerts, changes + done.changed
        took = time.perf_counter() - began
        print(f"counted {alerts:,} alerts in {took:.1f} s ({alerts / max(took, 1e-9):,.0f}/s), {changes:,} groups")
        begin = start_of(Width.DAY, BEGIN_US)
        for name, question in QUESTIONS.items():
            query = AggregateQuery(workspace=WORKSPACE, since_us=begin, until_us=begin + 31 * DAY_US, **question)  # type: ignore[arg-type]
            times, cpu = list[float](), time.process_time()
            for _ in range(TIMES):
                began = time.perf_counter()
                rows = (await store.aggregates(query)).rows
                times.append((time.perf_counter() - began) * 1_000)
            cpu = (time.process_time() - cpu) * 1_000 / TIMES
            total = sum(row.counts.alerts for row in rows)
            print(f"{name}: {len(rows)} rows of {total:,} alerts, median {statistics.median(times):.1f} ms,", end=" ")
            print(f"best {min(times):.1f} ms, worst {max(times):.1f} ms, {cpu:.1f} ms of this process's CPU")


# What a fan-out to a thousand clients costs the loop, and how often it is asked for.
FAN_OUT_S, FAN_OUT_EVERY_S = 0.005, 0.02
ROUND_S = 2.0


async def beside(url: str, rounds: int = 15) -> None:
    """How long something of the loop's takes that computes for 5 ms, alone and beside counting, in turns."""
    sys.setswitchinterval(0.001)
    took: dict[bool, list[float]] = {False: [], True: []}
    async with open_store(url, clock=lambda: BEGIN_US + 40 * DAY_US) as store:
        for number in range(2 * rounds):
            is_busy = number % 2 == 1
            async with trio.open_nursery() as nursery:
                if is_busy:
                    nursery.start_soon(_count_on, store)
                took[is_busy] += await _fan_out_for(ROUND_S)
                nursery.cancel_scope.cancel()
    for is_busy, times in took.items():
        p50, p99 = (statistics.quantiles(times, n=100)[n] * 1_000 for n in (49, 98))
        print(f"{'beside counting' if is_busy else 'alone'}: {len(times)} times, p50 {p50:.2f} ms, p99 {p99:.2f} ms")


async def _count_on(store: Store) -> None:
    while True:
        began = trio.current_time()
        if not (await store.count_alerts(HOURS_AT_ONCE, ahead_us=10**15)).hours:
            raise RuntimeError("nothing is left to be counted: fill it with more alerts")
        await trio.sleep((trio.current_time() - began) * PAUSE_FACTOR)


async def _fan_out_for(seconds: float) -> list[float]:
    """From when it is due until it is done."""
    took, end, due = list[float](), time.perf_counter() + seconds, time.perf_counter()
    while time.perf_counter() < end:
        due = max(due + FAN_OUT_EVERY_S, time.perf_counter())
        await trio.sleep(max(due - time.perf_counter(), 0))
        left = time.thread_time() + FAN_OUT_S
        while time.thread_time() < left:
            pass
        took.append(time.perf_counter() - due)
    return took


@contextmanager
def _a_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tocsin-analytics-") as folder:
        yield f"sqlite:///{folder}/store.db"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Counts of alerts: exactness and speed.")
    parser.add_argument("what", choices=("exact", "month", "beside"))
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--store", default="", help="a Postgres that is migrated and empty; else a file of SQLite")
    parser.add_argument("--owner", default="", help="for `month`: the same database, with its owner's login")
    given = parser.parse_args()
    with _a_file() as own:
        url = given.store or own
        if given.what == "exact":
            began = time.perf_counter()
            rows = trio.run(exact, url, given.alerts)
            took = time.perf_counter() - began
            print(f"{rows:,} rows are what counting {given.alerts:,} alerts by hand says, {took:.0f} s")
            return
        began = time.perf_counter()
        if given.store:
            fill_postgres(given.owner or given.store, given.alerts)
        else:
            trio.run(_made, url)
            fill_sqlite(Path(url.removeprefix("sqlite:///")), given.alerts)
        print(f"filled in {time.perf_counter() - began:.0f} s")
        trio.run(month if given.what == "month" else beside, url)


async def _made(url: str) -> None:
    async with open_store(url):
        pass


if __name__ == "__main__":
    main()
