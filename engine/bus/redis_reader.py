"""Waits at the ends of streams, for the bus, in the foreign loop; and knows where to read on.

Owns the cursor of each topic and the reads that wait, which go on between two calls. Cursors move when a reading has
arrived on the trio loop (`took`), so one that is cancelled on its way is read again. After a reconnect, also one that
the library made by itself, each stream is looked at: if the entry of our cursor is not there any more (trimmed, or the
server was restarted empty), something may have been missed; if the newest one is older than our cursor (its clock was
set back), we begin at its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from engine.bus.frames import Parcel
from engine.bus.hearing import CATCH_UP_S, SILENT_S
from engine.bus.redis_connection import BODY, Connection, group_of

# Shorter than the answer's time, which counts while we wait for news as well.
BLOCK_MS = 500
# Of each topic at a time: frames hold up to 256 kB.
READ_MAX = 64
BEGINNING = "0-0"


class News(NamedTuple):
    """A reading, and where the cursors stand after it."""

    parcels: Sequence[Parcel]
    lost: Sequence[str]
    cursors: Mapping[str, str]


class Reader(Connection):
    """Over there: waits at the ends of streams. Reads that wait go on between two calls."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix)
        self._cursors: Mapping[str, str] = {}
        self._waiting: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._must_look = True
        self._connects_seen = 0
        # When each topic brought something or was looked at, by the foreign loop's clock.
        self._level_at: dict[str, float] = {}

    def took(self, news: News) -> None:
        """It has arrived where it is told, so the next one follows on it."""
        self._cursors, self._must_look = news.cursors, False

    async def read(self, topics: frozenset[str]) -> News:
        """What has come on these topics; for new ones, and after a reconnect, first of all where we stand."""
        try:
            if self._must_look or topics != set(self._cursors):
                return await self._look(sorted(topics))
            return await self._tail(sorted(topics, key=group_of))
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self.close()
            raise

    def forget(self) -> None:
        """The loop has ended, and what waited there."""
        super().forget()
        self._waiting.clear()
        self._must_look = True

    async def close(self) -> None:
        """Throws the client away, and what waits by it."""
        self._must_look = True
        await self._stop()
        await super().close()

    async def _look(self, topics: Sequence[str]) -> News:
        await self._stop()
        pipe = (await self.client()).pipeline(transaction=False)
        for topic in topics:
            pipe.xrange(self.key(topic), count=1)
            pipe.xrevrange(self.key(topic), count=1)
        answers = await pipe.execute()
        cursors: dict[str, str] = {}
        lost: list[str] = []
        for topic, first, last in zip(topics, answers[::2], answers[1::2], strict=True):
            cursors[topic], has_lost = stand(self._cursors.get(topic), _id_of(first), _id_of(last))
            if has_lost:
                lost.append(topic)
        self._connects_seen = self.connects
        self._level_at = dict.fromkeys(topics, _now())
        return News((), lost, cursors)

    def _quiet(self, topics: Sequence[str]) -> list[str]:
        # While a read waits, another question would open a connection, which looks like a reconnect (not in a cluster).
        if self._waiting and not self.is_cluster:
            return []
        since = _now() - SILENT_S
        return [topic for topic in topics if self._level_at.get(topic, 0.0) < since]

    async def _look_behind(self, topics: Sequence[str]) -> News:
        """Whether streams that bring nothing end before our cursors; reads that wait go on."""
        pipe = (await self.client()).pipeline(transaction=False)
        for topic in topics:
            pipe.xrevrange(self.key(topic), count=1)
        cursors = dict(self._cursors)
        lost: list[str] = []
        for topic, last in zip(topics, await pipe.execute(), strict=True):
            cursors[topic], has_lost = stand(cursors[topic], None, _id_of(last))
            if has_lost:
                lost.append(topic)
        self._level_at |= dict.fromkeys(topics, _now())
        return News((), lost, cursors)

    async def _tail(self, topics: Sequence[str]) -> News:
        if quiet := self._quiet(topics):
            return await self._look_behind(quiet)
        groups = groupby(topics, key=group_of) if self.is_cluster else [(0, topics)]
        for group in [tuple(members) for _, members in groups]:
            if group and group not in self._waiting:
                self._waiting[group] = asyncio.create_task(self._wait_at(group))
        if not self._waiting:
            await asyncio.sleep(BLOCK_MS / 1_000)
            return News((), (), self._cursors)
        await asyncio.wait(self._waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        parcels: list[Parcel] = []
        cursors = dict(self._cursors)
        for group, task in list(self._waiting.items()):
            if task.done():
                del self._waiting[group]
                entries = task.result()
                if self.connects != self._connects_seen:
                    raise ConnectionError("it was connected anew")
                for topic, number, body in entries:
                    parcels.append(Parcel(topic, body))
                    cursors[topic] = number
                self._level_at |= dict.fromkeys([entry[0] for entry in entries], _now())
        return News(parcels, (), cursors)

    async def _wait_at(self, group: Sequence[str]) -> list[tuple[str, str, bytes]]:
        topics = {self.key(topic).encode(): topic for topic in group}
        places = {self.key(topic): self._cursors[topic] for topic in group}
        answers = await (await self.client()).xread(places, count=READ_MAX, block=BLOCK_MS)
        # An entry without a body is somebody else's: its topic's listeners are told so.
        return [
            (topics[key], number.decode(), fields.get(BODY, b""))
            for key, entries in answers
            for number, fields in entries
        ]

    async def _stop(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for task in waiting.values():
            task.cancel()
        await asyncio.gather(*waiting.values(), return_exceptions=True)


def stand(cursor: str | None, first: str | None, last: str | None) -> tuple[str, bool]:
    """Where to read on in a stream with these entries at its ends, and whether some may have been missed."""
    if cursor is None:
        past = max(0, _parts(last)[0] - int(CATCH_UP_S * 1_000)) if last else 0
        return f"{past}-0", False
    if last is None or _parts(last) < _parts(cursor):
        return BEGINNING, cursor != BEGINNING
    return cursor, cursor != BEGINNING and first is not None and _parts(first) > _parts(cursor)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _parts(number: str) -> tuple[int, int]:
    milliseconds, _, count = number.partition("-")
    return int(milliseconds), int(count)


def _id_of(entries: Sequence[tuple[bytes, object]]) -> str | None:
    return entries[0][0].decode() if entries else None
