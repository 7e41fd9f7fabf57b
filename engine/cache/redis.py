"""The second level in Redis, Valkey or a Redis Cluster, through the foreign loop.

Owns the connections over there. Each question is one round trip: the entry and its tags' tokens. A question has
`wait_s`; what does not answer in time, and what was cancelled, loses its connection (the driver closes it: its answer
would be the next one's). Whatever else the driver says becomes one of two exceptions. Keys are looked for with SCAN in
steps, never with KEYS, which holds everybody up.

A connection to a server that was restarted is not told from an old one by the driver, which connects again by itself;
so each new connection asks the server who it is (`run_id`), and one of another server is not used until `ping` says so.
In a cluster the driver has no place for that: there a node that comes back with old data is not noticed, and what it
tells is as old as its lifetime allows.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ClusterError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from engine.cache import Entry, Found, LevelDown, LevelRefused
from engine.cache.wire import TOKEN_BYTES, TOKEN_LIFETIME_S, tokens_of, workspace_of
from engine.configuration.fields import SecretUrl
from engine.foreign import ForeignEnded, ForeignLoop
from engine.redis_options import redis_options

T = TypeVar("T")

# Questions that wait for Redis at once; each has one. More wait for one of these, and that counts into `wait_s`.
CONNECTIONS_MAX = 8
# Of one answer to the task that writes and forgets, which nobody waits for.
TALK_MAX_S = 1.0
# Keys of one step of a sweep: a millisecond of the server.
STEP_KEYS = 500
# What an entry has besides its body.
HEAD_BYTES = 1_024


class RedisLevel:
    """A second level in Redis."""

    def __init__(self, url: SecretUrl, foreign: ForeignLoop, *, wait_s: float, value_max_bytes: int) -> None:
        self._url = url
        self._foreign = foreign
        self._wait_s = wait_s
        self._read_max = value_max_bytes + HEAD_BYTES
        # Both as `ping` has found them, which comes before everything else.
        self._client: Any = None
        self._is_cluster = False
        self._known = ""

    async def find(self, key: str, tags: Sequence[str]) -> Found:
        """An entry and its tags' tokens."""
        return await self._ask(lambda: self._find(key, tags), self._wait_s)

    async def keep(self, entries: Sequence[Entry]) -> None:
        """Keeps entries in the place of older ones."""
        if entries:
            await self._ask(lambda: self._keep(entries), TALK_MAX_S)

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes keys."""
        for start in range(0, len(keys), STEP_KEYS):
            step = keys[start : start + STEP_KEYS]
            await self._ask(partial(self._unlink, step), TALK_MAX_S)

    async def sweep(self, pattern: str) -> int:
        """Deletes all keys that match."""
        count = 0
        for node in await self._ask(self._nodes, TALK_MAX_S):
            cursor, found = await self._ask(partial(self._scan, node, 0, pattern), TALK_MAX_S)
            count += found
            while cursor:
                cursor, found = await self._ask(partial(self._scan, node, cursor, pattern), TALK_MAX_S)
                count += found
        return count

    async def ping(self) -> str:
        """Which server answers."""
        self._known = ""
        await self._ask(self._meet, TALK_MAX_S)
        server = await self._ask(self._who, TALK_MAX_S)
        # Once more, now that there is a connection: who is slower than questions may be is not up.
        self._known = await self._ask(self._who, self._wait_s)
        if self._known != server:
            raise LevelDown(f"{self._url.shown}: another server answers each time; name one")
        return server

    async def close(self) -> None:
        """Gives connections back."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await self._foreign.call(client.aclose)
            except (ForeignEnded, RedisError, OSError):
                return  # what cannot be closed is gone

    async def _ask(self, make: Callable[[], Coroutine[Any, Any, T]], most_s: float) -> T:
        async def over_there() -> T:
            async with asyncio.timeout(most_s):
                return await make()

        try:
            return await self._foreign.call(over_there)
        except ClusterError as fault:
            raise LevelDown(f"{self._url.shown}: {fault}") from fault
        except ResponseError as fault:
            raise LevelRefused(str(fault)) from fault
        except TimeoutError as fault:
            raise LevelDown(f"no answer from {self._url.shown} within {most_s:g} s") from fault
        except (RedisError, OSError, ForeignEnded) as fault:
            raise LevelDown(f"{self._url.shown}: {str(fault) or type(fault).__name__}") from fault

    # What follows runs over there.

    async def _meet(self) -> None:
        """Asks whether it is a cluster, each time anew: behind the same name another one may be by now."""
        url = self._url.reveal().decode()
        async with Redis.from_url(url, single_connection_client=True, **redis_options("cache", TALK_MAX_S)) as stranger:
            is_cluster = bool((await stranger.info("cluster")).get("cluster_enabled"))
        if self._client is None or is_cluster != self._is_cluster:
            former, self._client, self._is_cluster = self._client, self._connect(url, is_cluster), is_cluster
            if former is not None:
                await former.aclose()

    def _connect(self, url: str, is_cluster: bool) -> Redis | RedisCluster:
        if is_cluster:
            return RedisCluster.from_url(url, max_connections=CONNECTIONS_MAX, **redis_options("cache", TALK_MAX_S))
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS_MAX,
            timeout=TALK_MAX_S,
            redis_connect_func=self._greet,
            **redis_options("cache", TALK_MAX_S),
        )
        return Redis.from_pool(pool)  # which closes it, too

    async def _greet(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        server = _run_id(await connection.read_response())
        if self._known and server != self._known:
            self._known = "another one"  # nobody is, until `ping` has asked
            raise RedisConnectionError("it was restarted")

    async def _find(self, key: str, tags: Sequence[str]) -> Found:
        pipe = self._client.pipeline(transaction=False)
        pipe.getrange(key, 0, self._read_max)
        for tag in tags:
            pipe.get(tag)
        value, *tokens = await pipe.execute(raise_on_error=False)
        # A key of another type is somebody else's: bytes that nobody can read.
        value = b"?" if isinstance(value, ResponseError) else _checked(value)
        now = tokens_of([None if isinstance(token, ResponseError) else _checked(token) for token in tokens])
        return Found(value or None, await self._made(tags, tokens) if now is None else now)

    async def _made(self, tags: Sequence[str], tokens: Sequence[Any]) -> bytes:
        pipe = self._client.pipeline(transaction=False)
        for tag, token in zip(tags, tokens, strict=True):
            is_ours = isinstance(token, bytes) and len(token) == TOKEN_BYTES
            # Whoever is first gives it; what is no token is replaced.
            if not is_ours:
                pipe.set(tag, secrets.token_bytes(TOKEN_BYTES), ex=TOKEN_LIFETIME_S, nx=token is None)
            pipe.get(tag)
        answers = [answer for answer in await pipe.execute() if isinstance(answer, bytes)]
        made = tokens_of(answers) if len(answers) == len(tags) else None
        if made is None:
            raise LevelDown("a tag has no token, although it was just given one")
        return made

    async def _keep(self, entries: Sequence[Entry]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for entry in entries:
            pipe.set(entry.key, entry.value, px=int(entry.lifetime_s * 1_000))
        for answer in await pipe.execute(raise_on_error=False):
            _checked(answer)

    async def _unlink(self, keys: Sequence[str | bytes]) -> None:
        if not self._is_cluster:
            await self._client.unlink(*keys)
            return
        together: dict[str, list[str | bytes]] = defaultdict(list)
        for key in keys:
            together[workspace_of(key if isinstance(key, str) else key.decode(errors="replace"))].append(key)
        for some in together.values():
            await self._client.unlink(*some)

    async def _nodes(self) -> list[Any]:
        if not self._is_cluster:
            return [None]
        await self._client.initialize()
        return list(self._client.get_primaries())

    async def _scan(self, node: Any, cursor: int, pattern: str) -> tuple[int, int]:
        where = {} if node is None else {"target_nodes": node}
        answer = await self._client.scan(cursor, match=pattern, count=STEP_KEYS, **where)
        following, keys = answer
        if isinstance(following, dict):  # a cluster's: by node
            (following,) = following.values()
        if keys:
            await self._unlink(keys)
        return int(following), len(keys)

    async def _who(self) -> str:
        if not self._is_cluster:
            return str((await self._client.info("server"))["run_id"])
        nodes = await self._nodes()
        infos = [await self._client.info("server", target_nodes=node) for node in nodes]
        return ",".join(sorted(str(info["run_id"]) for info in infos))


def _checked(answer: Any) -> Any:
    """An answer inside a pipeline. Raises it if it is a fault."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def _run_id(info: Any) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    return next((line[7:].strip() for line in text.splitlines() if line.startswith("run_id:")), "")
