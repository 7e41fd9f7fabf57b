"""`counts`: whether the counts of alerts are what counting by hand says, row by row.

Random alerts of two months go through the store's own commits, some of them late by weeks, a third changed again, and
are counted in between; half of those counts are broken off at random. Then every row of every width (hour, day, week,
month; framework, rule, severity) is held against what plain Python makes of the same alerts (`counted_by_hand`). On
SQLite and on Postgres (one of the benchmark's own, or the database that `--store` names), each once.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from benchmarks.control import BenchmarkError
from benchmarks.counted_by_hand import Whose, by_store, merged
from benchmarks.machine import machine_card
from benchmarks.options import Options
from benchmarks.peers import postgres
from benchmarks.random_alerts import WORKSPACE, Stream
from benchmarks.report import Figures, Goal, Report, make_report
from engine.core.analytics.calendar import DAY_US, HOUR_US, Width, end_of, start_of
from engine.core.analytics.counts import Counts
from engine.stores import Store, open_store
from engine.stores.tables.aggregate_hours import LOST_US
from protocol.effects import Commit, Committed, Unavailable
from protocol.errors import StoreUnavailable
from protocol.times import SECOND_US

ALERTS, SHORT_ALERTS = 1_000_000, 20_000
BEGIN_US = 1_767_225_600 * SECOND_US  # 2026-01-01
SPAN_US = 59 * DAY_US
BATCH = 180
# Commits from one count to the next.
COUNTED_EVERY = 50
SEED = 7
# A store that was away for a moment is asked again, as an engine does; with more than that a measurement has failed.
UNANSWERED_MAX = 50
# Everything is due, however far its time.
AHEAD_US = 10**15
CHECKS = [
    Goal("rows_different", "rows that are not what counting by hand says", 1.0),
    Goal("postgres_rows_different", "Postgres: rows that are not what counting by hand says", 1.0),
]


class Clock:
    """The time of the alerts."""

    def __init__(self) -> None:
        self.now = BEGIN_US

    def __call__(self) -> int:
        """Microseconds."""
        return self.now


class Compared(NamedTuple):
    """Rows of all widths, and how many of them were not what they should be (missing ones and those too many among
    them); counts that were broken off, and how often the store did not answer."""

    rows: int
    different: int
    broken_off: int
    unanswered: int


def run(options: Options) -> Report:
    """Compares. Raises BenchmarkError if the store does not answer."""
    figures = Figures(delivers=False)
    alerts = options.alerts or (SHORT_ALERTS if options.short else ALERTS)
    with (
        postgres.place(options, figures) as place,
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
    ):
        _note(figures, "", f"sqlite:///{Path(folder) / 'counts.db'}", alerts)
        if place is not None:
            with place.database() as url:
                _note(figures, "postgres_", url, alerts)
    conditions = {
        "alerts": alerts,
        "seed": SEED,
        "runs": 1,
        "store": "SQLite" if place is None else f"SQLite; {place.what}",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    return make_report("counts", conditions, figures, CHECKS, [])


def _note(figures: Figures, prefix: str, url: str, alerts: int) -> None:
    began = time.perf_counter()
    compared = trio.run(partial(compare, url, alerts))
    figures.add(f"{prefix}rows_compared", compared.rows)
    figures.add(f"{prefix}rows_different", compared.different)
    figures.add(f"{prefix}counts_broken_off", compared.broken_off)
    figures.add(f"{prefix}seconds", time.perf_counter() - began)
    if compared.unanswered:
        text = f"{prefix or 'sqlite_'}store: did not answer {compared.unanswered} times, and was asked again"
        figures.warn(f"{prefix}unanswered", compared.unanswered, text)


async def compare(url: str, alerts: int, seed: int = SEED) -> Compared:
    """Writes, changes, counts, and compares every row. Raises BenchmarkError."""
    clock, stream = Clock(), Stream(seed)
    async with open_store(url, clock=clock) as store:
        course = _Course(store, stream.random)
        batches = max(alerts // BATCH, 1)
        for number in range(batches):
            clock.now = BEGIN_US + SPAN_US * number // batches
            await course.commit(stream.commit(clock.now, BATCH))
            if number % COUNTED_EVERY == 0:
                await course.count_a_little()
        stream.finish()
        is_any = True
        while is_any:
            # What somebody took who was broken off is found again when he is taken for lost.
            clock.now += LOST_US + HOUR_US
            is_any = await course.count()
        rows, different = await _held_against(store, stream.hours)
        return Compared(rows, different, course.broken_off, course.unanswered)


class _Course:
    """What is done with a store, which may be away for a moment."""

    def __init__(self, store: Store, draw: random.Random) -> None:
        self._store = store
        self._draw = draw
        self.broken_off = self.unanswered = 0

    async def commit(self, commit: Commit) -> None:
        """Keeps it: a batch whose outcome is unknown is offered again."""
        while isinstance(outcome := await self._store.commit(commit), Unavailable):
            self._note_unanswered(outcome.cause)
        if not isinstance(outcome, Committed):
            raise BenchmarkError(f"a commit was refused: {outcome}")

    async def count_a_little(self) -> None:
        """Some hours; every other time that is broken off somewhere."""
        with trio.move_on_after(self._draw.random() / 5 if self._draw.random() < 1 / 2 else math.inf) as scope:
            await self._count(self._draw.randrange(1, 40))
        self.broken_off += scope.cancelled_caught

    async def count(self) -> bool:
        """All that is due; whether there was anything."""
        is_any = False
        while await self._count(64):
            is_any = True
        return is_any

    async def _count(self, hours: int) -> bool:
        try:
            return bool((await self._store.count_alerts(hours, ahead_us=AHEAD_US)).hours)
        except StoreUnavailable as fault:
            self._note_unanswered(str(fault))
            return True

    def _note_unanswered(self, cause: str) -> None:
        self.unanswered += 1
        if self.unanswered > UNANSWERED_MAX:
            raise BenchmarkError(f"the store did not answer {self.unanswered} times: {cause}")


async def _held_against(store: Store, hours: dict[Whose, Counts]) -> tuple[int, int]:
    """How many rows there are, and how many are not as they should be."""
    rows = different = 0
    for width in Width:
        expected = hours if width is Width.HOUR else merged(hours, width)
        found = await _found(store, width)
        whose = expected.keys() | found.keys()
        rows += len(whose)
        different += sum(expected.get(each) != found.get(each) for each in whose)
    return rows, different


async def _found(store: Store, width: Width) -> dict[Whose, Counts]:
    """What the store has counted, asked for a few days at a time: no reader waits longer than 5 s."""
    found: dict[Whose, Counts] = {}
    since, end = start_of(width, BEGIN_US - 15 * DAY_US), end_of(width, BEGIN_US + SPAN_US + DAY_US)
    while since < end:
        until = end_of(width, since + 3 * DAY_US)
        found |= await by_store(store, WORKSPACE, width, since, until)
        since = until
    return found
