"""Postgres alone as a carrier: a small table, a NOTIFY for whatever is written together, and a slow look.

Owns two connections in the foreign loop, none of the store's pool: one that writes, one that listens and reads. Waits
for: answers, a second at most, then the connection is thrown away. Nothing of this is inside a transaction of the
store: a NOTIFY there would make every commit wait for all others (measured: 5 to 16 times as slow).

Sequences give numbers before they are visible: a reader that remembers the largest number that it saw would skip one
that was taken earlier and committed later. So writers take a lock for their one statement, which is its own
transaction: numbers become visible in their order, and a node that is stopped half-way holds nobody up. Decided
against reading with an overlap (`pg_snapshot_xmin`): one long transaction anywhere in the cluster, a dump for example,
would hold back the bus for as long as it runs.

Nobody waits for a disk: a crash loses the last rows, and may give their numbers again. So when the server was started
anew, something may have been missed, and all that is there is read again. The same if the newest number is lower than
our cursor; therefore trimming leaves the last row. Behind a pooler that gives connections out by transaction no NOTIFY
would arrive; the store refuses such a one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, NamedTuple

import asyncpg

from engine.bus.carriers import Reading
from engine.bus.frames import Parcel
from engine.bus.hearing import CATCH_UP_S
from engine.bus.over_there import OverThere
from engine.foreign import ForeignLoop
from engine.stores.postgres.connect import named, with_settings

ANSWER_S = 1.0
# A login is some round trips and a slow hash.
CONNECT_S = 2.0
# Bells are lost with their connection.
LOOK_EVERY_S = 1.0
# Frames of one look, each of up to 256 kB; the next look follows at once.
READ_MAX = 64
CHANNEL = "tocsin_bus"
# One of the two numbers of an advisory lock: "bus" in ASCII. The store's locks have others.
LOCK = 0x627573
NAME = "tocsin bus"
_SETTINGS = {
    "statement_timeout": str(int(ANSWER_S * 1_000)),
    # Whatever is here is worth nothing after a crash.
    "synchronous_commit": "off",
}
# In this order: the lock, then numbers, in the order of the parcels; one bell for all of them.
_WRITE = f"""
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({LOCK})),
added AS (
    INSERT INTO bus (topic, at, body)
    SELECT parcel.topic, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, parcel.body
    FROM turn, unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS parcel (topic, body, place)
    ORDER BY parcel.place
    RETURNING id
)
SELECT pg_notify('{CHANNEL}', '') FROM (SELECT count(*) FROM added) AS done
"""  # noqa: S608  # constants of ours
_TRIM = """
DELETE FROM bus
WHERE at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1 AND id < (SELECT max(id) FROM bus)
"""
_RUN = "SELECT pg_postmaster_start_time()"
_PAST = """
SELECT coalesce(max(id), 0) FROM bus WHERE at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1
"""
# One row at least, with the newest number of all: the same snapshot, so nothing is between them.
_READ = """
SELECT newest.id AS newest, news.id, news.topic, news.body
FROM (SELECT coalesce(max(id), 0) AS id FROM bus) AS newest
LEFT JOIN LATERAL (
    SELECT id, topic, body FROM bus WHERE id > $1 AND topic = ANY ($2::text[]) ORDER BY id LIMIT $3
) AS news ON true
ORDER BY news.id
"""


class PostgresCarrier:
    """One node's way over the store's server. `keep_s`: how long a node may be deaf before it has missed something."""

    name = "postgres"

    def __init__(self, foreign: ForeignLoop, url: str, keep_s: float) -> None:
        self._writer = _Writer(url, keep_s)
        self._reader = _Reader(url)
        ends = (self._writer, self._reader)
        self._there = OverThere(
            foreign, f"postgres at {named(url)}", ends, asyncpg.PostgresError, asyncpg.InterfaceError
        )

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Writes them, in one statement. Raises CarrierDown."""
        await self._there.call(lambda: self._writer.send(parcels))

    async def probe(self) -> None:
        """Writes nothing, as everything else is written. Raises CarrierDown."""
        await self._there.call(lambda: self._writer.send(()))

    async def read(self, topics: Collection[str]) -> Reading:
        """What has come since the last call, or nothing in a second. Raises CarrierDown."""
        news = await self._there.call(lambda: self._reader.read(frozenset(topics)), is_long=True)
        self._reader.stands = news.stands
        return Reading(news.parcels, tuple(topics) if news.has_lost else ())

    async def close(self) -> None:
        """Closes both connections."""
        await self._there.close()


class _Connection:
    """A connection that is made when it is needed, and thrown away at the first thing that goes wrong."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._holder: asyncio.Task[None] | None = None

    async def connection(self) -> Any:
        """The connection, made if there is none."""
        if self._connection is None:
            self._connection = await with_settings(self._url, CONNECT_S, _SETTINGS, NAME)
            self._holder = asyncio.create_task(_hold(self._connection))
            await self.connected(self._connection)
        return self._connection

    async def connected(self, connection: Any) -> None:
        """What is done with a new one."""

    async def close(self) -> None:
        """Throws it away at once: one that was in use is good for nothing, and one to a frozen server never closes."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        if self._holder is not None:
            self._holder.cancel()

    def forget(self) -> None:
        """The loop that it belonged to has ended, and whoever held it has closed it."""
        self._connection = self._holder = None

    @contextlib.asynccontextmanager
    async def guarded(self, seconds: float) -> AsyncIterator[None]:
        """Whatever goes wrong in here, or takes longer, costs the connection."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except BaseException:
            await self.close()
            raise


class _Writer(_Connection):
    """Over there: writes, and trims what is old."""

    def __init__(self, url: str, keep_s: float) -> None:
        super().__init__(url)
        self._keep_s = keep_s
        self._trimmed_at = 0.0

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """One statement."""
        async with self.guarded(CONNECT_S + ANSWER_S):
            connection = await self.connection()
            topics, bodies = [parcel.topic for parcel in parcels], [parcel.body for parcel in parcels]
            await connection.execute(_WRITE, topics, bodies, timeout=ANSWER_S)
            now = asyncio.get_running_loop().time()
            if parcels and now - self._trimmed_at > self._keep_s / 3:
                self._trimmed_at = now
                await connection.execute(_TRIM, int(self._keep_s * 1e6), timeout=ANSWER_S)


class _Stands(NamedTuple):
    """Up to which number these topics were read, on which run of the server."""

    topics: frozenset[str]
    cursor: int
    run: object
    # There was more than was read at a time.
    has_more: bool = False


class _News(NamedTuple):
    """A reading, and where it stands after it."""

    parcels: Sequence[Parcel]
    has_lost: bool
    stands: _Stands


class _Reader(_Connection):
    """Over there: waits for the bell, and reads. `stands` moves when a reading has arrived where it is told."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.stands: _Stands | None = None
        # Of this connection, and of the loop that it belongs to.
        self._bell: asyncio.Event
        self._run: object = None

    async def connected(self, connection: Any) -> None:
        """Listens, before it looks where it stands."""
        self._bell = asyncio.Event()
        self._bell.set()
        await connection.add_listener(CHANNEL, lambda *_: self._bell.set())
        connection.add_termination_listener(lambda *_: self._bell.set())
        self._run = await connection.fetchval(_RUN)

    async def read(self, topics: frozenset[str]) -> _News:
        """What has come on these topics."""
        async with self.guarded(CONNECT_S + LOOK_EVERY_S + ANSWER_S):
            connection = await self.connection()
            stands = self.stands
            if stands is None or not topics <= stands.topics:
                return _News((), False, await self._begin(connection, topics))
            if not stands.has_more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._bell.wait()
            self._bell.clear()
            return await self._fetch(connection, stands._replace(topics=topics))

    async def _begin(self, connection: Any, topics: frozenset[str]) -> _Stands:
        """A little in the past; what is read again has been told already."""
        past = await connection.fetchval(_PAST, int(CATCH_UP_S * 1e6), timeout=ANSWER_S)
        known = self.stands
        is_same_run = known is not None and known.run == self._run
        return _Stands(topics, min(past, known.cursor) if known and is_same_run else past, self._run, has_more=True)

    async def _fetch(self, connection: Any, stands: _Stands) -> _News:
        rows = await connection.fetch(_READ, stands.cursor, list(stands.topics), READ_MAX, timeout=ANSWER_S)
        newest = rows[0]["newest"]
        if newest < stands.cursor or stands.run != self._run:
            return _News((), True, _Stands(stands.topics, 0, self._run, has_more=True))
        parcels = [Parcel(row["topic"], row["body"]) for row in rows if row["id"] is not None]
        has_more = len(parcels) == READ_MAX
        cursor = rows[-1]["id"] if has_more else newest
        return _News(tuple(parcels), False, stands._replace(cursor=cursor, has_more=has_more))


async def _hold(connection: Any) -> None:
    """Closes the connection when the loop ends, whoever is still using it then."""
    try:
        await asyncio.Event().wait()
    finally:
        connection.terminate()
        await asyncio.sleep(0)
