"""A client to Redis for the bus, in the foreign loop: made when it is needed, thrown away when anything goes wrong.

Knows how keys are named, and finds out by itself whether the server is a Redis Cluster. Its task closes it when the
loop ends. The library's own retries are off: who asks decides what a failure means.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from zlib import crc32

import redis.asyncio
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError

from engine.redis_options import redis_options

# A healthy server answers in a millisecond; a second is a server that is frozen, or as good as that.
ANSWER_S = 1.0
# In a cluster a blocking read is for one slot only: so many wait, on whatever servers have those slots.
SLOT_GROUPS = 4
# The field of an entry that has a frame.
BODY = b"b"


class Connection:
    """A client that is made when it is needed, and thrown away at the first thing that goes wrong."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._client: Any = None
        self._holder: asyncio.Task[None] | None = None
        self.is_cluster = False
        # How often it was connected: the library does it by itself, and a server may have been emptied in between.
        self.connects = 0

    def key(self, topic: str) -> str:
        """The stream's key; what is in braces decides its slot in a cluster."""
        return f"{self._prefix}:bus:{{{group_of(topic)}}}:{topic}"

    async def client(self) -> Any:
        """The client, connected."""
        if self._client is None:
            options = redis_options("bus", ANSWER_S)
            client: Any = redis.asyncio.Redis.from_url(self._url, redis_connect_func=self._connected, **options)
            try:
                self.is_cluster = bool((await client.info("cluster")).get("cluster_enabled"))
                if self.is_cluster:
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
        self.connects += 1
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


def group_of(topic: str) -> int:
    """Which of the tags a topic's key has."""
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
