"""Redis (or Valkey, or a Redis Cluster) as a carrier: a stream for each topic, tailed by each node with its own cursor.

Owns two clients in the foreign loop, one that writes and one that waits, and the cursor of each topic. Waits for:
answers, a second at most, then the connection is thrown away, as a frozen server's would be of no use. The cursors
are in memory: a node that starts begins a little in the past, what was before is the store's. They move when a reading
has arrived on the trio loop, so one that is cancelled on its way is read again.

One pipeline for what is sent together; one XREAD that blocks for all topics. Streams are trimmed by the age of their
entries, by the server's own clock (the ids of what it took), and vanish when nobody writes to them any more. After a
reconnect each stream is looked at: if the entry of our cursor is not there any more (trimmed, or the server was
restarted empty), something may have been missed; if the newest one is older than our cursor (its clock was set back),
we begin at its beginning.

A cluster says itself that it is one. There a blocking read is for one slot only, so topics are spread over
`SLOT_GROUPS` tags: as many reads wait, on whatever servers have those slots.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zlib import crc32

import redis.asyncio
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from engine.bus.carriers import CarrierDown, Reading
from engine.bus.frames import Parcel
from engine.bus.hearing import CATCH_UP_S
from engine.foreign import ForeignEnded, ForeignLoop

T = TypeVar("T")

# A healthy server answers in a millisecond; a second is a server that is frozen, or as good as that.
ANSWER_S = 1.0
# Shorter than the answer's time, which counts while we wait for news as well.
BLOCK_MS = 500
# Of each topic at a time: frames hold up to 256 kB.
READ_MAX = 64
SLOT_GROUPS = 4
BODY = b"b"
BEGINNING = "0-0"


class RedisCarrier:
    """One node's way over Redis. `keep_s`: how long a node may be deaf before it has missed something."""

    name = "redis"

    def __init__(self, foreign: ForeignLoop, url: str, prefix: str, keep_s: float) -> None:
        self._foreign = foreign
        self._writer = _Writer(url, prefix, keep_s)
        self._reader = _Reader(url, prefix)
        at = urlsplit(url)
        self._address = f"{at.hostname}:{at.port or 6379}" if at.hostname else at.path

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Adds them to their streams, in one go. Raises CarrierDown."""
        await self._call(lambda: self._writer.send(parcels))

    async def probe(self) -> None:
        """Writes something that nobody reads: a server may answer and still refuse to write. Raises CarrierDown."""
        await self._call(self._writer.probe)

    async def read(self, topics: Collection[str]) -> Reading:
        """What has come since the last call, or nothing in half a second. Raises CarrierDown."""
        news = await self._call(lambda: self._reader.read(frozenset(topics)), is_long=True)
        self._reader.took(news)
        return Reading(tuple(news.parcels), tuple(news.lost))

    async def close(self) -> None:
        """Closes both connections."""
        with contextlib.suppress(CarrierDown):
            await self._call(self._writer.close)
            await self._call(self._reader.close)

    async def _call(self, make: Callable[[], Coroutine[Any, Any, T]], *, is_long: bool = False) -> T:
        try:
            return await self._foreign.call(make, is_long=is_long)
        except ForeignEnded as fault:
            self._writer.forget()
            self._reader.forget()
            raise CarrierDown(f"redis at {self._address}: {fault}") from fault
        except (RedisError, OSError, TimeoutError) as fault:
            raise CarrierDown(f"redis at {self._address}: {str(fault) or type(fault).__name__}") from fault


class _Connection:
    """A client that is made when it is needed, and thrown away at the first thing that goes wrong."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._client: Any = None
        self._holder: asyncio.Task[None] | None = None
        self._is_cluster = False
        # How often it was connected: the library does it by itself, and a server may have been emptied in between.
        self._connects = 0

    def key(self, topic: str) -> str:
        """The stream's key; what is in braces decides its slot in a cluster."""
        return f"{self._prefix}:bus:{{{_group(topic)}}}:{topic}"

    async def client(self) -> Any:
        """The client, connected."""
        if self._client is None:
            options: dict[str, Any] = {
                "socket_timeout": ANSWER_S,
                "socket_connect_timeout": ANSWER_S,
                # Who waits here decides himself what a failure means.
                "retry": Retry(NoBackoff(), 0),
                "protocol": 2,
            }
            client: Any = redis.asyncio.Redis.from_url(self._url, redis_connect_func=self._connected, **options)
            try:
                self._is_cluster = bool((await client.info("cluster")).get("cluster_enabled"))
                if self._is_cluster:
                    await client.aclose()
                    client = RedisCluster.from_url(self._url, **options)
                    await client.initialize()
            except BaseException:
                await _discard(client)
                raise
            self._client, self._holder = client, asyncio.create_task(_hold(client))
            # It must have begun: a task that is cancelled before that closes nothing.
            await asyncio.sleep(0)
        return self._client

    async def _connected(self, connection: Any) -> None:
        self._connects += 1
        await connection.on_connect()

    def forget(self) -> None:
        """The loop that it belonged to has ended, and whoever held it has closed it."""
        self._client = self._holder = None

    async def close(self) -> None:
        """Throws the client away."""
        holder, self._client, self._holder = self._holder, None, None
        if holder is not None:
            holder.cancel()
            await asyncio.wait([holder])


class _Writer(_Connection):
    """Over there: adds to streams."""

    def __init__(self, url: str, prefix: str, keep_s: float) -> None:
        super().__init__(url, prefix)
        self._keep_ms = int(keep_s * 1_000)
        # The server's time, as the ids of our last entries say it.
        self._server_ms = 0

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """One pipeline."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._send(parcels)
        except BaseException:
            await self.close()
            raise

    async def _send(self, parcels: Sequence[Parcel]) -> None:
        pipe = (await self.client()).pipeline(transaction=False)
        floor = max(0, self._server_ms - self._keep_ms)
        for topic, body in parcels:
            pipe.xadd(self.key(topic), {BODY: body}, minid=f"{floor}-0", approximate=True)
        for topic in {parcel.topic for parcel in parcels}:
            # By itself a stream that nobody writes to would stay for ever: an inbox of a node that is gone.
            pipe.pexpire(self.key(topic), 2 * self._keep_ms)
        answers = await pipe.execute()
        if parcels:
            self._server_ms = int(answers[len(parcels) - 1].partition(b"-")[0])

    async def probe(self) -> None:
        """Writes one entry to a stream of one entry."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await (await self.client()).xadd(self.key("probe"), {BODY: b""}, maxlen=1, approximate=False)
        except BaseException:
            await self.close()
            raise


class _News(NamedTuple):
    """A reading, and where the cursors stand after it."""

    parcels: Sequence[Parcel]
    lost: Sequence[str]
    cursors: Mapping[str, str]


class _Reader(_Connection):
    """Over there: waits at the ends of streams. Reads that wait go on between two calls."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix)
        self._cursors: Mapping[str, str] = {}
        self._waiting: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._must_look = True
        self._connects_seen = 0

    def took(self, news: _News) -> None:
        """It has arrived where it is told, so the next one follows on it."""
        self._cursors, self._must_look = news.cursors, False

    async def read(self, topics: frozenset[str]) -> _News:
        """What has come on these topics; for new ones, and after a reconnect, first of all where we stand."""
        try:
            if self._must_look or topics != set(self._cursors):
                return await self._look(sorted(topics))
            return await self._tail(sorted(topics, key=_group))
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

    async def _look(self, topics: Sequence[str]) -> _News:
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
        self._connects_seen = self._connects
        return _News((), lost, cursors)

    async def _tail(self, topics: Sequence[str]) -> _News:
        groups = groupby(topics, key=_group) if self._is_cluster else [(0, topics)]
        for group in [tuple(members) for _, members in groups]:
            if group and group not in self._waiting:
                self._waiting[group] = asyncio.create_task(self._wait_at(group))
        if not self._waiting:
            await asyncio.sleep(BLOCK_MS / 1_000)
            return _News((), (), self._cursors)
        await asyncio.wait(self._waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        parcels: list[Parcel] = []
        cursors = dict(self._cursors)
        for group, task in list(self._waiting.items()):
            if task.done():
                del self._waiting[group]
                if self._connects != self._connects_seen:
                    raise ConnectionError("it was connected anew")
                for topic, number, body in task.result():
                    parcels.append(Parcel(topic, body))
                    cursors[topic] = number
        return _News(parcels, (), cursors)

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


def _parts(number: str) -> tuple[int, int]:
    milliseconds, _, count = number.partition("-")
    return int(milliseconds), int(count)


def _id_of(entries: Sequence[tuple[bytes, object]]) -> str | None:
    return entries[0][0].decode() if entries else None


def _group(topic: str) -> int:
    return crc32(topic.encode()) % SLOT_GROUPS


async def _hold(client: Any) -> None:
    """Closes the client when it is thrown away, or the loop ends, whoever is still using it then."""
    try:
        await asyncio.Event().wait()
    finally:
        await _discard(client)


async def _discard(client: Any) -> None:
    """Closes it without waiting for a server that may be frozen; what cannot be closed is closed by the kernel."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            await client.aclose()
