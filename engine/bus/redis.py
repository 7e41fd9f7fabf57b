"""Redis (or Valkey, or a Redis Cluster) as a carrier: a stream for each topic, tailed by each node with its own cursor.

Owns two clients in the foreign loop, one that writes and one that waits (`redis_reader`). Waits for: answers, a second
at most, then the connection is thrown away, as a frozen server's would be of no use. The cursors are in memory: a node
that starts begins a little in the past, what was before is the store's.

One pipeline for what is sent together; one XREAD that blocks for all topics (in a cluster one for each of four groups
of them). Streams are trimmed by the age of their entries, by the server's own clock (the ids of what it took), and
vanish when nobody writes to them any more. A stream that refuses while the server takes other things (somebody wrote
its last possible id, or something else is at its key) keeps the carrier down until that has vanished as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.exceptions import RedisError, ResponseError

from engine.bus.carriers import Reading
from engine.bus.frames import Parcel
from engine.bus.over_there import OverThere
from engine.bus.redis_connection import ANSWER_S, BODY, Connection
from engine.bus.redis_reader import Reader
from engine.foreign import ForeignLoop

# After it a stream takes nothing any more, for good.
LAST_ID = b"%d-%d" % (2**64 - 1, 2**64 - 1)
_NO_KEY = "no such key"


class StreamRefuses(RedisError):
    """One stream takes nothing, whatever the server does; the text says which, and what to do."""

    def __init__(self, key: str, cause: str) -> None:
        super().__init__(f"{key}: {cause}; delete this key, nobody but Tocsin should write there")


class RedisCarrier:
    """One node's way over Redis. `keep_s`: how long a node may be deaf before it has missed something."""

    name = "redis"

    def __init__(self, foreign: ForeignLoop, url: str, prefix: str, keep_s: float) -> None:
        self._writer = _Writer(url, prefix, keep_s)
        self._reader = Reader(url, prefix)
        at = urlsplit(url)
        address = f"{at.hostname}:{at.port or 6379}" if at.hostname else at.path
        self._there = OverThere(foreign, f"redis at {address}", (self._writer, self._reader), RedisError)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Adds them to their streams, in one go. Raises CarrierDown."""
        await self._there.call(lambda: self._writer.send(parcels))

    async def probe(self) -> None:
        """Writes something that nobody reads: a server may answer and still refuse to write. Raises CarrierDown."""
        await self._there.call(self._writer.probe)

    async def read(self, topics: Collection[str]) -> Reading:
        """What has come since the last call, or nothing in half a second. Raises CarrierDown."""
        news = await self._there.call(lambda: self._reader.read(frozenset(topics)), is_long=True)
        self._reader.took(news)
        return Reading(tuple(news.parcels), tuple(news.lost))

    async def close(self) -> None:
        """Closes both connections."""
        await self._there.close()


class _Writer(Connection):
    """Over there: adds to streams."""

    def __init__(self, url: str, prefix: str, keep_s: float) -> None:
        super().__init__(url, prefix)
        self._keep_ms = int(keep_s * 1_000)
        # The server's time, as the ids of our last entries say it.
        self._server_ms = 0
        # Topics whose streams have refused an entry and were not found well since.
        self._refused: set[str] = set()

    async def close(self) -> None:
        """Throws the client away; the next server may have another time, by which ours would trim all that it gets."""
        self._server_ms = 0
        await super().close()

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
        answers = await pipe.execute(raise_on_error=False)
        await self._check(parcels, answers)
        if parcels:
            self._server_ms = int(answers[len(parcels) - 1].partition(b"-")[0])

    async def _check(self, parcels: Sequence[Parcel], answers: Sequence[Any]) -> None:
        """Raises what the server has refused."""
        refusals = [answer for answer in answers if isinstance(answer, Exception)]
        if refusals:
            self._refused |= {
                parcel.topic
                for parcel, answer in zip(parcels, answers, strict=False)  # the expiries' come last
                if isinstance(answer, ResponseError)
            }
            await self._look_at_refused()
            raise refusals[0]

    async def _look_at_refused(self) -> None:
        """Raises StreamRefuses while one of them would do so again."""
        for topic in sorted(self._refused):
            key = self.key(topic)
            try:
                last = (await (await self.client()).xinfo_stream(key))["last-generated-id"]
            except ResponseError as fault:
                if _NO_KEY not in str(fault):
                    raise StreamRefuses(key, str(fault)) from fault
            else:
                if last == LAST_ID:
                    raise StreamRefuses(key, "somebody wrote the last possible id")
            self._refused.discard(topic)

    async def probe(self) -> None:
        """Writes one entry to a stream of one entry, and looks at what refused before."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await (await self.client()).xadd(self.key("probe"), {BODY: b""}, maxlen=1, approximate=False)
                await self._look_at_refused()
        except BaseException:
            await self.close()
            raise
