"""The part of the store that looks after readings: what is asked of them, roll-ups, and what is kept how long.

Owns no rows, only counters; one task at a time rolls up (`engine.keepers.upkeep`). Reads go through the readers, a few
milliseconds each, so that nothing else waits for long; writes are jobs of the writer, each its own short transaction.
"""

from __future__ import annotations

from functools import partial

from engine.stores.readings import KeptReadings, ReadingPage, ReadingQuery, SeriesPage
from engine.stores.tables import rollup, series, trim
from engine.stores.tables.log import LogValues
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer


class ReadingStore:
    """Readings, above the writer and the readers of a store."""

    def __init__(self, writer: Writer, readers: Readers, kept: KeptReadings) -> None:
        self._writer = writer
        self._readers = readers
        self._kept = kept
        self._counters = dict.fromkeys(("readings", "reading_bytes", "readings_rolled", "reading_rows_trimmed"), 0)

    def count(self, log: LogValues) -> None:
        """This was committed."""
        self._counters["readings"] += log.count
        self._counters["reading_bytes"] += log.bytes

    def statistics(self) -> dict[str, int]:
        """Counters since opening."""
        return dict(self._counters)

    async def readings(self, query: ReadingQuery) -> ReadingPage:
        """A page of readings. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(series.readings, query=query), workspace=query.workspace)

    async def series(self, workspace: str, framework: str, cursor: str | None, limit: int) -> SeriesPage:
        """A page of a framework's series. Raises BadRequest, StoreUnavailable."""
        question = partial(series.series, workspace=workspace, framework=framework, cursor=cursor, limit=limit)
        return await self._readers.read(question, workspace=workspace)

    async def roll_up(self) -> int:
        """Everything that is in the logs now goes into the roll-ups; how many readings. Raises StoreUnavailable."""
        readings, channel = 0, 0
        while (stretch := await self._readers.read(partial(rollup.next_stretch, channel=channel))) is not None:
            target = stretch.last
            if not await self._roll(stretch):
                break
            readings += stretch.readings
            # A long log takes several stretches; what comes meanwhile waits for the next turn, or this would not end.
            channel = stretch.channel + (stretch.until >= target)
        self._counters["readings_rolled"] += readings
        return readings

    async def _roll(self, stretch: rollup.Stretch) -> bool:
        """False: another node is at it, and further than we are."""
        while not await self._readers.read(partial(rollup.gather, stretch=stretch)):
            pass
        parts, known = rollup.parts(stretch), stretch.mark
        for part in parts:
            then = rollup.mark_after(stretch, part, part is parts[-1])
            job = partial(rollup.write, stretch=stretch, part=part, known=known, then=then)
            if not await self._writer.run(job):
                return False
            known = then
        return True

    async def trim(self, now_us: int) -> None:
        """Deletes what is no longer kept. Raises StoreUnavailable."""
        channel: int | None = 0
        while channel is not None:
            step = partial(trim.trim_log, kept=self._kept, now_us=now_us, channel=channel)
            channel, gone = await self._writer.run(step)
            self._counters["reading_rows_trimmed"] += gone
        while await self._writer.run(partial(trim.trim_rollups, kept=self._kept, now_us=now_us)):
            pass
